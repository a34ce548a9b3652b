"""The door of an invitation: what a newcomer asks through it, and what a member answers.

Law: bytes only. A door has an id of its own, made from the invitation's secret, and stands where a
network's id would stand; who does not know the secret learns from it neither the network nor its
name. Who may enter, and how often, is decided elsewhere.

    request = [1, door: 16 B, "join", takes: 0 or 1]
    answer  = [1, 0, name, network: 16 B, generation]                             takes 0
            | [1, 0, name, network: 16 B, generation, secret: 32 B, overlap_ms]   takes 1
            | [1, 1]                                            used as often as it may be
            | [1, 2]                                            expired
"""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from antsp2p.gossip.limits import MAX_OVERLAP_MS
from antsp2p.gossip.network_keys import (
    MAX_GENERATION,
    SECRET_BYTES,
    KeyPurpose,
    KeyRing,
    LinkKey,
    NetworkKey,
    link_key,
)
from antsp2p.gossip.protection import Protection, protect
from antsp2p.records.encoding import Malformed, encode
from antsp2p.records.record import NETWORK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.protection import Signer

ADMISSION_VERSION: Final = 1
JOIN_WORD: Final = "join"
DOOR_DOMAIN: Final = b"antsp2p/1/door"
NETWORK_NAME_BYTES: Final = 64
"""Of a network's name, as where one is made."""
MAX_ADMISSION_BYTES: Final = 256
"""Of an answer: the longest has 138."""


class Refusal(IntEnum):
    """Why a door that was open once does not let in any more."""

    USED = 1
    EXPIRED = 2


@dataclass(frozen=True, slots=True)
class Admission:
    """What a newcomer gets; without a secret it has only looked."""

    name: str
    """What the inviter calls the network."""
    network: bytes
    generation: int = 0
    secret: bytes = field(default=b"", repr=False)
    overlap_ms: int = 0
    """How long the secret before that one is still good."""


def door_id(secret: bytes) -> bytes:
    """What stands for the network in the first message of a newcomer."""
    return blake2b(secret, digest_size=NETWORK_BYTES, person=DOOR_DOMAIN).digest()


def door_protection(
    identity: Signer, secret: bytes, entropy: Callable[[int], bytes]
) -> Protection:
    """What either side brings to the door of an invitation."""
    door = door_id(secret)
    ring = KeyRing(door, [NetworkKey(secret, KeyPurpose.INVITATION)])
    return protect(identity, door, ring, entropy)


def door_key(secret: bytes) -> LinkKey:
    """The key with which a newcomer calls."""
    return link_key(door_id(secret), NetworkKey(secret, KeyPurpose.INVITATION))


# --- request -------------------------------------------------------------------------------------


def join_request(door: bytes, *, takes: bool) -> bytes:
    """The request for what is behind a door; without `takes` the invitation is not used."""
    return encode([ADMISSION_VERSION, door, JOIN_WORD, int(takes)])


def parse_join_request(message: list[Any], door: bytes) -> bool:
    """Whether the newcomer takes what is given. Raises `Malformed`."""
    if len(message) != 4 or message[:3] != [ADMISSION_VERSION, door, JOIN_WORD]:
        raise Malformed("request")
    if type(message[3]) is not int or message[3] not in (0, 1):
        raise Malformed("request")
    return bool(message[3])


# --- answer --------------------------------------------------------------------------------------


def encode_answer(answer: Admission | Refusal) -> bytes:
    """The answer's bytes."""
    if isinstance(answer, Refusal):
        return encode([ADMISSION_VERSION, int(answer)])
    given: list[Any] = [
        ADMISSION_VERSION, 0, answer.name, answer.network, answer.generation]
    return encode([*given, answer.secret, answer.overlap_ms] if answer.secret else given)


def parse_answer(message: list[Any]) -> Admission | Refusal:
    """What a member answered. Raises `Malformed`."""
    if not message or type(message[0]) is not int or message[0] != ADMISSION_VERSION:
        raise Malformed("answer")
    if len(message) == 2 and type(message[1]) is int and message[1] in tuple(Refusal):
        return Refusal(message[1])
    kinds = [int, int, str, bytes, int, bytes, int]
    if len(message) not in (5, 7) or [type(part) for part in message] != kinds[: len(message)]:
        raise Malformed("answer")
    _, code, name, network, generation, *rest = message
    if (
        code or len(network) != NETWORK_BYTES
        or not 0 < len(name.encode()) <= NETWORK_NAME_BYTES or not 0 <= generation <= MAX_GENERATION
    ):
        raise Malformed("answer")
    if rest and (len(rest[0]) != SECRET_BYTES or not 0 <= rest[1] <= MAX_OVERLAP_MS):
        raise Malformed("answer")
    return Admission(name, network, generation, *rest)

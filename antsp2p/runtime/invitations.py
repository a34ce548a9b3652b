"""The invitations that a node has given out, and the doors at which newcomers use them.

Law: a use is written down before the secret leaves, so that a crash never lets in one more. An
invitation that ended says why for a while, only to those who have its code. The file holds the
secrets of open invitations: its owner alone may read it.
"""
from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import trio

from antsp2p.gossip.admission import (
    JOIN_WORD,
    Admission,
    Refusal,
    door_id,
    door_protection,
    encode_answer,
    parse_join_request,
)
from antsp2p.gossip.join_code import ONE_TIME_BYTES
from antsp2p.records.encoding import Malformed
from antsp2p.records.keys import PUBLIC_KEY_BYTES
from antsp2p.runtime import limits
from antsp2p.runtime.home import HomeError, refuse_wider, write_durably
from antsp2p.runtime.networks import wall_ms
from antsp2p.runtime.streams import framed_bytes, send

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from antsp2p.gossip.protection import Protection, Signer
    from antsp2p.runtime.sealed import SecureStream


INVITATION_DIGITS: Final = 8
"""Of a door's id, to name an invitation: of 16 hardly two begin alike."""


class InvitationRefused(Exception):
    """The text is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Use:
    """Somebody took the secret, under a key that was made to ask for it."""

    author: bytes
    at_ms: int


@dataclass(frozen=True, slots=True)
class Invitation:
    """Times are milliseconds since 1970."""

    secret: bytes = field(repr=False)
    made_ms: int
    expires_ms: int
    uses: int
    used: tuple[Use, ...] = ()

    @property
    def door(self) -> bytes:
        return door_id(self.secret)

    @property
    def uses_left(self) -> int:
        return self.uses - len(self.used)

    def refusal(self, author: bytes, now_ms: int) -> Refusal | None:
        """Why `author` is not let in now; None where it is."""
        if self.was_given_to(author, now_ms):
            return None
        if now_ms >= self.expires_ms:
            return Refusal.EXPIRED
        return None if self.uses_left else Refusal.USED

    def was_given_to(self, author: bytes, now_ms: int) -> bool:
        """Whether `author` took it so lately that the answer may have been lost."""
        return any(
            use.author == author and now_ms - use.at_ms < limits.INVITATION_AGAIN_MS
            for use in self.used
        )

    def is_open(self, now_ms: int) -> bool:
        return now_ms < self.expires_ms and self.uses_left > 0

    def view(self) -> dict[str, Any]:
        """What people are shown: all but the secret."""
        return {
            "id": self.door.hex()[:INVITATION_DIGITS], "made_ms": self.made_ms,
            "expires_ms": self.expires_ms, "uses": self.uses, "uses_left": self.uses_left,
            "used_ms": [use.at_ms for use in self.used],
        }

    def ended_ms(self) -> int:
        """When it ended, or will at the latest."""
        return self.expires_ms if self.uses_left else min(self.expires_ms, self.used[-1].at_ms)


class Invitations:
    """All invitations of one node. `admission()` is what a newcomer gets now."""

    word = JOIN_WORD
    prefix = "join"
    connections = limits.JOIN_CONNECTIONS
    connections_per_host = limits.JOIN_CONNECTIONS_PER_HOST

    def __init__(
        self, path: Path, identity: Signer, admission: Callable[[], Admission],
        now_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._path = path
        self._identity = identity
        self._admission = admission
        self._now_ms = now_ms
        self._changing = trio.Lock()
        self._known = {each.door: each for each in _load(path)}
        self._doors = {
            door: self._protection(each.secret) for door, each in self._known.items()
        }

    def _protection(self, secret: bytes) -> Protection:
        return door_protection(self._identity, secret, secrets.token_bytes)

    # --- for the people of this machine -----------------------------------------------------------

    def all(self) -> list[Invitation]:
        """Those that are open, and those that ended lately, the oldest first."""
        return list(self._known.values())

    async def invite(self, lasting_ms: int, uses: int) -> Invitation:
        """A new invitation, kept. Raises `InvitationRefused` or `HomeError`."""
        async with self._changing:
            now_ms = self._now_ms()
            known = {
                door: each for door, each in self._known.items()
                if now_ms - each.ended_ms() < limits.INVITATION_KEPT_MS
            }
            while len(known) >= limits.INVITATIONS:
                ended = next((d for d, each in known.items() if not each.is_open(now_ms)), None)
                if ended is None:
                    raise InvitationRefused(
                        f"{limits.INVITATIONS} invitations are open: wait until one is used, or "
                        "cancel one with: antsp2p invite --cancel ID"
                    )
                del known[ended]
            made = Invitation(
                secrets.token_bytes(ONE_TIME_BYTES), now_ms, now_ms + lasting_ms, uses)
            await self._keep({**known, made.door: made})
            return made

    async def cancel(self, door: bytes) -> None:
        """Forget an invitation: its door is gone. Raises `HomeError`."""
        async with self._changing:
            await self._keep({each: kept for each, kept in self._known.items() if each != door})

    async def _keep(self, known: dict[bytes, Invitation]) -> None:
        """Make `known` durable, then go by it."""
        await trio.to_thread.run_sync(_save, self._path, list(known.values()))
        self._known = known
        self._doors = {
            door: self._doors.get(door) or self._protection(each.secret)
            for door, each in known.items()
        }

    # --- for newcomers ----------------------------------------------------------------------------

    @property
    def service(self) -> Invitations:
        """What answers behind a door."""
        return self

    def find(self, door: bytes) -> Protection | None:
        """What this node brings to a door."""
        return self._doors.get(door)

    async def answer(self, stream: SecureStream, message: list[Any]) -> None:
        """Answer one newcomer. Raises `Malformed`."""
        takes = parse_join_request(message, stream.network)
        async with self._changing:
            try:
                answer = await self._answer(stream.network, stream.author, takes)
            except HomeError as error:
                # What is not written down is not given; the newcomer asks again.
                raise Malformed("unsaved") from error
        await send(stream, framed_bytes(encode_answer(answer)))

    async def _answer(self, door: bytes, author: bytes, takes: bool) -> Admission | Refusal:
        now_ms = self._now_ms()
        invitation = self._known.get(door)
        # Cancelled since the handshake.
        refusal = Refusal.EXPIRED if invitation is None else invitation.refusal(author, now_ms)
        if refusal is not None or invitation is None:
            return refusal or Refusal.EXPIRED
        admission = self._admission()
        if not takes:
            return replace(admission, secret=b"", overlap_ms=0)
        if not invitation.was_given_to(author, now_ms):
            used = (*invitation.used, Use(author, now_ms))
            await self._keep({**self._known, door: replace(invitation, used=used)})
        return admission


# --- the file ------------------------------------------------------------------------------------


def _save(path: Path, invitations: list[Invitation]) -> None:
    facts = [
        {
            "secret": each.secret.hex(), "made_ms": each.made_ms, "expires_ms": each.expires_ms,
            "uses": each.uses,
            "used": [{"author": use.author.hex(), "at_ms": use.at_ms} for use in each.used],
        }
        for each in invitations
    ]
    try:
        write_durably(path, json.dumps(facts, indent=1).encode() + b"\n")
    except OSError as error:
        raise HomeError(f"cannot write the invitations {path}: {error.strerror}") from error


def _load(path: Path) -> list[Invitation]:
    try:
        refuse_wider(path)
        facts = json.loads(path.read_bytes())
        return [_invitation(each) for each in facts[-limits.INVITATIONS :]]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HomeError(f"cannot read the invitations {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HomeError(
            f"the file of invitations {path} is damaged: remove it, and invite again") from error


def _invitation(facts: Any) -> Invitation:
    used = tuple(
        Use(bytes.fromhex(use["author"]), int(use["at_ms"])) for use in facts["used"]
    )
    invitation = Invitation(
        bytes.fromhex(facts["secret"]), int(facts["made_ms"]), int(facts["expires_ms"]),
        int(facts["uses"]), used,
    )
    if len(invitation.secret) != ONE_TIME_BYTES or any(
        len(use.author) != PUBLIC_KEY_BYTES for use in used
    ):
        raise ValueError("an invitation's secret has 16 bytes, and an author 32")
    return invitation

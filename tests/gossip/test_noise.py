"""Noise: the published vectors to the last byte, and nothing that was touched gets through."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from antsp2p.gossip.noise import Handshake, KeyPair, nonce, rekeyed
from antsp2p.records.encoding import Malformed

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "noise.json").read_text("utf-8")
)["vectors"]
HANDSHAKE_MESSAGES = {"NN": 2, "KK": 2, "IK": 2, "XX": 3}
PATTERN = "XXpsk0"


def side(vector: dict[str, Any], who: str) -> Handshake:
    """One side of a vector's handshake."""
    def field(name: str) -> bytes | None:
        text = vector.get(f"{who}_{name}")
        return bytes.fromhex(text) if text else None

    static, ephemeral = field("static"), field("ephemeral")
    assert ephemeral is not None
    return Handshake(
        vector["protocol_name"].split("_")[1], initiator=who == "init",
        prologue=field("prologue") or b"", ephemeral=ephemeral,
        static=KeyPair(static) if static else None, remote_static=field("remote_static"),
        psks=[bytes.fromhex(psk) for psk in vector.get(f"{who}_psks", ())],
    )


def named(vector: dict[str, Any]) -> str:
    return f"{vector['protocol_name']} {vector['init_ephemeral'][:4]}"


@pytest.mark.parametrize("vector", VECTORS, ids=named)
def test_published_vectors(vector: dict[str, Any]) -> None:
    sides = [side(vector, "init"), side(vector, "resp")]
    messages = [
        (bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"]))
        for message in vector["messages"]
    ]
    base = vector["protocol_name"].split("_")[1].split("psk")[0]
    for number, (payload, sealed) in enumerate(messages[: HANDSHAKE_MESSAGES[base]]):
        assert sides[number % 2].write(payload) == sealed
        assert sides[1 - number % 2].read(sealed) == payload
    assert all(each.is_over for each in sides)
    assert sides[0].hash == sides[1].hash
    if "handshake_hash" in vector:
        assert sides[0].hash.hex() == vector["handshake_hash"]
    (first_send, first_receive), (second_send, second_receive) = (each.split() for each in sides)
    assert (first_send, first_receive) == (second_receive, second_send)
    counts = [0, 0]
    for number in range(HANDSHAKE_MESSAGES[base], len(messages)):
        payload, sealed = messages[number]
        key = (first_send, second_send)[number % 2]
        assert ChaCha20Poly1305(key).encrypt(nonce(counts[number % 2]), payload, b"") == sealed
        counts[number % 2] += 1


def pair(psk: bytes = b"p" * 32, prologue: bytes = b"here") -> tuple[Handshake, Handshake]:
    first, second = (
        Handshake(
            PATTERN, initiator=initiator, prologue=b"here" if initiator else prologue,
            static=KeyPair(bytes((number,)) * 32), ephemeral=bytes((number + 2,)) * 32,
            psks=[b"p" * 32 if initiator else psk],
        )
        for number, initiator in ((1, True), (2, False))
    )
    return first, second


def test_every_flipped_byte_is_refused_and_the_true_message_still_read() -> None:
    first, second = pair()
    for number in range(3):
        writer, reader = (first, second)[:: 1 if number % 2 == 0 else -1]
        message = writer.write(b"payload")
        for at in range(len(message)):
            bad = bytearray(message)
            bad[at] ^= 0x01
            with pytest.raises(Malformed, match="noise"):
                reader.read(bytes(bad))
        for size in range(len(message)):
            with pytest.raises(Malformed, match="noise"):
                reader.read(message[:size])
        assert reader.read(message) == b"payload"
    assert first.split() == second.split()[::-1]


@pytest.mark.parametrize("second", [pair(psk=b"q" * 32)[1], pair(prologue=b"there")[1]])
def test_another_secret_or_prologue_is_refused_at_the_first_message(second: Handshake) -> None:
    with pytest.raises(Malformed, match="noise"):
        second.read(pair()[0].write(b""))


def test_a_key_that_shares_nothing_is_refused() -> None:
    _, second = pair()
    with pytest.raises(Malformed, match="noise"):
        KeyPair(b"k" * 32).exchange(bytes(32))
    with pytest.raises(Malformed, match="noise"):
        second.read(bytes(48))


def test_keys_follow_each_other() -> None:
    key = bytes(range(32))
    sealed = ChaCha20Poly1305(key).encrypt(b"\0" * 4 + b"\xff" * 8, bytes(32), b"")
    assert rekeyed(key) == sealed[:32]
    assert rekeyed(rekeyed(key)) != rekeyed(key)

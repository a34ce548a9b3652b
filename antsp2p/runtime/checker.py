"""A process beside the node that checks signatures: `python -m antsp2p.runtime.checker`.

Law: it is asked on its standard input and answers in the file that is its standard output, one
byte a question, in the order of the questions. It knows keys, signatures and bytes and nothing
else; it ends when its input ends, or when nobody has asked for a while.
"""
from __future__ import annotations

import mmap
import select
import signal
import struct
from typing import TYPE_CHECKING, Final

from antsp2p.records.keys import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, verify
from antsp2p.runtime.limits import AHEAD_IDLE_MS, AHEAD_SLOTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.records.keys import Check

OPEN, STARTED, TAKEN, SKIPPED, GOOD, BAD = range(6)
"""What stands in a slot: asked; begun here; checked by the asker meanwhile. Then one of the last
three, which only this process writes, once and as its last word on the question."""

_HEAD: Final = struct.Struct(">HH")
_READ_BYTES: Final = 1 << 16


def questions(slots: Sequence[int], checks: Sequence[Check]) -> bytes:
    """What is to be written for `checks`, whose answers are to stand in `slots`."""
    parts: list[bytes] = []
    for slot, (public_key, signature, message) in zip(slots, checks, strict=True):
        parts += _HEAD.pack(slot, len(message)), public_key, signature, message
    return b"".join(parts)


def answer(asked: bytes, answers: mmap.mmap | bytearray) -> bytes:
    """Answer the whole questions in `asked`; returns what is left of it."""
    at = 0
    while len(asked) - at >= _HEAD.size:
        slot, size = _HEAD.unpack_from(asked, at)
        key_at = at + _HEAD.size
        signature_at = key_at + PUBLIC_KEY_BYTES
        message_at = signature_at + SIGNATURE_BYTES
        if len(asked) < message_at + size:
            break
        at = message_at + size
        if answers[slot] == TAKEN:
            answers[slot] = SKIPPED
            continue
        answers[slot] = STARTED
        is_good = verify(
            asked[key_at:signature_at], asked[signature_at:message_at], asked[message_at:at]
        )
        answers[slot] = GOOD if is_good else BAD
    return asked[at:]


def main() -> None:
    """Answer until the input ends."""
    # Whoever interrupts the node ends this process by the end of its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(0, "rb", buffering=0) as asked, mmap.mmap(1, AHEAD_SLOTS) as answers:
        left = b""
        while select.select([asked], [], [], AHEAD_IDLE_MS / 1_000)[0]:
            data = asked.read(_READ_BYTES)
            if not data:
                return
            left = answer(left + data, answers)


if __name__ == "__main__":
    main()

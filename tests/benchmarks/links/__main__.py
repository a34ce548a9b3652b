"""What sealed links cost in processor time, beside plain ones.

    python -m tests.benchmarks.links [--json] [--rounds N]

Sealed and plain take turns in one process, and each figure is the median of the rounds. Plain is
the simulation's suite: the same messages and sizes, and the same checks of signatures, without a
cipher.
"""
from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, TypeVar

from antsp2p.gossip.datagram import SEALED_BYTES
from antsp2p.gossip.limits import DEFAULT_LIMITS, MAX_DATAGRAM_BYTES, MIN_HELLO_BYTES
from antsp2p.gossip.link import Holding
from antsp2p.gossip.links import Links
from antsp2p.gossip.network_keys import KeyRing, NetworkKey
from antsp2p.gossip.protection import protect
from antsp2p.gossip.session import Session
from antsp2p.gossip.stream_cipher import CHUNK_BYTES, StreamAnswerer, StreamCaller
from antsp2p.gossip.suite import NOISE, Suite
from antsp2p.gossip.wire import NO_HEAD, Ping, encode_frame
from antsp2p.records.keys import Identity, verify
from antsp2p.simulation.plain import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable

NETWORK: Final = bytes(range(16))
KEY: Final = NetworkKey(bytes(range(32)))
A, B = ("192.0.2.1", 1), ("192.0.2.2", 2)
SUITES: Final = {"sealed": NOISE, "plain": PLAIN}
HANDSHAKES, DATAGRAMS, STRANGERS, CHUNKS = 20, 2_000, 2_000, 64
_PING = encode_frame(Ping(1, bytes(16), 0, 1))
_Result = TypeVar("_Result")


class Side:
    """One node's links, whose processor time is counted."""

    def __init__(self, number: int, suite: Suite, seed: int) -> None:
        self.spent_s = 0.0
        self.drops: Counter[str] = Counter()
        self._seed, self._drawn = seed * 1_000_000 + number * 1_000, 0
        self.protection = protect(
            Identity.from_seed(bytes((number,)) * 32), NETWORK, KeyRing(NETWORK, [KEY]),
            self._draw, suite,
        )
        self.links = Links(
            protection=self.protection, instance=bytes((number,)) * 8, now_us=0,
            limits=DEFAULT_LIMITS, drops=self.drops, verify=verify,
            holding=lambda author: Holding(0, NO_HEAD, bytes(16)), room=lambda *caller: None,
        )

    def _draw(self, count: int) -> bytes:
        self._drawn += 1
        return (self._seed + self._drawn).to_bytes(8, "big").rjust(32, b"d")[-count:]

    def timed(self, call: Callable[[], _Result]) -> _Result:
        """The result, the time taken added to what this side has spent."""
        start_s = time.process_time()
        result = call()
        self.spent_s += time.process_time() - start_s
        return result


def linked(suite: Suite, seed: int) -> tuple[Side, Side]:
    """Two sides after a handshake, with what each has spent on it."""
    one, other = Side(1, suite, seed), Side(2, suite, seed)
    hello = one.timed(lambda: one.links.dial(B, 0))
    (welcome,) = other.timed(lambda: other.links.read(A, hello, 0)).replies
    one.timed(lambda: one.links.read(B, welcome.data, 0))
    (mine,) = one.links.all()
    for data in one.timed(lambda: one.links.write(mine, [_PING], 0)):
        other.timed(lambda data=data: other.links.read(A, data, 0))  # type: ignore[misc]
    assert len(other.links.all()) == 1
    return one, other


def per_call_us(count: int, calls: Callable[[], object]) -> float:
    start_s = time.process_time()
    calls()
    return (time.process_time() - start_s) * 1e6 / count


def handshake_us(suite: Suite, seed: int) -> tuple[float, float]:
    """(caller's, answerer's) for one handshake; what is made at the start is left out."""
    pairs = [linked(suite, seed * HANDSHAKES + number) for number in range(HANDSHAKES)]
    caller, answerer = zip(*pairs, strict=True)
    return (
        sum(side.spent_s for side in caller) * 1e6 / HANDSHAKES,
        sum(side.spent_s for side in answerer) * 1e6 / HANDSHAKES,
    )


def datagram_us(suite: Suite, size: int) -> tuple[float, float]:
    """(to seal, to open) a datagram of `size` bytes."""
    here, there = (
        Session(suite, keys, id_in=b"iiii", id_out=b"oooo", now_us=0, limits=DEFAULT_LIMITS)
        for keys in ((b"k" * 32, b"K" * 32), (b"K" * 32, b"k" * 32))
    )
    plain = bytes(size - SEALED_BYTES)
    sealed: list[bytes] = []
    seal_us = per_call_us(
        DATAGRAMS, lambda: sealed.extend(here.seal(plain, 0) for _ in range(DATAGRAMS)))
    open_us = per_call_us(DATAGRAMS, lambda: [there.open(data, 0) for data in sealed])
    return seal_us, open_us


def stranger_us(suite: Suite) -> float:
    """A hello of somebody who knows what is in clear, and not the secret: one MAC."""
    side = Side(2, suite, 0)
    hello = Side(1, suite, 1).links.dial(B, 0, MIN_HELLO_BYTES)
    forged = hello[:-1] + bytes((hello[-1] ^ 1,))
    cost_us = per_call_us(
        STRANGERS, lambda: [side.links.read(A, forged, 0) for _ in range(STRANGERS)])
    assert side.drops == {"mac": STRANGERS}
    return cost_us


def stream_us(suite: Suite) -> float:
    """To seal and to open one MiB of a stream."""
    one, other = Side(1, suite, 0).protection, Side(2, suite, 0).protection
    calling = StreamCaller(one, one.keys.members()[0], verify)
    answering = StreamAnswerer(other, verify)
    third, here = calling.answered(answering.first(calling.first[2:])[2:])
    there = answering.last(third[2:])
    part = bytes(CHUNK_BYTES)
    return per_call_us(1, lambda: [there.open(here.seal(part)[2:]) for _ in range(CHUNKS)])


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Medians, by figure and suite."""
    told: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(rounds):
        for name, suite in SUITES.items():
            caller, answerer = handshake_us(suite, number)
            told["handshake, caller, µs"][name].append(caller)
            told["handshake, answerer, µs"][name].append(answerer)
            for size in (100, MAX_DATAGRAM_BYTES):
                seal, open_ = datagram_us(suite, size)
                told[f"datagram of {size} bytes, sender, µs"][name].append(seal)
                told[f"datagram of {size} bytes, receiver, µs"][name].append(open_)
            told["hello of a stranger, µs"][name].append(stranger_us(suite))
            told["stream, one MiB, both ends, µs"][name].append(stream_us(suite))
    return {
        figure: {name: statistics.median(values) for name, values in by_suite.items()}
        for figure, by_suite in told.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="of each suite (7)")
    options = parser.parse_args()
    figures = measure(options.rounds)
    if options.json:
        print(json.dumps(figures, ensure_ascii=False, indent=1))
        return
    print(f"{'':42} {'sealed':>9} {'plain':>9} {'beyond':>9}")
    for figure, costs in figures.items():
        beyond = costs["sealed"] - costs["plain"]
        print(f"{figure:42} {costs['sealed']:9.1f} {costs['plain']:9.1f} {beyond:9.1f}")


if __name__ == "__main__":
    main()

"""The simulated world: one heap, one clock, one seed, and the shipped node on every machine.

Law: nothing here decides anything about tasks or gossip. Every draw comes from a stream named
after its purpose, so that one more fault does not shift the draws of another.
"""
from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from antsp2p.events import Committed, Effect, Event, SendDatagram
from antsp2p.gossip.network_keys import SECRET_BYTES, NetworkKey
from antsp2p.records import keys
from antsp2p.records.record import NETWORK_BYTES, Record, parse_record
from antsp2p.simulation.limits import (
    MAX_PARSED_RECORDS,
    MAX_PENDING_EVENTS,
    MAX_VERIFIED_SIGNATURES,
)
from antsp2p.simulation.machine import Kept, Machine, NodeMaker, shipped_node
from antsp2p.simulation.network import Network, Place
from antsp2p.simulation.plain import PLAIN
from antsp2p.simulation.streams import Streams

if TYPE_CHECKING:
    from antsp2p.node import Node


class Violation(AssertionError):
    """A checker found the world broken; the text tells where, and how to see it again."""


class Observer:
    """Sees what happens. Each method does nothing until overridden."""

    def started(self, machine: Machine) -> None:
        """The machine's node runs over its history, before its first event."""

    def started_elsewhere(self, place: Place) -> None:
        """A node of another process runs."""

    def crashed(self, machine: Machine) -> None:
        """The machine's node is gone, and with it all that was not durable."""

    def wiped(self, machine: Machine, lost: bytes) -> None:
        """The home of `lost` is gone with its key."""

    def handled(self, machine: Machine, event: Event, effects: Sequence[Effect]) -> None:
        """The node handled one event; none of the effects has happened yet.

        Not called where nothing followed: without an effect no record was added or removed.
        """

    def committed(self, machine: Machine, batch: Sequence[Kept]) -> None:
        """The batch is on the disk."""

    def delivered(self, machine: Machine, data: bytes) -> None:
        """A datagram entered the machine's inbox."""

    def performed(self, machine: Machine, effect: Effect) -> None:
        """An effect other than sending and keeping leaves the node."""

    def report(self) -> dict[str, Any]:
        """Figures of its own for the report of a run."""
        return {}


class World:
    """Machines, a network and time."""

    def __init__(self, seed: int, *, delay: str = "lan", replay: str = "") -> None:
        self.seed = seed
        self.replay = replay
        self.now_us = 0
        self.steps = 0
        self.epoch_ms = 1_700_000_000_000
        self.network_id = self.stream("network-id").randbytes(NETWORK_BYTES)
        self.network_key = NetworkKey(self.stream("network-key").randbytes(SECRET_BYTES))
        self.suite = PLAIN
        """Nodes started from now on seal their links with it."""
        self.verify = RememberedSignatures()
        self.parse = RememberedRecords()
        self.network = Network(self, delay)
        self.streams = Streams(self)
        self.machines: list[Machine] = []
        self.places: list[Place] = []
        """All machines, also those of other processes, by their index."""
        self.observers: list[Observer] = []
        self.retired_bytes: Counter[str] = Counter()
        self.retired_frames: Counter[str] = Counter()
        """What nodes had sent, by message, that are gone since."""
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._tie = 0
        self._stopped = False
        self._trace = hashlib.sha256()

    @property
    def trace_hash(self) -> str:
        """SHA-256 over every event handled so far and all its effects, in hex."""
        return self._trace.hexdigest()

    def stream(self, purpose: str) -> Random:
        """The draws of one purpose; the same seed and purpose give the same draws."""
        return Random(f"{self.seed}/{purpose}")

    def add_machine(self, make_node: NodeMaker = shipped_node) -> Machine:
        """One more machine, not started."""
        machine = Machine(self, len(self.places), make_node)
        self.machines.append(machine)
        self.places.append(machine)
        self.network.attach(machine)
        return machine

    def running(self) -> list[Machine]:
        """The machines whose node is up."""
        return [machine for machine in self.machines if machine.node is not None]

    def up(self) -> list[Place]:
        """All whose node is up, also in other processes."""
        return [place for place in self.places if place.is_up]

    def gather(self, fact: Any) -> list[Any]:
        """What each process of this run says here, in order; all processes ask together."""
        return [fact]

    # --- time -------------------------------------------------------------------------------

    def after(self, delay_us: int, action: Callable[..., None], *arguments: Any) -> None:
        """Call `action(*arguments)` in `delay_us`; what is due together runs in order of asking."""
        if len(self._heap) >= MAX_PENDING_EVENTS:
            raise self.violation("heap", f"more than {MAX_PENDING_EVENTS} events are pending")
        self._tie += 1
        heapq.heappush(self._heap, (self.now_us + delay_us, self._tie, action, arguments))

    def run(self, until_us: int) -> None:
        """Let the world run to `until_us`, or until somebody calls `stop`."""
        heap = self._heap
        self._stopped = False
        while heap and heap[0][0] <= until_us:
            self.now_us, _, action, arguments = heapq.heappop(heap)
            action(*arguments)
            if self._stopped:
                return
        self.now_us = until_us

    def stop(self) -> None:
        """Let `run` return after the present event."""
        self._stopped = True

    def retire(self, node: Node) -> None:
        """A node is gone: keep the count of what it has sent."""
        gossip = getattr(node, "gossip", None)
        if gossip is not None:
            self.retired_bytes += gossip.sent
            self.retired_frames += gossip.frames

    # --- what machines report ---------------------------------------------------------------

    def handled(
        self, machine: Machine, event: Event, effects: Sequence[Effect]
    ) -> Sequence[Effect]:
        """Count and trace one step, and show it to the observers."""
        self.steps += 1
        trace = self._trace.update
        trace(b"%d %d %s\n" % (self.now_us, machine.index, type(event).__name__.encode()))
        for effect in effects:
            trace(effect_bytes(effect))
        if effects or isinstance(event, Committed):
            for observer in self.observers:
                observer.handled(machine, event, effects)
        return effects

    def violation(self, checker: str, what: str, machine: Machine | None = None) -> Violation:
        """The error that a checker raises: what, where, when, and how to replay it."""
        where = "" if machine is None else f" at node {machine.index}"
        return Violation(
            f"{checker}: {what}{where} (seed {self.seed}, time {self.now_us / 1e6:.6f} s, "
            f"step {self.steps}). Replay: {self.replay or 'the test that made this world'}"
        )


class RememberedSignatures:
    """The signature check, each answer computed once for all nodes."""

    def __init__(self) -> None:
        self._answers: dict[tuple[bytes, bytes, bytes], bool] = {}

    def __call__(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """Whether `signature` of `message` verifies under `public_key`."""
        question = (public_key, signature, message)
        answer = self._answers.get(question)
        if answer is None:
            if len(self._answers) >= MAX_VERIFIED_SIGNATURES:
                self._answers.clear()
            answer = self._answers[question] = keys.verify(public_key, signature, message)
        return answer


class RememberedRecords:
    """`parse_record`, each record made once and shared by all nodes; malformed bytes are not."""

    def __init__(self) -> None:
        self._records: dict[bytes, Record] = {}

    def __call__(self, wire: bytes) -> Record:
        """The record of `wire`. Raises `Malformed` as `parse_record` does."""
        record = self._records.get(wire)
        if record is None:
            if len(self._records) >= MAX_PARSED_RECORDS:
                self._records.clear()
            record = self._records[wire] = parse_record(wire)
        return record


def effect_bytes(effect: Effect) -> bytes:
    """An effect as bytes for the trace: equal effects give equal bytes, in any process."""
    if isinstance(effect, SendDatagram):
        return b"%s:%d %s\n" % (effect.address[0].encode(), effect.address[1], effect.data)
    return f"{type(effect).__name__} {_plain(effect)}\n".encode()


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Record):
        return value.id.hex() + value.signature.hex()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_plain(key)}:{_plain(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "(" + ",".join(_plain(item) for item in value) + ")"
    if is_dataclass(value):
        return ",".join(_plain(getattr(value, item.name)) for item in fields(value))
    return str(value)

"""Which records of a task lie in the past of which: the vector clocks of each contest.

Law: clocks are derived from hash references, never received, and kept per task:

    clock_T(r): for every record of r's author at or below r, and every id q it names (refs, or ids
    in the body) that is a record of task T, join clock_T(q) and {author(q): seq(q)}.

`A precedes C` iff clock_T(C)[author(A)] >= seq(A), or A stands below C in the same log. A record
whose target is missing contributes nothing by it until the target arrives. Refs stand in the
envelope, so those of a void record count; the void record itself is of no task.

What is absent on purpose: what any record means, and every use of a sequence number across two
authors' logs.

How: per task a graph is built when first asked for and then only extended; it is dropped when a
target arrives after a record that names it. In a graph each record of T is one bit, so the past
of a record is one integer, and joining two pasts is one `or`: ten thousand rivals by ten
thousand keys cost 12 MB, where as many dictionaries would cost gigabytes. The derivation is a
loop with its own stack: a chain of any length costs memory, not recursion.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from antsp2p.records.clock import Clock
    from antsp2p.records.record import Record

    Touched = tuple[dict[bytes, None], Iterable[tuple[bytes, bytes]]]
    """What a change may have changed: tasks, and (author, other) pairs in `highest_named`."""


@dataclass(slots=True, eq=False)
class Place:
    """Where a record stands: the author's log, the task it is of, and the ids it names."""

    id: bytes
    author: bytes
    seq: int
    task: bytes | None
    named: tuple[bytes, ...]


class Causality:
    """The past of every record of every task. Any order of `add` gives the same answers."""

    __slots__ = ("_graphs", "_highest", "_logs", "_members", "_naming", "_reaches", "places")

    def __init__(self) -> None:
        self.places: dict[bytes, Place] = {}
        """Every record that is here, by id; for others to read. Equal ids need no copies."""
        self._logs: dict[bytes, dict[int, Place]] = {}
        self._highest: dict[bytes, int] = {}
        self._naming: dict[bytes, list[Place]] = {}
        self._members: dict[bytes, dict[bytes, None]] = {}
        self._graphs: dict[bytes, _Graph] = {}
        self._reaches: dict[bytes, dict[bytes, _Reach]] = {}

    def __contains__(self, record_id: bytes) -> bool:
        return record_id in self.places

    def add(self, record: Record, task: bytes | None, named: tuple[bytes, ...]) -> Touched:
        """Take in a record of `task` (None: of no task) that names `named`, without repeats."""
        record_id, author, seq = record.id, record.author, record.seq
        place = Place(record_id, author, seq, task, named)
        newest = seq > self._highest.get(author, 0)
        if newest:
            self._highest[author] = seq
        self.places[record_id] = place
        log = self._logs.get(author)
        if log is None:
            log = self._logs[author] = {}
        log[seq] = place
        namers = self._naming.get(record_id, ())
        tasks: dict[bytes, None] = {}
        if task is not None:
            tasks[task] = None
            members = self._members.get(task)
            if members is None:
                self._members[task] = {record_id: None}
            else:
                members[record_id] = None
            if task in self._graphs:
                self._extend(task, record_id, place, late=bool(namers) or not newest)
        for namer in namers:
            if namer.task is not None:
                tasks[namer.task] = None
        self._name(place, newest, tasks)
        if author not in self._reaches and not namers:
            return tasks, ()
        return tasks, self._reach_further(place, newest, namers)

    def _extend(self, task: bytes, record_id: bytes, place: Place, *, late: bool) -> None:
        if late:
            del self._graphs[task]
        else:
            self._graphs[task].add_member(record_id, place)

    def _name(self, place: Place, newest: bool, tasks: dict[bytes, None]) -> None:
        for named in place.named:
            namers = self._naming.get(named)
            if namers is None:
                self._naming[named] = [place]
            else:
                namers.append(place)
            target = self.places.get(named)
            if target is None or target.task is None:
                continue
            if not newest:
                # Later records of this author may already have been judged without this edge.
                tasks[target.task] = None
                self._graphs.pop(target.task, None)
            elif (graph := self._graphs.get(target.task)) is not None:
                graph.append_edge(place, named, target)

    def _reach_further(
        self, place: Place, newest: bool, namers: Sequence[Place]
    ) -> tuple[tuple[bytes, bytes], ...]:
        pairs: dict[tuple[bytes, bytes], None] = {}
        reaches = self._reaches.get(place.author)
        if reaches:
            for named in place.named:
                target = self.places.get(named)
                if target is not None and target.author in reaches:
                    reaches[target.author].add(place.seq, target.seq)
                    if not newest:
                        pairs[place.author, target.author] = None
        for namer in namers:
            reach = self._reaches.get(namer.author, {}).get(place.author)
            if reach is not None:
                reach.add(namer.seq, place.seq)
                pairs[namer.author, place.author] = None
        return tuple(pairs)

    def remove(self, record: Record) -> Touched:
        """The exact inverse of `add`."""
        place = self.places.pop(record.id)
        log = self._logs[place.author]
        if log.get(place.seq) is place:
            del log[place.seq]
        if not log:
            del self._logs[place.author], self._highest[place.author]
        tasks: dict[bytes, None] = {}
        if place.task is not None:
            tasks[place.task] = None
            members = self._members[place.task]
            del members[record.id]
            if not members:
                del self._members[place.task]
        for named in place.named:
            self._unname(named, place)
            target = self.places.get(named)
            if target is not None and target.task is not None:
                tasks[target.task] = None
        pairs = [(place.author, other) for other in self._reaches.pop(place.author, {})]
        for namer in self._naming.get(record.id, ()):
            if namer.task is not None:
                tasks[namer.task] = None
            if self._reaches.get(namer.author, {}).pop(place.author, None) is not None:
                pairs.append((namer.author, place.author))
        for task in tasks:
            self._graphs.pop(task, None)
        return tasks, pairs

    def _unname(self, named: bytes, place: Place) -> None:
        namers = [namer for namer in self._naming[named] if namer is not place]
        if namers:
            self._naming[named] = namers
        else:
            del self._naming[named]

    def preceded(
        self, task: bytes, earlier: Sequence[Record], later: Sequence[Record]
    ) -> list[bool]:
        """For each of `later`, whether any of `earlier` precedes it; all are records of `task`."""
        graph = self._graph(task)
        lowest: dict[bytes, int] = {}
        for record in earlier:
            lowest[record.author] = min(record.seq, lowest.get(record.author, record.seq))
        above = graph.at_or_above(lowest.items())
        return [
            lowest.get(record.author, record.seq) < record.seq
            or bool(graph.past(record.author, record.seq) & above)
            for record in later
        ]

    def clock(self, task: bytes, record_id: bytes) -> Clock:
        """clock_T of a record, with its author's own records of T below it; empty if unknown."""
        place = self.places.get(record_id)
        return {} if place is None else self._graph(task).clock(place.author, place.seq)

    def tasks_of(self, author: bytes) -> tuple[bytes, ...]:
        """The tasks that the author's records are of, in order of arrival."""
        log = self._logs.get(author, {}).values()
        return tuple(dict.fromkeys(place.task for place in log if place.task is not None))

    def highest_in_past(self, task: bytes, record: Record, other: bytes) -> int:
        """The entry of `other`, not the record's own author, in clock_T(record); or 0."""
        graph = self._graph(task)
        return graph.highest(graph.past(record.author, record.seq), other)

    def _graph(self, task: bytes) -> _Graph:
        graph = self._graphs.get(task)
        if graph is None:
            graph = self._graphs[task] = _Graph()
            members = self._members.get(task, {})
            for record_id in members:
                graph.add_member(record_id, self.places[record_id])
            edges = [
                (namer.seq, namer, record_id)
                for record_id in members
                for namer in self._naming.get(record_id, ())
            ]
            for _, namer, record_id in sorted(edges, key=lambda edge: edge[0]):
                graph.append_edge(namer, record_id, self.places[record_id])
        return graph

    def highest_named(self, author: bytes, seq: int, other: bytes) -> int:
        """The highest seq of a record of `other` named by a record of `author` up to `seq`; or 0.

        This looks at every record of `other`, whatever task it is of, void ones too.
        """
        return self._reach(author, other).upto(seq)

    def first_naming(self, author: bytes, other: bytes, seq: int) -> int:
        """The lowest seq at which the author's log names a record of `other` at or above `seq`; or
        0. Void records name by their refs."""
        return self._reach(author, other).first_at(seq)

    def naming(self, record_id: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """(namer, named) authors of every reference from the record and to it, both being here."""
        place = self.places[record_id]
        targets = (self.places.get(named) for named in place.named)
        pairs = [(place.author, target.author) for target in targets if target is not None]
        pairs += [(namer.author, place.author) for namer in self._naming.get(record_id, ())]
        return tuple(dict.fromkeys(pairs))

    def _reach(self, author: bytes, other: bytes) -> _Reach:
        reaches = self._reaches.setdefault(author, {})
        reach = reaches.get(other)
        if reach is None:
            reach = reaches[other] = _Reach()
            for place in self._logs.get(author, {}).values():
                for named in place.named:
                    target = self.places.get(named)
                    if target is not None and target.author == other:
                        reach.add(place.seq, target.seq)
        return reach


class _Reach:
    """How far one author's log reaches into another's: a staircase of rising steps."""

    __slots__ = ("_heights", "_seqs")

    def __init__(self) -> None:
        self._seqs: list[int] = []
        self._heights: list[int] = []

    def add(self, seq: int, height: int) -> None:
        if self.upto(seq) >= height:
            return
        start = bisect_left(self._seqs, seq)
        end = start
        while end < len(self._seqs) and self._heights[end] <= height:
            end += 1
        self._seqs[start:end] = [seq]
        self._heights[start:end] = [height]

    def upto(self, seq: int) -> int:
        steps = bisect_right(self._seqs, seq)
        return self._heights[steps - 1] if steps else 0

    def first_at(self, height: int) -> int:
        step = bisect_left(self._heights, height)
        return self._seqs[step] if step < len(self._seqs) else 0


@dataclass(slots=True)
class _Line:
    """One author in a graph: where its log names records of T, and its own records of T.

    `pasts[i]` is the join over `targets[0..i]`, as far as it was derived.
    """

    seqs: list[int] = field(default_factory=list)
    targets: list[list[tuple[_Line, int, int]]] = field(default_factory=list)
    pasts: list[int] = field(default_factory=list)
    own: list[tuple[int, int]] = field(default_factory=list)
    deriving: bool = False


class _Graph:
    """The references among the records of one task, and the pasts derived from them."""

    __slots__ = ("_bits", "_lines", "_places")

    def __init__(self) -> None:
        self._bits: dict[bytes, int] = {}
        self._places: list[Place] = []
        self._lines: dict[bytes, _Line] = {}

    def _line(self, author: bytes) -> _Line:
        line = self._lines.get(author)
        if line is None:
            line = self._lines[author] = _Line()
        return line

    def add_member(self, record_id: bytes, place: Place) -> None:
        bit = 1 << len(self._places)
        self._places.append(place)
        self._bits[record_id] = bit
        insort(self._line(place.author).own, (place.seq, bit))

    def append_edge(self, namer: Place, named: bytes, target: Place) -> None:
        """An edge from a record that stands at or above every edge of its author so far."""
        line = self._line(namer.author)
        if not line.seqs or line.seqs[-1] != namer.seq:
            line.seqs.append(namer.seq)
            line.targets.append([])
        line.targets[-1].append((self._line(target.author), target.seq, self._bits[named]))

    def at_or_above(self, places: Iterable[tuple[bytes, int]]) -> int:
        """The bits of every record of T that stands at or above one of (author, seq)."""
        above = 0
        for author, seq in places:
            for own_seq, bit in reversed(self._line(author).own):
                if own_seq < seq:
                    break
                above |= bit
        return above

    def past(self, author: bytes, seq: int) -> int:
        """The bits of the records of T from which clock_T(author, seq) is joined."""
        line = self._lines.get(author)
        if line is None:
            return 0
        last = bisect_right(line.seqs, seq) - 1
        if last < 0:
            return 0
        if len(line.pasts) <= last:
            _derive(line, last)
        return line.pasts[last]

    def highest(self, past: int, author: bytes) -> int:
        """The highest seq of the author's records of T in `past`; or 0."""
        line = self._lines.get(author)
        own = () if line is None else line.own
        return next((seq for seq, bit in reversed(own) if past & bit), 0)

    def clock(self, author: bytes, seq: int) -> Clock:
        clock: dict[bytes, int] = {}
        past = self.past(author, seq)
        for index, place in enumerate(self._places):
            own = place.author == author and place.seq < seq
            if (own or past >> index & 1) and place.seq > clock.get(place.author, 0):
                clock[place.author] = place.seq
        return clock


def _derive(line: _Line, last: int) -> None:
    """Fill `line.pasts` up to index `last`, and what that needs of other lines.

    A line stands on the stack once: what it needs of a line below it on the stack is already
    there, because hashes make no cycle. Should they (a set with two records at one place, which
    the log never hands on), the edge contributes nothing.
    """
    stack = [(line, last)]
    line.deriving = True
    while stack:
        line, last = stack[-1]
        needed = None
        while needed is None and len(line.pasts) <= last:
            past, needed = _join(line)
            if needed is None:
                line.pasts.append(past)
        if needed is None:
            line.deriving = False
            stack.pop()
        else:
            needed[0].deriving = True
            stack.append(needed)


def _join(line: _Line) -> tuple[int, tuple[_Line, int] | None]:
    """The next past of `line`, or which past of another line must be derived before."""
    index = len(line.pasts)
    past = line.pasts[-1] if index else 0
    for target_line, seq, bit in line.targets[index]:
        past |= bit
        target = bisect_right(target_line.seqs, seq) - 1
        if target < 0:
            continue
        if target < len(target_line.pasts):
            past |= target_line.pasts[target]
        elif not target_line.deriving:
            return 0, (target_line, target)
    return past, None

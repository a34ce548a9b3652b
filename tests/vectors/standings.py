"""Keys given up, succeeded, forked and paid for: what becomes of their authors, stated by hand."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from antsp2p.coordination.body import Announce, Body, Revoke, body_map
from antsp2p.coordination.standing import recovery_digest
from antsp2p.records.record import NO_PREV, Record, sign_record
from tests.vectors.common import NETWORK, Case, case, identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DIGEST = recovery_digest(identity("keeper").author)
_FIRST = Announce("work", recovery=_DIGEST)


def _author(name: str) -> bytes:
    return identity(name).author


@dataclass
class RecordSet:
    """Logs by name; `ada/2` is another branch of Ada's."""

    logs: dict[str, list[Record]] = field(default_factory=dict)

    def say(self, name: str, *bodies: Body) -> RecordSet:
        log = self.logs.setdefault(name, [])
        for body in bodies:
            log.append(sign_record(
                identity(name.partition("/")[0]), network=NETWORK, seq=len(log) + 1,
                prev=log[-1].id if log else NO_PREV, type=body.type, body=body_map(body),
                claimed_ms=len(name),
            ))
        return self

    def branch(self, name: str, seq: int, *bodies: Body) -> RecordSet:
        """Another branch that leaves the log above `seq`."""
        self.logs[name + "/2"] = self.logs[name][:seq]
        return self.say(name + "/2", *bodies)

    def revoke(
        self, seq: int, successor: str = "", *, by: str = "keeper", of: str = "ada"
    ) -> RecordSet:
        log = self.logs[of]
        point = log[seq - 1].id if seq else NO_PREV
        heir = _author(successor) if successor else b""
        return self.say(by, Revoke(_author(of.partition("/")[0]), seq, point, heir))

    def records(self) -> list[Record]:
        found = {record.id: record for log in self.logs.values() for record in log}
        return list(found.values())


def _ada() -> RecordSet:
    return RecordSet().say("ada", _FIRST, Announce("work"), Announce("work"))


def _out(
    last_seq: int | None = None, *, convicted: bool = False, revoked: bool = True,
    unpaid: bool = False, named: str = "",
) -> dict[str, Any]:
    return {
        "last_seq": last_seq, "convicted": convicted, "revoked": revoked, "unpaid": unpaid,
        "named": _author(named) if named else None,
    }


_FORKED = {"ada": _out(convicted=True, revoked=False)}
_Told = tuple[str, str, RecordSet, "Mapping[str, dict[str, Any]]", "Mapping[str, list[str]]"]


def _stories() -> Iterator[_Told]:
    heir = Announce("work", succeeds=_author("ada"))
    line = {"heir": ["heir", "ada"]}
    at_2 = {"ada": _out(2, named="heir")}
    yield "nothing said", "an author in good standing", _ada(), {}, {}
    yield "revoked", "by the key of the first announcement's digest", _ada().revoke(2), {
        "ada": _out(2)}, {}
    yield "revoked whole", "nothing of it is good", _ada().revoke(0), {"ada": _out(0)}, {}
    yield "revoked by another", "only the recovery key's word counts", _ada().revoke(
        2, by="mallory"), {}, {}
    yield "digest in a second announcement", "only the first counts", RecordSet().say(
        "ada", Announce("work"), _FIRST).revoke(1), {}, {}
    yield "named", "it has not agreed", _ada().revoke(2, "heir").say(
        "heir", Announce("work")), at_2, {}
    yield "succeeded", "named, and agreed", _ada().revoke(2, "heir").say("heir", heir), at_2, line
    yield "succeeding unasked", "agreed, and not named", _ada().revoke(2).say("heir", heir), {
        "ada": _out(2)}, {}
    yield "succeeding a second", "the first word on it counts", _ada().revoke(2, "heir").say(
        "heir", Announce("work", succeeds=_author("bob")), heir), at_2, {}
    yield "agreed above its own point", "what a thief agrees to counts for nothing", _ada().revoke(
        2, "heir").say("heir", _FIRST, heir).revoke(1, of="heir"), {
        **at_2, "heir": _out(1)}, {}
    yield "two revokes", "the first in the recovery log counts", _ada().revoke(2, "heir").revoke(
        3, "bob").say("heir", heir), at_2, line
    yield "forked", "convicted", _ada().branch("ada", 2, heir), _FORKED, {}
    yield "forked above the point", "convicts nobody", _ada().branch("ada", 2, heir).revoke(
        2, "heir").say("heir", heir), at_2, line
    yield "forked at the point", "convicts", _ada().branch("ada", 1, heir).revoke(
        2, "heir").say("heir", heir), {"ada": _out(2, convicted=True)}, {}
    yield "another record at the point", "closed, and nobody succeeds", _other_record(), {
        "ada": _out(2)}, {}
    yield "forked recovery log, a revoke below", "what stands below the fork counts", _ada().revoke(
        2, "heir").branch("keeper", 1, heir).say("keeper", Announce("work")), {
        **at_2, "keeper": _out(convicted=True, revoked=False)}, {}
    yield "forked recovery log, none below", "revoked at no point, and nobody succeeds", (
        _ada().revoke(2, "heir").branch("keeper", 0, heir).say("heir", heir)), {
        "ada": _out(), "keeper": _out(convicted=True, revoked=False)}, {}


def _other_record() -> RecordSet:
    """The point is on a branch that is not in the set."""
    found = _ada().branch("ada", 1, Announce("other")).revoke(2, "heir", of="ada/2")
    del found.logs["ada/2"]
    return found


def _priced() -> Iterator[_Told]:
    unpaid = {"ada": _out(revoked=False, unpaid=True)}
    yield "unpaid", "the first announcement has no work", _ada(), unpaid, {}
    yield "paid", "8 bits", RecordSet().say("ada", Announce("work", work=NONCE)), {}, {}
    yield "paid late", "only the first announcement counts", _ada().say(
        "ada", Announce("work", work=NONCE)), unpaid, {}
    yield "paid too little", "a nonce that gives fewer zeros", RecordSet().say(
        "ada", Announce("work", work=NONCE - 1)), unpaid, {}


NONCE = 820
"""The first that pays 8 bits for Ada."""


def cases() -> dict[str, list[Case]]:
    """Sets, and who stands in them otherwise than an author of whom nothing is known."""
    return {
        "standings": [
            case(name, why, work_bits=bits, records=[record.wire for record in told.records()],
                 standings={_author(who).hex(): _written(out) for who, out in expected.items()},
                 lineages={
                     _author(who).hex(): [_author(each).hex() for each in line]
                     for who, line in lines.items()
                 })
            for bits, stories in ((0, _stories()), (8, _priced()))
            for name, why, told, expected, lines in stories
        ],
    }


def _written(out: dict[str, Any]) -> dict[str, Any]:
    named = out["named"]
    return {**out, "named": None if named is None else named.hex()}

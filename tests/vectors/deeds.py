"""Evidence: what a set of records says of the authors of one task.

Every expectation is stated here by hand, and checked against the code by the test.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.coordination.body import (
    Announce,
    Award,
    Dispute,
    Outcome,
    Reopen,
    Verdict,
    content_hash,
)
from tests.vectors.common import Case, case, identity
from tests.vectors.pen import Pen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from antsp2p.records.record import Record

LAPSED, RELEASED, OTHER, OVERDUE = 1, 2, 0, 6

_Deed = tuple[str, str, str, "Record", "Record"]
"""(kind, rater or "", subject, what the claim is, what says so)."""


def _case(
    name: str, why: str, pen: Pen, task: Record, *deeds: _Deed, weight: int = 1,
    configuration: bytes = b"", dispute: Record | None = None,
) -> Case:
    return case(
        name, why, task=task.id, records=[record.wire for record in pen.records],
        deeds=sorted((
            {
                "kind": kind, "rater": identity(rater).author.hex() if rater else None,
                "subject": identity(subject).author.hex(), "claim": claim.id.hex(),
                "record": said.id.hex(), "weight": 0 if kind == "unanswered" else weight,
                "capability": "" if kind in ("contradicted", "unanswered") else "work",
                "configuration": "" if kind in ("contradicted", "unanswered")
                else configuration.hex(),
                "dispute": None if dispute is None else dispute.id.hex(),
            }
            for kind, rater, subject, claim, said in deeds
        ), key=lambda deed: (deed["kind"], deed["claim"], deed["rater"] or "")),
    )


def _awarded(**terms: Any) -> tuple[Pen, Record, Record]:
    pen = Pen()
    task = pen.offer(**terms)
    claim = pen.claim("ann", task)
    pen.award(claim)
    return pen, task, claim


def _words() -> Iterator[Case]:
    pen, task, a = _awarded(cost=7)
    said = pen.verdict(a, pen.result("ann", a))
    yield _case("accepted", "the weight is the offer's cost", pen, task,
                ("accepted", "rita", "ann", a, said), weight=7)

    digest = content_hash(b"what ann runs")
    pen = Pen()
    pen.say("ann", Announce("work", config_digest=digest))
    task = pen.offer()
    a = pen.claim("ann", task)
    pen.say("ann", Announce("work", config_digest=content_hash(b"what ann runs later")))
    pen.award(a)
    said = pen.verdict(a, pen.result("ann", a))
    yield _case("accepted, configuration", "what was announced below the claim counts", pen, task,
                ("accepted", "rita", "ann", a, said), configuration=digest)

    pen, task, a = _awarded()
    pen.reopen("rita", a, reason=LAPSED)
    said = pen.verdict(a, pen.result("ann", a))
    yield _case("lapsed, then accepted", "late work is good work", pen, task,
                ("accepted", "rita", "ann", a, said))

    pen = Pen()
    task = pen.offer()
    a = pen.claim("ann", task)
    said = pen.verdict(a, pen.result("ann", a))
    yield _case("accepted, not awarded", "what was delivered is enough", pen, task,
                ("accepted", "rita", "ann", a, said))

    for name, accept in (("praise", True), ("slander", False)):
        pen = Pen()
        task = pen.offer()
        a = pen.claim("ann", task)
        pen.verdict(a, b"\xee" * 32, accept)
        yield _case(f"free {name}", "neither awarded nor answered: it says nothing", pen, task)

    pen, task, a = _awarded()
    said = pen.verdict(a, pen.result("ann", a), accept=False)
    yield _case("rejected", "the requester's word", pen, task,
                ("rejected", "rita", "ann", a, said))

    pen, task, a = _awarded()
    said = pen.result("ann", a, Outcome.FAILED)
    pen.reopen("rita", a, reason=3)
    yield _case("failed", "its own first result says so", pen, task,
                ("failed", "rita", "ann", a, said))

    pen, task, a = _awarded()
    said = pen.say("ann", Reopen(task.id, 0, a.id, RELEASED, text="no tool for it"))
    yield _case("released", "given back after the award", pen, task,
                ("released", "rita", "ann", a, said))

    pen, task, a = _awarded()
    pen.result("ann", a)
    said = pen.say("ann", Reopen(task.id, 0, a.id, RELEASED))
    yield _case("released after its result", "who gives a claim back waits for no verdict", pen,
                task, ("released", "rita", "ann", a, said))

    pen = Pen()
    task = pen.offer()
    a = pen.claim("ann", task)
    pen.say("ann", Reopen(task.id, 0, a.id, RELEASED))
    yield _case("withdrawn from a race", "without an award nothing is owed", pen, task)

    pen, task, a = _awarded()
    a = pen.claim("rita", task)
    pen.award(a)
    pen.verdict(a, pen.result("rita", a))
    yield _case("its own requester", "what is done for oneself is no evidence", pen, task)


def _silences() -> Iterator[Case]:
    for kind, reason in (("lapsed", LAPSED), ("overdue", OVERDUE)):
        pen, task, a = _awarded()
        said = pen.reopen("rita", a, reason=reason)
        yield _case(kind, "the requester waited in vain", pen, task,
                    (kind, "rita", "ann", a, said))

    pen, task, a = _awarded()
    said = pen.reopen("rita", a, reason=LAPSED)
    dispute = pen.say("ann", Dispute(task.id, a.id, said.id, "its agent was at work"))
    pen.say("ann", Dispute(task.id, a.id, said.id, "and alive"))
    pen.note("ann", said)
    yield _case("disputed", "an answer, which weighs nothing; the first is shown", pen, task,
                ("lapsed", "rita", "ann", a, said), dispute=dispute)

    pen, task, a = _awarded()
    said = pen.reopen("rita", a, reason=LAPSED)
    pen.note("ann", said)
    yield _case("exposed", "it knows, and goes on as if nothing had been", pen, task,
                ("lapsed", "rita", "ann", a, said), ("exposed", "", "ann", a, said))

    pen, task, a = _awarded()
    said = pen.reopen("rita", a, reason=LAPSED)
    pen.claim("ann", pen.offer(settle_ms=1))
    pen.say("ann", Reopen(task.id, 0, a.id, RELEASED))
    yield _case("exposed by another task", "it names what the requester said later; the answer "
                "comes after", pen, task,
                ("lapsed", "rita", "ann", a, said), ("exposed", "", "ann", a, said))

    pen, task, a = _awarded()
    said = pen.reopen("rita", a, reason=LAPSED)
    pen.claim("ann", pen.offer("otto"))
    yield _case("not exposed: it does not know", "a record of another requester tells nothing of "
                "this one", pen, task, ("lapsed", "rita", "ann", a, said))

    pen, task, a = _awarded()
    said = pen.reopen("rita", a, reason=LAPSED)
    pen.say("ann", Reopen(task.id, 0, a.id, RELEASED), said)
    pen.claim("ann", task, said, epoch=1)
    yield _case("not exposed: it answered", "the record by which it knows may be the answer", pen,
                task, ("lapsed", "rita", "ann", a, said))

    pen, task, a = _awarded()
    pen.result("ann", a, Outcome.FAILED)
    said = pen.reopen("rita", a, reason=3)
    pen.note("ann", said)
    yield _case("not exposed: another reason", "only 1 and 6 ask for an answer", pen, task,
                ("failed", "rita", "ann", a, pen.records[3]))

    pen, task, a = _awarded()
    said = pen.reopen("bob", a, pen.records[2], reason=LAPSED)
    yield _case("lapsed by another", "in its own name", pen, task,
                ("lapsed", "bob", "ann", a, said))

    pen, task, a = _awarded()
    said = pen.reopen("bob", a, pen.records[2], reason=LAPSED)
    back = pen.say("rita", Award(task.id, a.id), said)
    yield _case("stolen", "the requester gives the claim back, naming the lapse", pen, task,
                ("stolen", "rita", "bob", said, back))

    pen, task, a = _awarded()
    digest = content_hash(b"what bob runs")
    pen.say("bob", Announce("work", config_digest=digest))
    said = pen.reopen("bob", a, pen.records[2], reason=LAPSED)
    back = pen.say("rita", Award(task.id, a.id), said)
    yield _case("stolen, configuration", "what was announced below the lapse counts", pen, task,
                ("stolen", "rita", "bob", said, back), configuration=digest)

    pen = Pen()
    task = pen.offer()
    a = pen.claim("rita", task)
    pen.award(a)
    pen.reopen("bob", a, pen.records[2], reason=LAPSED)
    yield _case("lapse of the requester's own claim", "of those nobody says anything", pen, task)


def _requesters() -> Iterator[Case]:
    def two(
        first: bytes, second: bytes, judged: bytes = b""
    ) -> tuple[Pen, Record, list[Record]]:
        pen, task, a = _awarded()
        given = pen.result("ann", a, output=first)
        judged_hash = content_hash(judged or first)
        no = pen.say("rita", Verdict(task.id, a.id, given.id, False, judged_hash))
        b = pen.claim("bob", task)
        pen.award(b)
        given = pen.result("bob", b, output=second)
        yes = pen.say("rita", Verdict(task.id, b.id, given.id, True, content_hash(second)))
        return pen, task, [a, no, b, yes]

    pen, task, (a, no, b, yes) = two(b"170", b"170")
    yield _case("contradicted", "the same content, rejected from one and accepted from another",
                pen, task, ("rejected", "rita", "ann", a, no), ("accepted", "rita", "bob", b, yes),
                ("contradicted", "", "rita", yes, yes))
    pen, task, (a, no, b, yes) = two(b"171", b"170")
    yield _case("not contradicted", "other content", pen, task,
                ("rejected", "rita", "ann", a, no), ("accepted", "rita", "bob", b, yes))
    pen, task, (a, no, b, yes) = two(b"170", b"170", judged=b"171")
    yield _case("not contradicted: another hash", "the reject is not of what ann gave", pen, task,
                ("rejected", "rita", "ann", a, no), ("accepted", "rita", "bob", b, yes))

    pen, task, a = _awarded()
    pen.verdict(a, pen.result("ann", a), accept=False)
    pen.award(a)
    said = pen.verdict(a, pen.records[3])
    yield _case("thought again", "of one claim the requester may change its mind", pen, task,
                ("accepted", "rita", "ann", a, said))

    pen, task, a = _awarded()
    given = pen.result("ann", a)
    yield _case("unanswered", "a result without a verdict", pen, task,
                ("unanswered", "ann", "rita", a, given))

    pen, task, a = _awarded()
    given = pen.result("ann", a)
    pen.cancel(task)
    yield _case("unanswered, then cancelled", "who ends a task has still not judged", pen, task,
                ("unanswered", "ann", "rita", a, given))

    pen, task, a = _awarded()
    given = pen.result("ann", a)
    pen.cancel(task)
    pen.verdict(a, given)
    yield _case("unanswered, cancelled, then accepted", "an accept that ended nothing says nothing",
                pen, task, ("unanswered", "ann", "rita", a, given))

    pen, task, a = _awarded()
    pen.result("ann", a)
    b = pen.claim("bob", task)
    pen.award(b)
    said = pen.verdict(b, pen.result("bob", b))
    yield _case("another was accepted", "nothing is owed to who came second", pen, task,
                ("accepted", "rita", "bob", b, said))

    pen, task, a = _awarded()
    given = pen.result("ann", a)
    said = pen.reopen("rita", a, reason=LAPSED)
    yield _case("unanswered, called lapsed", "what was delivered is still to be judged", pen, task,
                ("lapsed", "rita", "ann", a, said), ("unanswered", "ann", "rita", a, given))

    pen, task, a = _awarded()
    pen.result("ann", a)
    pen.reopen("rita", a, reason=5)
    yield _case("given up", "the content could not be had: that is said", pen, task)


def cases() -> dict[str, list[Case]]:
    """What follows from the records of one task, for an observer who is none of the authors."""
    parts: tuple[Callable[[], Iterator[Case]], ...] = (_words, _silences, _requesters)
    return {"evidence": [each for part in parts for each in part()]}

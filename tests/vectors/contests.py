"""Contests: who holds, in which epoch, how it ended, and by which rule; rules 1 to 4.

Every expectation is stated here by hand, and checked against the code by the test.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.body import Reopen
from tests.vectors import rivals
from tests.vectors.pen import Pen
from tests.vectors.sheet import UNKNOWN, Sheet, by_tie, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.vectors.common import Case

# --- rule 1: ends --------------------------------------------------------------------------------


def _ends(sheet: Sheet) -> None:
    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.verdict(a, pen.result("ann", a))
    sheet.add("accepted", "the requester's accept ends the task", pen, task, "accepted", a, "end")

    pen, task, (a,) = start("ann")
    pen.verdict(a, UNKNOWN)
    sheet.add("accepted, result missing", "an end does not wait for what it names", pen, task,
              "accepted", a, "end")

    pen, task, (a,) = start("ann")
    pen.verdict(a, pen.result("ann", a))
    pen.lose(a)
    sheet.add("accepted, claim missing", "the end stands; its holder is not here", pen, task,
              "accepted", None, "end")

    pen, task, (a,) = start("ann")
    result = pen.result("ann", a)
    door = pen.reopen("rita", a)
    b = pen.claim("bob", task, door, epoch=1)
    pen.award(b)
    pen.verdict(a, result)
    sheet.add("late result accepted", "a result of any epoch may be accepted", pen, task,
              "accepted", a, "end", epoch=1)

    for name, why, reason, state in (
        ("cancelled", "the requester's cancel ends the task", 0, "cancelled"),
        ("timed out", "only the reason 1 has an effect", 2, "cancelled"),
        ("cancelled for another reason", "a reason of a later version", 200, "cancelled"),
        ("exhausted", "reason 1 dead-letters", 1, "dead-lettered"),
    ):
        pen, task, (a,) = start("ann")
        pen.award(a)
        pen.cancel(task, reason)
        sheet.add(name, why, pen, task, state, None, "end")

    pen, task, (a,) = start("ann")
    pen.cancel(task)
    pen.verdict(a, pen.result("ann", a))
    sheet.add("cancelled, then accepted", "the first end is the end", pen, task, "cancelled",
              None, "end")

    pen, task, (a,) = start("ann")
    pen.verdict(a, pen.result("ann", a))
    pen.cancel(task, 1)
    sheet.add("accepted, then cancelled", "the first end is the end", pen, task, "accepted", a,
              "end")

    pen, task, (a, b) = start("ann", "bob")
    pen.verdict(b, pen.result("bob", b))
    pen.verdict(a, pen.result("ann", a))
    sheet.add("accepted twice", "the first accept counts", pen, task, "accepted", b, "end")

    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.verdict(a, pen.result("ann", a), accept=False)
    pen.verdict(a, pen.result("ann", a))
    sheet.add("rejected, then accepted", "a reject ends nothing", pen, task, "accepted", a, "end")

    pen, task, (a,) = start("ann")
    pen.verdict(a, pen.result("ann", a), who="bob")
    sheet.add("accepted by a stranger", "nobody's word but the requester's", pen, task, "done", a,
              "only-claim")

    pen, task, (a,) = start("ann")
    pen.cancel(task, who="bob")
    sheet.add("cancelled by a stranger", "nobody's word but the requester's", pen, task,
              "claimed", a, "only-claim")

    pen, task, (a,) = start("ann")
    pen.award(a)
    sheet.add("requester convicted", "nobody is left who could end it", pen, task, "orphaned",
              None, "orphaned", convicted=["rita"])

    pen, task, (a,) = start("ann")
    pen.verdict(a, pen.result("ann", a))
    sheet.add("requester convicted after the end", "what was accepted stays accepted", pen, task,
              "accepted", a, "end", convicted=["rita"])

    pen, task, (a,) = start("ann")
    pen.verdict(a, pen.result("ann", a))
    sheet.add("holder convicted after the end", "what was accepted stays accepted", pen, task,
              "accepted", a, "end", convicted=["ann"])

    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.lose(task)
    sheet.add("offer missing", "there is nothing to resolve", pen, task)


# --- rules 2 and 3: epochs -----------------------------------------------------------------------


def _epochs(sheet: Sheet) -> None:
    pen, task, (a,) = start("ann")
    pen.reopen("ann", a)
    sheet.add("released", "a release opens the next epoch", pen, task, epoch=1)

    pen, task, (a,) = start("ann")
    pen.reopen("bob", a)
    sheet.add("lapsed by another", "a lapse opens the next epoch, whoever held", pen, task, epoch=1)

    pen, task, (a,) = start("ann")
    pen.reopen("bob", a, epoch=1)
    sheet.add("wrong epoch", "the claim is of another epoch", pen, task, "claimed", a, "only-claim")

    pen, task, (a,) = start("ann")
    pen.reopen("bob", a, epoch=1)
    pen.reopen("bob", a)
    sheet.add("second reopen", "only an author's first counts, even if that was invalid", pen,
              task, "claimed", a, "only-claim")

    pen, task, (a, _) = start("ann", "bob")
    pen.reopen("cid", a)
    b = pen.claim("bob", task, a, pen.records[-1], epoch=1)
    pen.reopen("cid", b)
    sheet.add("one lapse an author", "a second lapse of one task does not count", pen, task,
              "claimed", b, "only-claim", epoch=1)

    pen, task, (a,) = start("ann")
    pen.say("bob", Reopen(task.id, 0))
    sheet.add("no claim named", "only the requester may name none", pen, task, "claimed", a,
              "only-claim")

    pen, task, (a,) = start("ann")
    pen.open_next(task, 0)
    sheet.add("reopened by the requester", "always valid", pen, task, epoch=1)

    pen, task, (a,) = start("ann")
    pen.open_next(task, 1)
    sheet.add("a later epoch alone", "epoch 2 is open only if epoch 1 is", pen, task, "claimed", a,
              "only-claim")

    pen, task, (a,) = start("ann")
    pen.open_next(task, 1)
    pen.open_next(task, 0)
    sheet.add("two epochs, the later first", "order among reopens does not matter", pen, task,
              epoch=2)

    pen, task, (a,) = start("ann")
    other = pen.offer()
    pen.reopen("bob", pen.claim("cid", other), epoch=0)
    pen.write("bob", 5, {0: task.id, 1: 0, 2: pen.records[-2].id})
    sheet.add("a claim of another task", "it is no claim of this one", pen, task, "claimed", a,
              "only-claim")

    pen, task, (a,) = start("ann")
    pen.reopen("bob", a)
    pen.lose(a)
    sheet.add("lapse of a missing claim", "it opens nothing until the claim is here", pen, task)

    pen, task, (a,) = start("ann")
    pen.reopen("bob", a)
    sheet.add("lapser convicted", "what it said below its fork stands", pen, task, epoch=1,
              convicted=["bob"])

    pen, task, (a,) = start("ann")
    pen.reopen("ann", a)
    sheet.add("releaser convicted", "what it said below its fork stands", pen, task, epoch=1,
              convicted=["ann"])

    pen, task, (a, b) = start("ann", "bob")
    pen.reopen("bob", a, epoch=3)
    pen.reopen("bob", b)
    sheet.add("release after a spent reopen", "the claim is gone, but no epoch opens", pen, task,
              "claimed", a, "only-claim")

    pen, task, (a,) = start("ann", attempts=1)
    pen.reopen("bob", a)
    b = pen.claim("bob", task, epoch=1)
    sheet.add("more than the attempts", "attempts are the requester's policy, and no rule", pen,
              task, "claimed", b, "only-claim", epoch=1)


# --- rule 4: awards ------------------------------------------------------------------------------


def _awards(sheet: Sheet) -> None:
    pen, task, (a, b) = start("ann", "bob")
    pen.award(b)
    sheet.add("awarded", "an award settles", pen, task, "working", b, "award")

    pen, task, (a, b) = start("ann", "bob")
    pen.award(a)
    pen.award(b)
    sheet.add("awarded again", "the latest award wins", pen, task, "working", b, "award")

    pen, task, (a,) = start("ann")
    pen.reopen("rita", a)
    pen.award(a)
    sheet.add("an older epoch's claim", "an award may be of any epoch", pen, task, "working", a,
              "award", epoch=1)

    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.reopen("rita", a)
    sheet.add("awarded, then reopened", "the requester's last word is the reopen", pen, task,
              epoch=1)

    pen, task, (a, b) = start("ann", "bob")
    pen.award(a)
    pen.reopen("ann", a)
    sheet.add("released by the holder", "an award holds nobody who has given up", pen, task,
              epoch=1)

    pen, task, (a, b) = start("ann", "bob")
    pen.award(a)
    sheet.add("holder convicted", "its claims hold nothing", pen, task, "claimed", b, "only-claim",
              convicted=["ann"])

    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.reopen("bob", a)
    sheet.add("lapse that does not know the award", "the award stands, the epoch is open", pen,
              task, "working", a, "award", epoch=1)

    pen, task, (a,) = start("ann")
    award = pen.award(a)
    pen.reopen("bob", a, award)
    sheet.add("lapse that knows the award", "the award is undone", pen, task, epoch=1)

    pen, task, (a,) = start("ann")
    award = pen.award(a)
    pen.note("bob", award)
    pen.reopen("bob", a)
    sheet.add("award known by an earlier record", "all records of an author below count", pen,
              task, epoch=1)

    pen, task, (a,) = start("ann")
    award = pen.award(a)
    pen.reopen("bob", a, award)
    pen.award(a)
    sheet.add("awarded back", "the new award is not in the lapse's past", pen, task, "working", a,
              "award", epoch=1)

    pen, task, (a,) = start("ann")
    award = pen.award(a)
    for who in ("bob", "cid", "dan"):
        pen.reopen(who, a, award)
    pen.award(a)
    sheet.add("awarded back once for all", "one award answers any number of lapses", pen, task,
              "working", a, "award", epoch=1)

    pen, task, (a, b) = start("ann", "bob")
    pen.award(a)
    pen.lose(a)
    sheet.add("awarded claim missing", "nobody holds until it is here", pen, task, "open", None,
              "award")

    pen, task, (a,) = start("ann")
    pen.write("rita", 4, {0: task.id, 1: pen.note("bob").id})
    sheet.add("award of what is no claim", "it means nothing", pen, task, "claimed", a,
              "only-claim")

    pen, task, (a, b) = start("ann", "bob")
    pen.award(b)
    pen.write("rita", 4, {0: task.id, 1: task.id})
    winner = by_tie(task, 0, "ann", "bob")[0]
    sheet.add("meaningless award after another", "the last award counts, even so", pen, task,
              "claimed", a if winner == "ann" else b, "tie-break")

    pen, task, (a,) = start("ann")
    pen.award(a, who="bob")
    sheet.add("award by a stranger", "nobody's word but the requester's", pen, task, "claimed", a,
              "only-claim")

    pen, task, (a,) = start("ann")
    pen.open_next(task, 0, "ann")
    late = pen.claim("ann", task, pen.records[-1], epoch=1)
    pen.award(late)
    sheet.add("award of an excluded author", "the requester may think again", pen, task,
              "working", late, "award", epoch=1)

    pen, task, (a,) = start("ann")
    early = pen.claim("bob", task, epoch=1)
    pen.award(early)
    sheet.add("award of a claim of a closed epoch", "an award may be of any epoch", pen, task,
              "working", early, "award")

    pen = Pen()
    task = pen.offer()
    own = pen.claim("rita", task)
    pen.award(own)
    sheet.add("own task", "a requester may claim and award its own", pen, task, "working", own,
              "award")


_GROUPS: tuple[tuple[str, Callable[[Sheet], None]], ...] = (
    ("ends", _ends), ("epochs", _epochs), ("awards", _awards), *rivals.GROUPS,
)


def cases() -> dict[str, list[Case]]:
    """Sets of records, and what they say about one task."""
    groups: dict[str, list[Case]] = {}
    for name, fill in _GROUPS:
        sheet = Sheet()
        fill(sheet)
        groups[name] = sheet.cases
    return groups

"""Contests: candidates, preferences, states, what comes after, aliases; rules 5 and 6.

Every expectation is stated here by hand, and checked against the code by the test.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.body import Outcome
from tests.vectors.common import identity
from tests.vectors.pen import Pen
from tests.vectors.sheet import UNKNOWN, Sheet, by_tie, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.records.record import Record

# --- rule 5: candidates --------------------------------------------------------------------------


def _candidates(sheet: Sheet) -> None:
    pen, task, _ = start()
    sheet.add("nobody", "an offer alone", pen, task)

    pen, task, (a,) = start("ann")
    sheet.add("one claim", "it holds, until another comes", pen, task, "claimed", a, "only-claim")

    pen, task, (a,) = start("ann")
    pen.reopen("rita", a)
    pen.claim("bob", task, epoch=1)
    sheet.add("reopen not in the past", "a claim made before the door was open", pen, task,
              epoch=1)

    pen, task, (a,) = start("ann")
    b = pen.claim("bob", task, pen.reopen("rita", a), epoch=1)
    sheet.add("reopen in the past", "a claim through the open door", pen, task, "claimed", b,
              "only-claim", epoch=1)

    pen, task, (a,) = start("ann")
    pen.reopen("bob", a)
    b = pen.claim("bob", task, epoch=1)
    sheet.add("own lapse", "an author's own records below are in its past", pen, task, "claimed",
              b, "only-claim", epoch=1)

    pen, task, (a,) = start("ann")
    pen.reopen("ann", a)
    again = pen.claim("ann", task, epoch=1)
    sheet.add("released and claimed again", "in the next epoch everybody is new", pen, task,
              "claimed", again, "only-claim", epoch=1)

    pen, task, (a,) = start("ann")
    pen.claim("bob", task, epoch=3)
    sheet.add("claim of an epoch to come", "only the highest open epoch counts", pen, task,
              "claimed", a, "only-claim")

    pen, task, (a,) = start("ann")
    door = pen.open_next(task, 0, "ann")
    pen.claim("ann", task, door, epoch=1)
    sheet.add("excluded", "by the reopen of a lower epoch", pen, task, epoch=1)

    pen, task, (a,) = start("ann")
    pen.open_next(task, 5, "ann")
    sheet.add("excluded from later epochs", "exclusions act on epochs above their own", pen, task,
              "claimed", a, "only-claim")

    pen, task, (a,) = start("ann")
    shut_out = (identity("bob").author,)
    pen.reopen("cid", a, excluded=shut_out)
    b = pen.claim("bob", task, pen.records[-1], epoch=1)
    sheet.add("excluded by a stranger", "only the requester's exclusions count", pen, task,
              "claimed", b, "only-claim", epoch=1)

    pen, task, (a,) = start("ann")
    pen.claim("ann", task)
    sheet.add("two claims of one author", "the first by seq counts", pen, task, "claimed", a,
              "only-claim")

    pen, task, (a,) = start("ann")
    pen.claim("ann", task)
    pen.write("ann", 5, {0: task.id, 1: 9, 2: a.id})
    pen.write("ann", 5, {0: task.id, 1: 0, 2: a.id})
    sheet.add("first of two released", "the second does not step into its place", pen, task)

    pen, task, (a, b) = start("ann", "bob")
    sheet.add("claimant convicted", "its claims hold nothing", pen, task, "claimed", b,
              "only-claim", convicted=["ann"])

    pen, task, (a,) = start("ann")
    pen.write("bob", 3, {0: task.id, 1: 0, 9: 0})
    sheet.add("void claim", "an unknown key below 16 makes it mean nothing", pen, task, "claimed",
              a, "only-claim")

    pen, task, _ = start()
    b = pen.write("bob", 3, {0: task.id, 1: 0, 16: 0})
    sheet.add("claim with a remark", "an unknown key from 16 on is ignored", pen, task, "claimed",
              b, "only-claim")


# --- rule 6: before and tie ----------------------------------------------------------------------


def _preferences(sheet: Sheet) -> None:
    pen, task, (a, b) = start("ann", "bob")
    first, _ = by_tie(task, 0, "ann", "bob")
    sheet.add("two concurrent", "the lowest hash", pen, task, "claimed",
              a if first == "ann" else b, "tie-break")

    pen, task, claims = start("ann", "bob", "cid", "dan")
    winner = by_tie(task, 0, "ann", "bob", "cid", "dan")[0]
    held = next(claim for claim in claims if claim.author == identity(winner).author)
    sheet.add("four concurrent", "the lowest hash", pen, task, "claimed", held, "tie-break")

    for order in (("ann", "bob"), ("bob", "ann")):
        pen, task, (early,) = start(order[0])
        pen.claim(order[1], task, early)
        sheet.add(f"{order[0]} before {order[1]}", "before beats after, whatever the hash", pen,
                  task, "claimed", early, "before")

    pen, task, (early,) = start("ann")
    result = pen.result("ann", early)
    pen.claim("bob", task, result)
    sheet.add("before, by a later record of its author", "seeing a record is seeing all below it",
              pen, task, "done", early, "before")

    pen, task, (early,) = start("ann")
    between = pen.claim("cid", task, early, epoch=7)
    pen.claim("bob", task, between)
    sheet.add("before, by a third", "what the named record has seen is seen", pen, task,
              "claimed", early, "before")

    pen, task, (early,) = start("ann")
    between = pen.note("cid", early)
    late = pen.claim("bob", task, between)
    winner = by_tie(task, 0, "ann", "bob")[0]
    sheet.add("not by a third's record of no task", "clocks go through records of the task only",
              pen, task, "claimed", early if winner == "ann" else late, "tie-break")

    pen, task, (early,) = start("ann")
    pen.note("bob", early)
    pen.claim("bob", task)
    sheet.add("left out, but named before", "an author cannot forget what it has named", pen,
              task, "claimed", early, "before")

    pen, task, (early,) = start("ann")
    pen.write("bob", 77, {}, early)
    pen.claim("bob", task)
    sheet.add("named by a void record", "refs stand in the envelope, and count", pen, task,
              "claimed", early, "before")

    pen, task, (early,) = start("ann")
    pen.write("bob", 4, {0: task.id, 1: early.id, 15: 0})
    late = pen.claim("bob", task)
    winner = by_tie(task, 0, "ann", "bob")[0]
    sheet.add("named in a void body", "ids in a void record's body do not count", pen, task,
              "claimed", early if winner == "ann" else late, "tie-break")

    pen, task, (early,) = start("ann")
    other = pen.offer("bob")
    pen.claim("bob", other, early)
    pen.claim("bob", task)
    sheet.add("named in another task", "every record of the author counts", pen, task, "claimed",
              early, "before")

    pen, task, (a, b) = start("ann", "bob")
    pen.claim("cid", task, a)
    winner = by_tie(task, 0, "ann", "bob")[0]
    sheet.add("two before one", "the tie is among those that nobody precedes", pen, task,
              "claimed", a if winner == "ann" else b, "tie-break")

    pen, task, _ = start()
    b = pen.claim("bob", task, UNKNOWN)
    sheet.add("a ref to nothing", "what is not here contributes nothing", pen, task, "claimed", b,
              "only-claim")

    pen, task, (a,) = start("ann")
    pen.claim("bob", task, a)
    pen.reopen("ann", a, epoch=4)
    pen.reopen("ann", a)
    sheet.add("the first released, no epoch opened", "the next in line holds", pen, task,
              "claimed", pen.records[2], "only-claim")

    pen, task, (a,) = start("ann")
    door = pen.reopen("rita", a)
    b, c = (pen.claim(who, task, door, epoch=1) for who in ("bob", "cid"))
    winner = by_tie(task, 1, "bob", "cid")[0]
    sheet.add("a tie in epoch 1", "the epoch is part of the hash", pen, task, "claimed",
              b if winner == "bob" else c, "tie-break", epoch=1)


# --- states, after, aliases ----------------------------------------------------------------------


def _states(sheet: Sheet) -> None:
    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.result("ann", a)
    sheet.add("done", "the holder gave a result", pen, task, "done", a, "award")

    pen, task, (a,) = start("ann")
    pen.result("ann", a)
    sheet.add("done without an award", "a result does not settle", pen, task, "done", a,
              "only-claim")

    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.result("ann", a, Outcome.FAILED)
    sheet.add("failed", "the holder gave up in words", pen, task, "failed", a, "award")

    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.result("ann", a, Outcome.FAILED)
    pen.result("ann", a)
    sheet.add("failed, then done", "the first result counts", pen, task, "failed", a, "award")

    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.result("bob", a)
    sheet.add("a stranger's result", "only the claim's author gives its result", pen, task,
              "working", a, "award")

    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.verdict(a, pen.result("ann", a), accept=False)
    sheet.add("rejected", "the attempt is over, the task is not", pen, task, "rejected", a, "award")

    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.verdict(a, pen.result("ann", a), accept=False)
    pen.award(a)
    sheet.add("rejected, then awarded again", "the requester thought again", pen, task, "done", a,
              "award")

    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.verdict(a, pen.result("ann", a), accept=False, who="bob")
    sheet.add("rejected by a stranger", "nobody's word but the requester's", pen, task, "done", a,
              "award")

    pen, task, (a,) = start("ann")
    pen.award(a)
    pen.verdict(a, UNKNOWN, accept=False)
    sheet.add("rejected without a result", "there is nothing to reject", pen, task, "working", a,
              "award")


def _after(sheet: Sheet) -> None:
    def two() -> tuple[Pen, Record, Record, Record]:
        pen = Pen()
        first = pen.offer()
        task = pen.offer(after=(1,))
        claim = pen.claim("ann", first)
        return pen, first, task, claim

    pen, first, task, _ = two()
    b = pen.claim("bob", task)
    sheet.add("after, not ended", "the claim is void", pen, task)

    pen, first, task, claim = two()
    end = pen.verdict(claim, pen.result("ann", claim))
    b = pen.claim("bob", task, end)
    sheet.add("after, accept in the past", "one ref suffices", pen, task, "claimed", b,
              "only-claim")

    pen, first, task, claim = two()
    pen.verdict(claim, pen.result("ann", claim))
    pen.claim("bob", task)
    sheet.add("after, accept not in the past", "the claim is void", pen, task)

    pen, first, task, claim = two()
    pen.verdict(claim, pen.result("ann", claim))
    b = pen.claim("bob", task, pen.note("rita"))
    sheet.add("after, a later record named", "the requester's latest record stands for all below",
              pen, task, "claimed", b, "only-claim")

    pen, first, task, claim = two()
    pen.verdict(claim, pen.result("ann", claim))
    pen.note("bob", pen.note("rita"))
    b = pen.claim("bob", task)
    sheet.add("after, named by an earlier record", "every record of the claimant counts", pen,
              task, "claimed", b, "only-claim")

    pen, first, task, claim = two()
    pen.cancel(first)
    b = pen.claim("bob", task, pen.records[-1])
    sheet.add("after, cancelled", "only an accept satisfies", pen, task)

    pen, first, task, claim = two()
    pen.verdict(claim, pen.result("ann", claim))
    own = pen.claim("rita", task)
    sheet.add("after, the requester's own claim", "its own records below are in its past", pen,
              task, "claimed", own, "only-claim")

    pen, first, task, claim = two()
    b = pen.claim("bob", task)
    pen.award(b)
    sheet.add("after, awarded too early", "a void claim cannot be awarded", pen, task)

    pen, first, task, claim = two()
    b = pen.claim("bob", task)
    pen.reopen("cid", b)
    sheet.add("after, lapse of a void claim", "it opens nothing", pen, task)

    pen = Pen()
    pen.note("rita")
    task = pen.offer(after=(1,))
    pen.claim("bob", task, pen.note("rita"))
    sheet.add("after what is no offer", "it never ends", pen, task)

    pen = Pen()
    first = pen.offer(idempotency_key=b"k")
    pen.offer(idempotency_key=b"k")
    task = pen.offer(after=(2,))
    claim = pen.claim("ann", first)
    end = pen.verdict(claim, pen.result("ann", claim))
    b = pen.claim("bob", task, end)
    sheet.add("after an alias", "it is read as its task", pen, task, "claimed", b, "only-claim")


def _aliases(sheet: Sheet) -> None:
    pen = Pen()
    task = pen.offer(idempotency_key=b"k")
    alias = pen.offer(idempotency_key=b"k")
    a = pen.claim("ann", task)
    pen.award(pen.claim("bob", alias))
    sheet.add("two offers with one key", "the lower seq is the task", pen, task, "claimed", a,
              "only-claim")
    sheet.add("the alias", "what names an alias means nothing", pen, alias, alias_of=task)

    pen = Pen()
    pen.offer(idempotency_key=b"k")
    other = pen.offer("bob", idempotency_key=b"k")
    a = pen.claim("ann", other)
    sheet.add("one key, two authors", "keys are each author's own", pen, other, "claimed", a,
              "only-claim")

    pen = Pen()
    first = pen.offer(idempotency_key=b"k")
    task = pen.offer(idempotency_key=b"k")
    a = pen.claim("ann", task)
    pen.lose(first)
    sheet.add("the task of the alias is missing", "of what is here, the lowest seq", pen, task,
              "claimed", a, "only-claim")


GROUPS: tuple[tuple[str, Callable[[Sheet], None]], ...] = (
    ("candidates", _candidates), ("preferences", _preferences), ("states", _states),
    ("after", _after), ("aliases", _aliases),
)

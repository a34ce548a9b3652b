"""What an audit takes of a node's records, and that a reader counts what the node counts."""
from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from antsp2p.coordination.audit import Collected, Judgement, collect, judge
from antsp2p.coordination.body import (
    Announce,
    Award,
    Cancel,
    CancelReason,
    Claim,
    Offer,
    Outcome,
    Reopen,
    ReopenReason,
    Result,
    Revoke,
    Verdict,
    content_hash,
)
from antsp2p.coordination.meaning import Meaning
from antsp2p.coordination.reputation import Kind
from antsp2p.coordination.standing import recovery_digest
from antsp2p.records.audit import Audit, check_audit, encode_audit, join_runs, parse_audit
from antsp2p.records.log import LogSet
from tests.coordination.contests import NETWORK as BAZAAR
from tests.coordination.contests import merged, random_set
from tests.coordination.scribe import NETWORK
from tests.coordination.test_meaning import ADA, HEIR, RECOVERY, REQUESTER, Log, Observer
from tests.vectors.common import verify

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from antsp2p.coordination.evidence import Deed
    from antsp2p.records.record import Record

WAYS = ("accept", "reject", "fail", "lapse", "overdue", "release", "lose", "open", "other lapse")


class Market:
    """Requesters offer, ada and another work; every record goes to one observer."""

    def __init__(self) -> None:
        self.logs = {name: Log(name) for name in ("ada", "requester", "other", "recovery", "heir")}
        self.tasks = 0

    def task(
        self, way: str, *, by: str = "requester", capability: str = "work", cost: int = 1,
        worker: str = "ada",
    ) -> Record:
        """One task that ends in this way for its worker."""
        asker, ada = self.logs[by], self.logs[worker]
        self.tasks += 1
        offer = asker.say(
            Offer(capability, 1_000, 0, 3, input=b"", cost=cost), mark=self.tasks)
        task = offer.id
        if way == "lose":
            rival = self.logs["other"].say(Claim(task, 0))
            claim = ada.say(Claim(task, 0), refs=[rival.id])
            asker.say(Award(task, rival.id))
            asker.say(Cancel(task, CancelReason.REQUESTER))
            return claim
        claim = ada.say(Claim(task, 0))
        asker.say(Award(task, claim.id))
        match way:
            case "accept" | "reject":
                result = ada.say(Result(task, claim.id, Outcome.DONE, output=b"x"))
                asker.say(Verdict(
                    task, claim.id, result.id, way == "accept", content_hash(b"x")))
            case "fail":
                ada.say(Result(task, claim.id, Outcome.FAILED, output=b"", error="no"))
            case "lapse":
                asker.say(Reopen(task, 0, claim.id, ReopenReason.LAPSED))
            case "overdue":
                asker.say(Reopen(task, 0, claim.id, ReopenReason.OVERDUE))
            case "release":
                ada.say(Reopen(task, 0, claim.id, ReopenReason.RELEASED))
            case "other lapse":
                self.logs["other"].say(Reopen(task, 0, claim.id, ReopenReason.LAPSED))
        return claim

    def observed(self, me: bytes = REQUESTER) -> Observer:
        observer = Observer(me)
        for log in self.logs.values():
            observer.take(log.records)
        return observer


def finished(steps: Generator[None, None, Collected | None]) -> Collected | None:
    """What comes of a collection that nothing interrupts."""
    outcome: list[Collected | None] = []

    def through() -> Generator[None, None, None]:
        outcome.append((yield from steps))

    for _ in through():
        pass
    return outcome[0]


def collected(observer: Observer, author: bytes = ADA, room: int = 1 << 25) -> Collected:
    found = finished(collect(
        author, NETWORK, observer.logs, observer.meaning, observer.logs.seq, room=room))
    assert found is not None
    return found


def read(observer: Observer, author: bytes = ADA) -> Judgement:
    """What another machine reads in the file."""
    audit = parse_audit(encode_audit(collected(observer, author).audit))
    check_audit(audit, verify)
    return judge(audit)


def words(deeds: Iterable[Deed]) -> set[Deed]:
    """What somebody said; what records prove alone is said by whoever reads them."""
    return {deed for deed in deeds if deed.kind not in (Kind.EXPOSED, Kind.CONTRADICTED)}


def test_a_reader_counts_what_became_of_each_claim() -> None:
    market = Market()
    for way in WAYS:
        market.task(way)
    market.task("accept", capability="other.work", cost=7)
    market.task("reject", by="other")
    judged = read(market.observed())
    assert judged.counts() == {
        "other.work": {"accepted": (1, 7)},
        "work": {
            "accepted": (1, 1), "rejected": (2, 2), "failed": (1, 1), "lapsed": (2, 2),
            "overdue": (1, 1), "released": (1, 1), "exposed": (2, 2),
        },
    }
    assert (judged.unjudged, judged.contested) == (2, 0)
    (facts,) = judged.line
    assert facts.is_gapless
    assert facts.stretches == ((1, len(market.logs["ada"].records)),)
    lapse = next(deed for deed in judged.deeds if deed.rater != REQUESTER
                 and deed.kind is Kind.LAPSED)
    assert lapse.rater == market.logs["other"].records[0].author


@settings(max_examples=40)
@given(st.lists(
    st.tuples(st.sampled_from(WAYS), st.sampled_from(("requester", "other")),
              st.sampled_from(("work", "play")), st.integers(1, 9)),
    max_size=12,
))
def test_every_requester_finds_its_own_word_in_the_file(
    tasks: list[tuple[str, str, str, int]]
) -> None:
    market = Market()
    for way, by, capability, cost in tasks:
        if way not in ("lose", "other lapse") or by == "requester":
            market.task(way, by=by, capability=capability, cost=cost)
    for name in ("requester", "other"):
        me = Log(name).say(Announce("x")).author
        observer = market.observed(me)
        assert words(read(observer).deeds) == words(observer.meaning.ledger.why(ADA))


def test_the_file_is_the_same_whatever_else_a_node_holds() -> None:
    market = Market()
    for way in WAYS:
        market.task(way)
    before = read(market.observed()).counts()
    market.task("accept", worker="other", capability="else")
    assert read(market.observed()).counts() == before
    assert "else" not in {
        body for record in collected(market.observed()).audit.records()
        for body in record.body.values() if isinstance(body, str)
    }


def test_a_requester_that_owes_answers_is_shown_to_owe_them() -> None:
    market = Market()
    for way in ("accept", "open", "reject"):
        market.task(way, by="ada", worker="other")
    claim = market.task("open", by="ada", worker="other")
    market.logs["other"].say(Result(claim.body[0], claim.id, Outcome.DONE, output=b""))
    judged = read(market.observed())
    assert judged.offers == 4
    assert judged.unanswered == 1
    assert judged.deeds == ()


def test_a_claim_behind_another_task_is_judged_as_at_the_node() -> None:
    market = Market()
    market.task("accept")
    asker, ada = market.logs["requester"], market.logs["ada"]
    first = next(r for r in asker.records if r.type == Offer.type)
    verdict = asker.records[-1]
    later = asker.say(Offer("work", 1_000, 0, 3, input=b"", after=(first.seq,)))
    claim = ada.say(Claim(later.id, 0), refs=[verdict.id])
    asker.say(Award(later.id, claim.id))
    asker.say(Reopen(later.id, 0, claim.id, ReopenReason.LAPSED))
    observer = market.observed()
    judged = read(observer)
    assert judged.counts()["work"] == {"accepted": (1, 1), "lapsed": (1, 1)}
    assert words(judged.deeds) == words(observer.meaning.ledger.why(ADA))


def test_another_name_for_a_task_brings_the_task_along() -> None:
    market = Market()
    asker, ada = market.logs["requester"], market.logs["ada"]
    same = Offer("work", 1_000, 0, 3, input=b"", idempotency_key=b"k")
    asker.say(same)
    alias = asker.say(same, mark=1)
    claim = ada.say(Claim(alias.id, 0))
    result = ada.say(Result(alias.id, claim.id, Outcome.DONE, output=b"x"))
    asker.say(Award(alias.id, claim.id))
    asker.say(Verdict(alias.id, claim.id, result.id, True, content_hash(b"x")))
    observer = market.observed()
    # What names it means nothing, and without the task nobody could tell.
    assert read(observer).deeds == observer.meaning.ledger.why(ADA) == ()
    assert asker.records[0].id in {record.id for record in collected(observer).audit.records()}


def test_a_fork_is_proven_in_the_file_and_what_stood_above_it_counts_for_nothing() -> None:
    market = Market()
    market.task("accept")
    upto = len(market.logs["ada"].records)
    market.task("reject")
    branch = market.logs["ada"].branch(upto)
    branch.say(Announce("another"))
    observer = market.observed()
    observer.take(branch.records)
    judged = read(observer)
    (facts,) = judged.line
    assert (facts.fork_seq, facts.standing.convicted) == (upto + 1, True)
    assert facts.stretches == ((1, upto),)
    assert judged.counts() == {"work": {"accepted": (1, 1)}}


def test_of_a_convicted_author_without_a_record_the_proof_is_the_file() -> None:
    one, other = Log("ada"), Log("ada")
    one.say(Announce("one"))
    other.say(Announce("other"))
    observer = Observer()
    observer.take(one.records)
    observer.take(other.records)
    audit = collected(observer).audit
    assert (audit.runs, audit.fork_seq(ADA)) == ((), 1)
    judged = judge(audit)
    assert (judged.line[0].stretches, judged.line[0].is_gapless) == ((), False)


def test_a_requester_that_forked_is_in_the_file_with_its_proof() -> None:
    market = Market()
    market.task("accept")
    upto = len(market.logs["requester"].records)
    market.task("open")
    branch = market.logs["requester"].branch(upto)
    branch.say(Announce("another"))
    observer = market.observed()
    observer.take(branch.records)
    audit = collected(observer).audit
    assert audit.fork_seq(REQUESTER) == upto + 1
    judged = judge(audit)
    assert judged.counts() == {"work": {"accepted": (1, 1)}}, "what was accepted stays accepted"
    assert judged.contested == 1


def test_a_successor_brings_along_what_the_lost_key_did() -> None:
    market = Market()
    ada, heir, recovery = (market.logs[name] for name in ("ada", "heir", "recovery"))
    ada.say(Announce("work", recovery=recovery_digest(RECOVERY)))
    market.task("accept")
    upto = len(ada.records)
    market.task("reject")
    recovery.say(Revoke(ADA, upto, ada.point(upto), HEIR))
    heir.say(Announce("work", succeeds=ADA))
    market.task("lapse", worker="heir")
    judged = read(market.observed(), HEIR)
    assert [facts.author for facts in judged.line] == [HEIR, ADA]
    assert judged.line[1].standing.revoked
    assert not judged.line[1].standing.convicted
    assert judged.counts() == {"work": {"accepted": (1, 1), "lapsed": (1, 1)}}
    alone = read(market.observed(), ADA)
    assert [facts.author for facts in alone.line] == [ADA]
    assert alone.line[0].standing.last_seq == upto


def test_what_may_not_be_shown_is_in_no_file() -> None:
    market = Market()
    market.task("accept")
    market.task("reject")
    observer = market.observed()
    hidden = len(market.logs["ada"].records) - 1

    def upto(author: bytes) -> int:
        return hidden if author == ADA else observer.logs.seq(author)

    found = finished(collect(ADA, NETWORK, observer.logs, observer.meaning, upto))
    assert found is not None
    assert max(run[-1].seq for run in found.audit.of(ADA)) == hidden


def test_a_file_has_the_newest_where_there_is_no_room_for_all() -> None:
    market = Market()
    for _ in range(10):
        market.task("accept")
    observer = market.observed()
    whole = collected(observer)
    assert whole.left_out == 0
    size = len(encode_audit(whole.audit))
    for room in range(200, size + 400, 700):
        part = collected(observer, room=room)
        data = encode_audit(part.audit)
        assert len(data) <= room
        check_audit(parse_audit(data), verify)
        assert (part.left_out == 0) == (part.audit == whole.audit)
        own = part.audit.of(ADA)
        assert all(run[-1].seq == len(market.logs["ada"].records) for run in own[-1:])
        assert len(own) <= 1


def test_a_fork_that_comes_to_light_meanwhile_overthrows_what_was_collected() -> None:
    market = Market()
    market.task("accept")
    upto = len(market.logs["requester"].records)
    market.task("open")
    observer = market.observed()
    steps = collect(ADA, NETWORK, observer.logs, observer.meaning, observer.logs.seq)
    next(steps)
    next(steps)
    branch = market.logs["requester"].branch(upto)
    branch.say(Announce("another"))
    observer.take(branch.records)
    assert finished(steps) is None
    assert collected(observer).audit.fork_seq(REQUESTER) == upto + 1


def test_the_order_of_arrival_makes_no_difference_to_a_file() -> None:
    market = Market()
    for way in WAYS:
        market.task(way)
    files = Counter[bytes]()
    for seed in range(5):
        observer = Observer()
        logs = list(market.logs.values())
        Random(seed).shuffle(logs)
        for log in logs:
            observer.take(log.records)
        files[encode_audit(collected(observer).audit)] += 1
    assert len(files) == 1


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 9))
def test_any_part_of_any_history_is_read_without_a_fault(seed: int, share: int) -> None:
    draws = Random(seed)
    records = [
        record for record in random_set(seed).records if draws.randrange(10) < share
    ]
    for author in sorted({record.author for record in records}):
        judged = judge(Audit(NETWORK, author, join_runs(records)))
        assert judged.counts().keys() <= {deed.capability for deed in judged.deeds}
        assert all(deed.subject == author for deed in judged.deeds)
        assert min(judged.unjudged, judged.offers, judged.unanswered, judged.contested) >= 0


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_whatever_happened_a_reader_finds_the_words_that_the_node_has(seed: int) -> None:
    logs = LogSet(BAZAAR, lambda *_: True)
    meaning = Meaning(b"", BAZAAR, logs.at)
    for record in merged(random_set(seed).records, Random(seed)):
        for added in logs.insert((record,)).added:
            meaning.add(added)
    for task in meaning.tasks.task_ids():
        meaning.ledger.update(task, meaning.tasks)
    for author in logs.authors():
        found = finished(collect(author, BAZAAR, logs, meaning, logs.seq))
        assert found is not None
        audit = found.audit
        check_audit(audit, lambda *_: True)
        judged = judge(audit)
        said = meaning.ledger.why(author)
        assert words(judged.deeds) == {
            deed for deed in words(said) if deed.kind is not Kind.UNANSWERED}
        assert judged.unanswered == sum(deed.kind is Kind.UNANSWERED for deed in said)

"""The own log: held back until a peer confirms the head, signed anew on a higher one."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.body import Award, Claim, Mark, Offer, parse_body
from antsp2p.coordination.draft import Draft
from antsp2p.own_log import CONFIRM_GRACE_US, RECOVER_US, OwnLog
from antsp2p.records.keys import Identity, verify
from antsp2p.records.log import LogSet

if TYPE_CHECKING:
    from antsp2p.records.record import Record

NETWORK = b"n" * 16
ME = Identity.from_seed(b"m" * 32)
OFFER = Offer("text.wordcount", lease_ms=1_000, settle_ms=0, attempts=1, input=b"x")


def own_log(
    *, fresh: bool, history: list[Record] | None = None, suspicion: str = ""
) -> tuple[OwnLog, LogSet]:
    logs = LogSet(NETWORK, verify)
    for record in history or []:
        assert logs.restore([record]) == 1
    return OwnLog(ME, NETWORK, logs, fresh=fresh, wall_offset_us=0, suspicion=suspicion), logs


def history(count: int) -> list[Record]:
    own, _ = own_log(fresh=True)
    return [own.sign(Draft(OFFER), index) for index in range(count)]


def test_a_fresh_log_waits_for_nobody() -> None:
    own, logs = own_log(fresh=True)
    record = own.sign(Draft(OFFER), 0)
    assert logs.at(ME.author, 1) == record
    assert own.held == []


def test_after_a_restart_records_are_held_until_a_peer_reports_the_head() -> None:
    old = history(2)
    own, logs = own_log(fresh=False, history=old)
    record = own.sign(Draft(OFFER), 0)
    assert record.seq == 3
    assert record.prev == old[-1].id
    assert logs.at(ME.author, 3) is None
    own.head_reported(2, old[-1].id, now_us=10)
    assert not own.may_confirm(10)
    assert own.may_confirm(10 + CONFIRM_GRACE_US)
    assert own.confirm(10 + CONFIRM_GRACE_US) == []
    assert logs.at(ME.author, 3) == record


def test_a_peer_that_knows_nothing_or_less_confirms_too() -> None:
    old = history(2)
    for seq, head in ((0, bytes(32)), (1, old[0].id)):
        own, _ = own_log(fresh=False, history=old)
        assert own.head_reported(seq, head, 0) == ""
        assert own.may_confirm(CONFIRM_GRACE_US)


def test_a_peer_that_holds_something_else_at_our_place_confirms_nothing() -> None:
    own, _ = own_log(fresh=False, history=history(2))
    assert own.head_reported(2, b"x" * 32, 0) != ""
    assert not own.may_confirm(RECOVER_US - 1)


def test_a_higher_head_is_fetched_and_what_was_held_is_signed_anew_on_top() -> None:
    full = history(4)
    own, logs = own_log(fresh=False, history=full[:2])
    held_offer = own.sign(Draft(Offer("held", 1_000, 0, 1, input=b"")), 0)
    held_award = own.sign(Draft(Award(held_offer.id, b"c" * 32)), 0)
    held_after = own.sign(Draft(Offer(
        "a", 1_000, 0, 1, input=b"", after=(1, held_offer.seq))), 0)
    held_mark = own.sign(Draft(Mark(held_offer.id.hex(), "hard", 1)), 0)
    other_mark = own.sign(Draft(Mark("site.lab", "", 1)), 0)
    own.head_reported(4, full[3].id, 0)
    assert not own.may_confirm(RECOVER_US - 1)
    logs.insert(full[2:])
    own.recovered(0)
    pairs = own.confirm(CONFIRM_GRACE_US)
    assert [old for old, _ in pairs] == [
        held_offer, held_award, held_after, held_mark, other_mark]
    offer, award, after, *marks = (new for _, new in pairs)
    assert [parse_body(mark) for mark in marks] == [
        Mark(offer.id.hex(), "hard", 1), Mark("site.lab", "", 1)]
    assert (offer.seq, offer.prev) == (5, full[3].id)
    assert parse_body(award) == Award(offer.id, b"c" * 32)
    after_body = parse_body(after)
    assert isinstance(after_body, Offer)
    assert after_body.after == (1, 5)
    assert [logs.at(ME.author, seq) for seq in (5, 6, 7)] == [offer, award, after]
    assert logs.proof(ME.author) is None


def test_held_records_that_peers_give_back_are_not_signed_twice() -> None:
    full = history(3)
    own, logs = own_log(fresh=False, history=full[:1])
    own.hold(full[1])
    own.hold(full[2])
    own.head_reported(2, full[1].id, 0)
    logs.insert(full[1:2])
    own.recovered(0)
    assert own.confirm(CONFIRM_GRACE_US) == []
    assert [logs.at(ME.author, seq) for seq in (1, 2, 3)] == full


def test_a_higher_head_that_nobody_can_show_does_not_count_for_ever() -> None:
    old = history(2)
    own, _ = own_log(fresh=False, history=old)
    own.head_reported(99, b"y" * 32, 0)
    own.head_reported(2, old[-1].id, 0)
    assert not own.may_confirm(CONFIRM_GRACE_US)
    assert own.may_confirm(RECOVER_US)


def test_refs_to_the_own_log_are_left_out() -> None:
    own, _ = own_log(fresh=True)
    offer = own.sign(Draft(OFFER), 0)
    claim = own.sign(Draft(Claim(offer.id, 0), (offer.id, b"r" * 32)), 0)
    assert claim.refs == (b"r" * 32,)


def test_a_convicted_key_signs_no_more() -> None:
    own, logs = own_log(fresh=True)
    own.sign(Draft(OFFER), 0)
    twin, _ = own_log(fresh=True)
    logs.insert([twin.sign(Draft(Offer("other", 1_000, 0, 1, input=b"")), 0)])
    assert own.is_convicted
    assert "new home" in own.why_not


def test_a_key_convicted_while_records_are_held_lets_nothing_go() -> None:
    own, logs = own_log(fresh=False)
    own.sign(Draft(OFFER), 0)
    own.head_reported(0, bytes(32), 0)
    first, second = (
        own_log(fresh=True)[0].sign(Draft(Offer(name, 1_000, 0, 1, input=b"")), 0)
        for name in ("one", "two")
    )
    logs.insert([first])
    logs.insert([second])
    assert own.is_convicted
    assert not own.may_confirm(10 * CONFIRM_GRACE_US)
    assert own.confirm_at is None


def test_a_copy_is_confirmed_only_by_who_knows_as_much() -> None:
    old = history(3)
    own, _ = own_log(fresh=False, history=old[:2], suspicion="an old copy")
    assert own.is_suspect
    assert own.why_not == "an old copy"
    for seq, head in ((0, bytes(32)), (1, old[0].id)):
        own.head_reported(seq, head, 0)
    assert own.confirm_at is None
    own.head_reported(2, old[1].id, 0)
    assert own.may_confirm(CONFIRM_GRACE_US)


def test_a_copy_waits_without_end_for_a_higher_head_to_be_shown() -> None:
    old = history(3)
    own, logs = own_log(fresh=False, history=old[:2], suspicion="an old copy")
    own.head_reported(3, old[2].id, 0)
    own.head_reported(2, old[1].id, 0)
    assert own.confirm_at is None
    logs.insert(old[2:])
    own.recovered(10)
    assert own.may_confirm(10 + CONFIRM_GRACE_US)
    own.confirm(10 + CONFIRM_GRACE_US)
    assert not own.is_suspect


def test_a_revoked_key_signs_no_more() -> None:
    own, _ = own_log(fresh=False, history=history(1))
    own.is_revoked = True
    assert own.is_closed
    assert "revoked" in own.why_not
    assert not own.may_confirm(10 * CONFIRM_GRACE_US)

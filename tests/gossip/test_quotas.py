"""What one source may use up, and that nothing is lost by it."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.quotas import Account, Quotas, Use
from antsp2p.gossip.wire import Entry, News, Range, Records, Want
from tests.gossip.protections import some_link
from tests.gossip.swarm import SECOND, Swarm, identity, record
from tests.gossip.test_hostile import Attacker, alone

if TYPE_CHECKING:
    import pytest


def test_an_account_forgets_as_much_a_second_as_its_share_says() -> None:
    account = Account({Use.WANTS: (10, 100)})
    assert account.used(0) == {}
    assert account.charge(Use.WANTS, 100, 0)
    assert not account.charge(Use.WANTS, 1, 0)
    assert not account.charge(Use.WANTS, 6, SECOND // 2)
    assert account.charge(Use.WANTS, 5, SECOND // 2)
    assert account.used(5 * SECOND) == {"wants": 55}


def test_tables_of_accounts_are_bounded_and_the_first_gives_way() -> None:
    quotas = Quotas(DEFAULT_LIMITS)
    for number in range(2 * DEFAULT_LIMITS.shares):
        quotas.of_author(number.to_bytes(32, "big")).charge(Use.RECORDS, 1, 0)
        quotas.of_host(f"192.0.2.{number}").charge(Use.HANDSHAKES, 1, 0)
    assert quotas.sizes() == {
        "link-accounts": 0, "author-accounts": DEFAULT_LIMITS.shares,
        "host-accounts": DEFAULT_LIMITS.hosts,
    }
    link = some_link(1, identity(1).author, ("192.0.2.1", 5))
    quotas.opened(link)
    quotas.of_link(link).charge(Use.BYTES, 700, 0)
    quotas.of_author(link.author).charge(Use.RECORDS, 3, 0)
    assert quotas.used(link, 0) == {"link": {"bytes": 700}, "author": {"records": 3}, "host": {}}


def test_wrong_signatures_are_shown_while_they_count() -> None:
    gossip = alone()
    attacker = Attacker(gossip, 1, ("192.0.2.1", 5))
    for seq in range(5):
        forged = bytearray(record(2, 1, salt=seq, branch_at=1).wire)
        forged[-1] ^= 1
        attacker.say(0, Records(0, 0, (Entry(0, bytes(forged)),)))
    assert gossip.links()[0].used["link"]["bad_signatures"] == 5
    attacker.say(2 * DEFAULT_LIMITS.bad_signature_forgiven_us)
    assert gossip.links()[0].used["link"]["bad_signatures"] == 3


def test_pushed_records_of_an_author_beyond_its_quota_are_not_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gossip = alone()
    attacker, other = Attacker(gossip, 1, ("192.0.2.1", 5)), Attacker(gossip, 2, ("192.0.2.2", 5))
    monkeypatch.setitem(
        gossip._parts.quotas._author_shares, Use.RECORDS, (1, 50))
    for seq in range(1, 101):
        attacker.say(seq, News(0, 1, (Entry(0, record(1, seq).wire),)))
        other.say(seq, News(0, 1, (Entry(0, record(2 + seq, 1).wire),)))
    logs = gossip._parts.visible.logs
    head = logs.head(identity(1).author)
    assert head is not None
    assert head.seq == 50
    assert gossip.drops["quota-records"] == 50
    assert all(logs.head(identity(2 + seq).author) for seq in range(1, 101)), "others are served"
    (view, _) = gossip.links()
    assert view.used["author"] == {"records": 50}
    assert view.used["link"]["datagrams"] > 90


def test_what_a_quota_kept_out_comes_with_the_reconciliation() -> None:
    swarm = Swarm(3, seed=9)
    swarm.connect()
    swarm.run(5 * SECOND)
    for peer in swarm.peers:
        peer.gossip._parts.quotas._author_shares[Use.RECORDS] = (1, 5)
    for _ in range(100):
        swarm.peers[0].publish()
        swarm.run(2_000)
    assert any(peer.gossip.drops["quota-records"] for peer in swarm.peers[1:])
    assert swarm.run(60 * SECOND, swarm.agree)


def test_wants_beyond_the_quota_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    gossip = alone()
    monkeypatch.setitem(gossip._parts.quotas._link_shares, Use.WANTS, (1, 10))
    attacker = Attacker(gossip, 1, ("192.0.2.1", 5))
    want = Want(1, (Range(identity(3).author, 1, 1),) * 5)
    answers = [attacker.say(1_000 + number, want) for number in range(4)]
    assert gossip.drops["quota-wants"] == 2
    assert [bool(answer) for answer in answers] == [True, True, False, False]

"""The files of networks: made once, private, and refused otherwise."""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from antsp2p.gossip.admission import Admission
from antsp2p.gossip.network_keys import KeyPurpose, NetworkKey
from antsp2p.runtime import limits
from antsp2p.runtime.home import HomeError, network_id
from antsp2p.runtime.networks import (
    CONFIGURATION_VARIABLE,
    NameTaken,
    change_secret,
    closed_network,
    keep_network,
    known_networks,
    known_price,
    learn_secret,
    network_path,
    note_home,
    open_network,
    wall_ms,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CONFIGURATION_VARIABLE, str(tmp_path / "config"))
    return tmp_path / "config"


def test_a_network_is_made_once_and_kept_private() -> None:
    network = closed_network("local")
    assert network == closed_network("local") != closed_network("other")
    assert (len(network.id), len(network.key.secret)) == (16, 32)
    assert not network.is_open
    path = network_path("local")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert network.key.secret.hex() not in repr(network)


def test_any_name_has_its_own_file() -> None:
    names = ["local", "Local", "a/b", "..", ".", "café", "a b", "../../x", "%2e", "n" * 64]
    paths = {network_path(name) for name in names}
    assert len(paths) == len(names)
    assert len({path.parent for path in paths}) == 1
    for name in names:
        assert closed_network(name).name == name
    for name in ("", "n" * 65):
        with pytest.raises(HomeError, match="1 to 64 bytes"):
            closed_network(name)


def test_what_others_can_read_is_refused() -> None:
    closed_network("local")
    path = network_path("local")
    path.chmod(0o640)
    with pytest.raises(HomeError, match="chmod 600"):
        closed_network("local")
    path.chmod(0o600)
    path.parent.chmod(0o755)
    with pytest.raises(HomeError, match="chmod 700"):
        closed_network("local")


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"id": "00", "secret": "00"}', "null"])
def test_a_damaged_file_is_named(damage: str) -> None:
    closed_network("local")
    network_path("local").write_text(damage, "utf-8")
    with pytest.raises(HomeError, match="is damaged") as refusal:
        closed_network("local")
    assert "\n" not in str(refusal.value)


def test_a_secret_that_was_replaced_is_good_for_the_overlap() -> None:
    network = closed_network("local")
    after = change_secret("local", 3_600_000)
    assert after.id == network.id
    now_ms = wall_ms()
    newest, before = after.keys(now_ms)
    assert (newest.generation, before.purpose) == (1, KeyPurpose.PREVIOUS)
    assert before.secret == network.key.secret
    assert 0 < after.overlap_ms(now_ms) <= 3_600_000
    assert after.keys(now_ms + 3_600_000) == (
        newest, replace(before, purpose=KeyPurpose.REPLACED))
    assert closed_network("local") == after


def test_a_change_without_an_overlap_ends_all_that_came_before() -> None:
    closed_network("local")
    change_secret("local", 3_600_000)
    after = change_secret("local", 0)
    assert after.key.generation == 2
    assert [key.purpose for key in after.keys(wall_ms())] == [
        KeyPurpose.MEMBER, KeyPurpose.REPLACED, KeyPurpose.REPLACED]
    assert after.overlap_ms(wall_ms()) == 0


def test_no_more_secrets_are_kept_than_the_bound() -> None:
    closed_network("local")
    for _ in range(limits.PREVIOUS_SECRETS + 3):
        after = change_secret("local", 3_600_000)
    assert len(after.previous) == limits.PREVIOUS_SECRETS
    assert after.previous[0].key.generation == after.key.generation - 1


def test_of_two_secrets_the_later_is_kept_by_everybody() -> None:
    known = closed_network("local")
    low, high = (NetworkKey(bytes([fill]) * 32, generation=1) for fill in (1, 2))
    for order in ((low, high), (high, low)):
        network = known
        for key in order:
            network = learn_secret("local", key, 1_000)
        assert network.key == high
    assert learn_secret("local", replace(low, generation=0), 1_000).key == high


def test_what_an_invitation_gave_is_kept_under_a_free_name() -> None:
    given = Admission("theirs", bytes(range(16)), 3, bytes(32))
    network = keep_network("mine", given, b"i" * 32)
    assert (network.name, network.id, network.key.generation) == ("mine", given.network, 3)
    assert closed_network("mine") == network
    assert network.invited_by == b"i" * 32
    with pytest.raises(NameTaken, match="--as NAME"):
        keep_network("mine", replace(given, network=bytes(16)), b"i" * 32)
    assert closed_network("mine") == network


def test_networks_are_listed_with_their_homes(tmp_path: Path) -> None:
    note_home(closed_network("b"), tmp_path / "one")
    note_home(closed_network("b"), tmp_path / "one")
    for name in range(limits.HOMES_REMEMBERED + 1):
        note_home(open_network("a"), tmp_path / str(name))
    closed, opened = known_networks()
    assert (closed.name, closed.is_open, closed.homes) == ("b", False, (str(tmp_path / "one"),))
    assert (opened.name, opened.is_open) == ("a", True)
    assert len(opened.homes) == limits.HOMES_REMEMBERED
    assert network_path("a", is_open=True).stat().st_mode & 0o777 == 0o600


def test_an_open_network_follows_from_its_name() -> None:
    network = open_network("bazaar")
    assert network.is_open
    assert network == open_network("bazaar")
    assert network.id == network_id("bazaar")
    assert network.key != open_network("bazar").key


def test_a_price_makes_another_network_and_is_remembered(tmp_path: Path) -> None:
    free, priced = open_network("bazaar"), open_network("bazaar", 12)
    assert free.id != priced.id != open_network("bazaar", 13).id
    assert priced.id == network_id("bazaar", 12)
    assert known_price("bazaar") == 0
    note_home(priced, tmp_path / "one")
    note_home(open_network("bazaar:12"), tmp_path / "two")
    assert known_price("bazaar") == 12
    assert {(each.name, each.work_bits): each.id for each in known_networks()} == {
        ("bazaar", 12): priced.id, ("bazaar:12", 0): network_id("bazaar:12")}
    note_home(open_network("bazaar", 13), tmp_path / "three")
    assert known_price("bazaar") == 0, "of several a person must say which"
    for bits in (-1, 41):
        with pytest.raises(HomeError, match="at most 40 bits"):
            open_network("bazaar", bits)

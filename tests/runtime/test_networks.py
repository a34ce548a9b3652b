"""The files of networks: made once, private, and refused otherwise."""
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from antsp2p.gossip.network_keys import KeyPurpose
from antsp2p.runtime.home import HomeError, network_id
from antsp2p.runtime.networks import (
    CONFIGURATION_VARIABLE,
    closed_network,
    network_path,
    open_network,
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
    assert (len(network.id), len(network.keys[0].secret)) == (16, 32)
    assert not network.is_open
    path = network_path("local")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert network.keys[0].secret.hex() not in repr(network)


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


def test_secrets_from_before_a_change_are_still_known() -> None:
    network = closed_network("local")
    path = network_path("local")
    facts = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({
        **facts, "secret": "ab" * 32, "previous": [facts["secret"]]}), "utf-8")
    after = closed_network("local")
    assert after.id == network.id
    assert [key.purpose for key in after.keys] == [KeyPurpose.MEMBER, KeyPurpose.PREVIOUS]
    assert after.keys[1].secret == network.keys[0].secret


def test_an_open_network_follows_from_its_name() -> None:
    network = open_network("bazaar")
    assert network.is_open
    assert network == open_network("bazaar")
    assert network.id == network_id("bazaar")
    assert network.keys != open_network("bazar").keys

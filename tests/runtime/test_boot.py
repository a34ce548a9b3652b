"""A key signs only with the history that it signed before."""
from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from antsp2p.records.work import check
from antsp2p.runtime.boot import Boot, boot_home
from antsp2p.runtime.home import Home, HomeError
from antsp2p.runtime.networks import stored_network
from antsp2p.runtime.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def booted(path: Path, network: str = "local", *, accept_lost_store: bool = False) -> Boot:
    """A boot that is closed again at once."""
    boot = boot_home(path, network, accept_lost_store=accept_lost_store)
    boot.close()
    return boot


def refusal(path: Path, network: str = "local") -> str:
    with pytest.raises(HomeError) as refused:
        booted(path, network)
    line = str(refused.value)
    assert "\n" not in line
    free = Home(path)
    free.open()
    free.close()
    return line


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_only_the_first_start_is_fresh(path: Path) -> None:
    boots = [booted(path) for _ in range(3)]
    assert [boot.fresh for boot in boots] == [True, False, False]
    assert [boot.number for boot in boots] == [1, 2, 3]
    assert len({boot.identity.author for boot in boots}) == 1


def test_a_lost_store_is_refused_until_it_is_accepted(path: Path) -> None:
    author = booted(path).identity.author
    (path / "store.db").unlink()
    assert "restore the store from a backup, take a new home, or accept" in refusal(path)
    assert not (path / "store.db").exists()
    boot = booted(path, accept_lost_store=True)
    assert (boot.identity.author, boot.fresh, boot.number) == (author, False, 2)
    assert booted(path).fresh is False


def test_a_lost_key_is_refused(path: Path) -> None:
    booted(path)
    (path / "key").unlink()
    assert "restore the key from a backup" in refusal(path)
    assert not (path / "key").exists()


def test_another_key_is_refused(path: Path, tmp_path: Path) -> None:
    booted(path)
    booted(tmp_path / "other")
    os.replace(tmp_path / "other" / "key", path / "key")
    assert "belongs to another key" in refusal(path)


def test_another_network_is_refused_and_not_made(path: Path) -> None:
    booted(path, "one")
    said = "belongs to another network than the closed network 'two', to 'one'"
    assert said in refusal(path, "two")
    assert stored_network("two") is None
    with pytest.raises(HomeError, match="than the open network 'one' at 8 bits"):
        boot_home(path, "one", is_open=True, work_bits=8)
    assert booted(path, "one").number == 2


@pytest.mark.parametrize("step", ["make_key", "keep_facts", "next_boot"])
@pytest.mark.parametrize("after", [False, True])
def test_a_first_start_may_be_cut_off_anywhere(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    class CutOff(BaseException):
        pass

    owner = Store if step == "keep_facts" else Home
    whole = getattr(owner, step)

    def cut_off(*arguments: object, **facts: object) -> None:
        if after:
            whole(*arguments, **facts)
        raise CutOff

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, cut_off)
        with pytest.raises(CutOff):
            booted(path)
    counted = step == "next_boot" and after
    boot = booted(path)
    assert boot.fresh is (step == "make_key" or (step == "keep_facts" and not after))
    assert boot.number == (2 if counted else 1)


def test_the_port_is_remembered(path: Path) -> None:
    boot = boot_home(path, "local")
    assert boot.preferred_port == 0
    boot.remember_port(7_777)
    boot.close()
    assert booted(path).preferred_port == 7_777


def test_a_name_is_paid_for_once(path: Path) -> None:
    boots = []
    for _ in range(3):
        boot = boot_home(path, "bazaar", is_open=True, work_bits=8)
        boot.close()
        assert boot.work is not None
        assert check(boot.network.id, boot.identity.author, boot.work, 8)
        boots.append(boot.work)
    assert boots[0] == boots[1] == boots[2]
    with pytest.raises(HomeError, match="at most 40 bits"):
        boot_home(path, "bazaar", is_open=True, work_bits=41)


def test_only_an_open_network_has_a_price(path: Path) -> None:
    with pytest.raises(HomeError, match="goes with an open network") as refused:
        boot_home(path, "local", work_bits=8)
    assert "\n" not in str(refused.value)
    assert not path.exists(), "it is refused before anything is made"


def test_a_search_can_be_ended(path: Path) -> None:
    class Ended(BaseException):
        pass

    def end() -> None:
        raise Ended

    with pytest.raises(Ended):
        boot_home(path, "bazaar", is_open=True, work_bits=40, pause=end)
    free = Home(path)
    free.open()
    free.close()

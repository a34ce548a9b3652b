"""A home that was copied, moved or put back from a backup is recognised."""
from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from antsp2p.runtime import boot as boot_module
from antsp2p.runtime import machine
from antsp2p.runtime.boot import SHORT_NAME, Boot, boot_home, note_import
from antsp2p.runtime.home import Home, HomeError
from antsp2p.runtime.machine import MAX_REMEMBERED_KEYS, Memory

if TYPE_CHECKING:
    from pathlib import Path


def booted(path: Path, only_copy: str = "", *, settled: bool = False) -> Boot:
    boot = boot_home(path, "local", only_copy=only_copy)
    if settled:
        boot.settle()
    boot.close()
    return boot


def test_a_home_that_stays_where_it_is_is_never_suspected(tmp_path: Path) -> None:
    assert [booted(tmp_path / "home").suspicion for _ in range(3)] == ["", "", ""]


def test_an_old_copy_put_back_is_suspected_until_it_is_settled(tmp_path: Path) -> None:
    home, backup = tmp_path / "home", tmp_path / "backup"
    author = booted(home).identity.author
    shutil.copytree(home, backup)
    booted(home)
    shutil.rmtree(home)
    shutil.copytree(backup, home)
    boots = [booted(home), booted(home)]
    for boot in boots:
        assert "a later start" in boot.suspicion
        assert f"--only-copy {author.hex()[:SHORT_NAME]}" in boot.suspicion
        assert "\n" not in boot.suspicion
    assert [boot.number for boot in boots] == [3, 4]
    booted(home, settled=True)
    assert booted(home).suspicion == ""


def test_of_two_homes_with_one_key_the_one_left_behind_is_suspected(tmp_path: Path) -> None:
    booted(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert booted(tmp_path / "two").suspicion == ""
    assert "a later start" in booted(tmp_path / "one").suspicion


def test_one_key_runs_once_on_a_machine(tmp_path: Path) -> None:
    booted(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    running = boot_home(tmp_path / "one", "local")
    with pytest.raises(HomeError, match="another copy of this node's key is running in") as refused:
        booted(tmp_path / "two")
    assert str(tmp_path / "one") in str(refused.value)
    running.close()
    booted(tmp_path / "one")


def test_another_machine_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = [b"a" * 16]
    monkeypatch.setattr(boot_module, "this_machine", lambda: here[0])
    path = tmp_path / "home"
    booted(path)
    here[0] = b"b" * 16
    assert "another machine" in booted(path).suspicion
    here[0] = b"a" * 16
    assert "another machine" in booted(path).suspicion
    booted(path, settled=True)
    here[0] = b""
    assert booted(path).suspicion == ""


def test_a_person_may_insist_by_name(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.open()
    identity = home.make_key()
    note_import(home, identity.author)
    home.close()
    assert "imported" in booted(home.path).suspicion
    name = identity.author.hex()[:SHORT_NAME]
    for wrong in ("0" * SHORT_NAME, name[:-1], "yes"):
        with pytest.raises(HomeError, match=f"takes the node's own name: {name}"):
            booted(home.path, wrong)
    assert booted(home.path, name).suspicion == ""
    assert booted(home.path).suspicion == ""
    assert booted(home.path).fresh is False


def test_a_machine_id_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "machine-id"
    monkeypatch.setattr(machine, "_MACHINE_IDS", (str(path),))
    assert machine.this_machine() == b""
    for text, is_known in (("", False), ("0" * 32, False), ("ab" * 16 + "\n", True), ("x", False)):
        path.write_text(text)
        found = machine.this_machine()
        assert bool(found) == is_known
        assert found != bytes.fromhex("ab" * 16)


def test_the_memory_is_bounded_and_a_missing_folder_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "MAX_REMEMBERED_KEYS", 3)
    assert MAX_REMEMBERED_KEYS > 3
    for number in range(6):
        memory = Memory(bytes((number,)) * 32, tmp_path / "keys")
        memory.open()
        memory.remember(tmp_path, number + 1)
        assert memory.starts() == number + 1
        memory.close()
    assert len([path for path in (tmp_path / "keys").iterdir() if not path.suffix]) == 3
    (tmp_path / "file").write_text("")
    nowhere = Memory(bytes(32), tmp_path / "file")
    nowhere.open()
    nowhere.remember(tmp_path, 7)
    assert nowhere.starts() == 0
    nowhere.close()

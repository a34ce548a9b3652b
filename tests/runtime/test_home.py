"""A home keeps its key to itself, to one process, and with its store."""
from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

from antsp2p.runtime.home import (
    MAX_BOOT,
    MAX_SOCKET_PATH_BYTES,
    Home,
    HomeError,
    default_home,
    network_id,
    write_durably,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_is_made_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home")
    home.open()
    key = home.make_key()
    home.token()
    assert mode(home.path) == 0o700
    assert mode(home.key_path) == mode(home.token_path) == mode(home.lock_path) == 0o600
    assert home.read_key().author == key.author
    assert sorted(os.listdir(home.path)) == ["key", "lock", "recovery", "token"]
    home.close()


def open_and_read(home: Home) -> None:
    home.open()
    home.read_key()
    home.recovery_file()


@pytest.mark.parametrize(
    ("name", "mends"), [("", "chmod 700"), ("key", "chmod 600"), ("recovery", "chmod 600")]
)
def test_wider_permissions_are_refused(tmp_path: Path, name: str, mends: str) -> None:
    home = Home(tmp_path / "home")
    home.open()
    home.make_key()
    home.close()
    (home.path / name).chmod(0o740)
    with pytest.raises(HomeError, match=mends) as refusal:
        open_and_read(home)
    assert "\n" not in str(refusal.value)
    home.close()


def test_a_second_process_is_told_the_pid(tmp_path: Path) -> None:
    home = Home(tmp_path)
    tmp_path.chmod(0o700)
    home.open()
    code = "import sys; from antsp2p.runtime.home import Home; Home(sys.argv[1]).open()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"(pid {os.getpid()})" in done.stderr.splitlines()[-1]
    home.close()
    again = Home(tmp_path)
    again.open()
    again.close()


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = home.make_key()
    with pytest.raises(HomeError, match="cannot write the key"):
        home.make_key()
    assert home.read_key().author == first.author


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_durably(home.key_path, b"short")
    with pytest.raises(HomeError, match="is no key file: restore"):
        home.read_key()


def test_the_boot_counter_only_grows(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert [home.next_boot(0), home.next_boot(0), home.next_boot(9)] == [1, 2, 10]
    home.boot_path.unlink()
    assert home.next_boot(10) == 11
    with pytest.raises(HomeError, match="used up"):
        home.next_boot(MAX_BOOT)
    write_durably(home.boot_path, b"x")
    with pytest.raises(HomeError, match="cannot count"):
        home.next_boot(0)


def test_the_token_stays(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.token() == home.token() == home.read_token()
    assert len(home.token()) == 43


def test_the_socket_lies_in_the_home_or_where_its_path_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Home("/short").socket_path() == Path("/short/api.sock")
    deep = Home(tmp_path / ("d" * 120))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = deep.socket_path()
    assert len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES
    assert mode(path.parent) == 0o700
    assert path == Home(deep.path).socket_path() != Home(tmp_path / ("e" * 120)).socket_path()


def test_a_machine_without_a_runtime_folder_is_no_reason_to_warn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def guessed(*_: object, **__: object) -> Path:
        warnings.warn("XDG_RUNTIME_DIR is not set", stacklevel=1)
        return tmp_path

    monkeypatch.setattr("platformdirs.user_runtime_path", guessed)
    path = Home(tmp_path / ("d" * 120)).socket_path()
    assert len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES


def test_a_runtime_folder_that_others_can_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = Home(tmp_path / ("d" * 120))
    # A short one, or the socket would lie in the folder that all of this user's nodes share.
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        folder = deep.socket_path().parent
        assert folder.is_relative_to(short)
        folder.chmod(0o777)
        with pytest.raises(HomeError, match="not a private folder"):
            deep.socket_path()


def test_the_api_entry_is_told_and_withdrawn(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.read_api() is None
    home.publish_api(Path("/x/api.sock"))
    assert home.read_api() == {"socket": "/x/api.sock", "pid": os.getpid()}
    home.withdraw_api()
    home.withdraw_api()
    assert home.read_api() is None
    home.api_path.write_text("[1")
    assert home.read_api() is None


def test_a_network_name_has_one_id() -> None:
    assert network_id("local").hex() == "862e7a2b453fcf350a48b91a8d932dae"
    assert network_id("local") != network_id("Local")
    for name in ("", "n" * 65):
        with pytest.raises(HomeError, match="1 to 64 bytes"):
            network_id(name)


def test_homes_have_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_home().name == "default"
    assert default_home("two").parent == default_home().parent
    for name in ("", ".", "..", "a/b", "-x", "n" * 65):
        with pytest.raises(HomeError, match="home's name"):
            default_home(name)

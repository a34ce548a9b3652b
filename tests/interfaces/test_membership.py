"""Two users with folders of their own: invited, joined, linked, and through a change of secrets."""
from __future__ import annotations

import io
import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from antsp2p.interfaces.commands import invite
from antsp2p.interfaces.exit_codes import Exit
from tests.interfaces.terminal import LIMIT_S, Desk, antsp2p

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class User:
    """Somebody with a configuration folder, and the desks of their nodes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "config"
        self._homes = folder

    def desk(self, home: str = "home") -> Desk:
        return Desk(self._homes / home, user=self.folder)

    def join(self, code: str, *options: str, stdin: bytes = b"") -> dict[str, Any]:
        done = antsp2p(
            "join", "--json", "--no-discovery", *options, code, stdin=stdin, user=self.folder)
        assert done.returncode == 0, done.stderr.decode()
        return dict(json.loads(done.stdout))

    def refusal(self, code: str, *options: str, exit_code: int = 5) -> str:
        done = antsp2p("join", "--no-discovery", *options, code, user=self.folder)
        assert (done.returncode, done.stdout) == (exit_code, b"")
        text = done.stderr.decode()
        assert text.count("\n") == 1
        return text

    def networks(self) -> list[dict[str, Any]]:
        done = antsp2p("networks", "--json", user=self.folder)
        return list(json.loads(done.stdout)["networks"])


@pytest.fixture
def ada(tmp_path: Path) -> User:
    return User(tmp_path / "ada")


@pytest.fixture
def bob(tmp_path: Path) -> User:
    return User(tmp_path / "bob")


@contextmanager
def linked(ada: User, bob: User) -> Iterator[tuple[Desk, Desk]]:
    """Ada's node, and Bob's, who was invited."""
    with ada.desk() as host, bob.desk() as guest:
        host.start_node()
        bob.join(host.json("invite")["code"])
        watch = host.watch()
        guest.start_node("--peer", host.ready["address"])
        watch.json(kind="peer-up", subject=guest.author)
        yield host, guest


def test_who_is_invited_takes_part(ada: User, bob: User) -> None:
    with linked(ada, bob) as (host, guest):
        assert guest.ready["network"] == host.ready["network"]
        guest.work("count", "wc", "-c")
        assert host.say("post", "count", "--text", "hello", "--wait").strip() == "5"
        (known,) = bob.networks()
        assert (known["name"], known["open"]) == ("local", False)
        assert known["invited_by"] == host.author
        assert known["homes"] == [{"home": str(guest.home), "running": True}]
        (own,) = ada.networks()
        assert (own["id"], own["invited_by"]) == (known["id"], "")


def test_a_code_is_good_once_and_says_so(ada: User, bob: User, tmp_path: Path) -> None:
    with ada.desk() as host:
        host.start_node()
        code = host.json("invite")["code"]
        # However it is typed, and from standard input.
        assert not bob.join("-", stdin=code.upper().replace("-", " ").encode())["was_member"]
        eve = User(tmp_path / "eve")
        assert "has been used" in eve.refusal(code)
        assert not eve.folder.exists()
        assert host.json("invite", "--list")["invitations"][0]["uses_left"] == 0
        both = host.json("invite", "--uses", "2")["code"]
        assert eve.join(both)["network"] == host.ready["network"]
        assert bob.join(both)["was_member"]


def test_a_code_that_is_no_longer_good_says_why(ada: User, bob: User) -> None:
    with ada.desk() as host:
        host.start_node()
        soon = host.json("invite", "--expires", "1ms")["code"]
        assert "has expired" in bob.refusal(soon)
        back = host.json("invite")
        host.say("invite", "--cancel", back["id"])
        assert "does not know this code" in bob.refusal(back["code"])
        wrong = soon[:-1] + ("0" if soon[-1] != "0" else "4")
        assert "is wrong or missing" in bob.refusal(wrong, exit_code=2)
        host.say("stop")
        assert "nobody answers" in bob.refusal(back["code"])
    assert not bob.folder.exists()


def test_an_invitation_outlives_its_node(ada: User, bob: User) -> None:
    with ada.desk() as host:
        host.start_node()
        code = host.json("invite")["code"]
        host.say("stop")
        assert (host.home / "invitations.json").stat().st_mode & 0o777 == 0o600
        # The port stays that of the last run.
        host.start_node("--listen", host.ready["listen"][0])
        bob.join(code)
        assert "has been used" in bob.refusal(code)


def test_another_network_of_that_name_is_never_replaced(ada: User, bob: User) -> None:
    with ada.desk() as host, bob.desk() as guest:
        own = guest.start_node().ready["network"]
        code = host.start_node().json("invite")["code"]
        assert "--as NAME" in bob.refusal(code)
        joined = bob.join(code, "--as", "hers")
        assert joined["next"] == (
            f"antsp2p start --network hers --peer {host.ready['listen'][0]}")
        assert {each["name"]: each["id"] for each in bob.networks()} == {
            "local": own, "hers": host.ready["network"]}
        again = host.json("invite")["code"]
        for options in ((), ("--as", "second")):
            joined = bob.join(again, *options)
            assert (joined["was_member"], joined["network_name"]) == (True, "hers")
        done = antsp2p("join", "--no-discovery", "--as", "second", again, user=bob.folder)
        assert b"calls it hers: one name is enough" in done.stdout
        assert len(bob.networks()) == 2


def test_nobody_is_invited_to_an_open_network(ada: User) -> None:
    with ada.desk() as host:
        host.start_node("--open")
        assert "is open" in host.refusal("invite", code=5)
        assert "is open" in host.refusal("rotate-secret", code=5)
        (known,) = ada.networks()
        assert known["open"]
        host.say("stop")
        host.node.wait()
        assert host.node.errors.count("whoever knows its name can take part") == 1


def test_an_open_network_may_ask_a_price_and_it_is_kept(ada: User, bob: User) -> None:
    with ada.desk() as host, bob.desk() as guest:
        assert "--price goes with --open" in host.refusal("start", "--price", "8", code=2)
        host.start_node("--open", "--price", "8")
        (known,) = ada.networks()
        assert (known["price"], known["id"]) == (8, host.ready["network"])
        assert "--price 8" in host.refusal("invite", code=5)
        watch = host.watch()
        guest.start_node("--open", "--price", "8", "--peer", host.ready["address"])
        watch.json(kind="peer-up", subject=guest.author)
        assert [peer["unpaid"] for peer in host.json("peers")["peers"]] == [False]
        guest.say("stop")
        guest.node.wait()
        # Once said, it need not be said again.
        assert guest.start_node("--open").ready["price"] == 8


def test_a_secret_is_changed_while_tasks_flow(ada: User, bob: User) -> None:
    with linked(ada, bob) as (host, guest):
        watch = guest.watch()
        guest.work("count", "wc", "-c")
        old = ada.networks()[0]
        assert host.json("rotate-secret")["generation"] == 1
        for number in range(5):
            assert host.say("post", "count", "--text", "x" * number, "--wait").strip() == (
                str(number))
        watch.json(kind="secret", generation=1)
        assert [each["generation"] for each in (*ada.networks(), *bob.networks())] == [1, 1]
        assert bob.networks()[0]["id"] == old["id"]
        assert host.json("status")["links"] == guest.json("status")["links"] == 1


def test_who_was_away_comes_back_within_the_overlap_and_not_after(
    ada: User, bob: User
) -> None:
    with linked(ada, bob) as (host, guest):
        address = host.ready["address"]
        guest.say("stop")
        guest.node.wait()
        host.json("rotate-secret", "--overlap", "1h")
        guest.start_node("--peer", address)
        wait_until(lambda: bob.networks()[0]["generation"] == 1)
        host_watch, guest_watch = host.watch(), guest.watch()
        host.json("rotate-secret", "--without-telling")
        guest_watch.json(kind="peer-down", reason="peer-secret")
        host_watch.json(kind="peer-down", reason="secret")
        # A newcomer is let in; who only has the old secret is refused by name.
        guest.say("stop")
        guest.node.wait()
        guest.start_node("--peer", address)
        again = guest.watch()
        wait_until(lambda: "key-replaced" in host.json("status")["drops"])
        # The one that was away hears nothing; the doctor tells either side.
        for desk, kind in ((host, "secret-replaced"), (guest, "other-secret")):
            told = json.loads(desk.run("doctor", "--json", code=Exit.DIAGNOSED).stdout)
            found = next(each for each in told["findings"] if each["kind"] == kind)
            assert "away" in found["text"]
            assert "antsp2p join CODE" in found["mend"]
        bob.join(host.json("invite")["code"])
        again.json(kind="peer-up", subject=host.author)
        assert bob.networks()[0]["generation"] == 2


def test_a_users_own_nodes_share_what_has_changed(ada: User) -> None:
    with ada.desk("one") as one, ada.desk("other") as other:
        one.start_node()
        watch = other.start_node("--peer", one.ready["address"]).watch()
        changed = one.json("rotate-secret", "--without-telling")
        # By the file alone: nobody has told it.
        watch.json(kind="secret", generation=changed["generation"])
        watch.json(kind="peer-up", subject=one.author)
        (network,) = ada.networks()
        assert [each["home"] for each in network["homes"]] == [str(one.home), str(other.home)]


def test_a_picture_of_the_code_needs_a_terminal_wide_enough(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    code = "ants-" + "-".join(["01234"] * 9)
    monkeypatch.setenv("COLUMNS", "80")
    lines = invite.picture(code).splitlines()
    width = max(map(len, lines))
    assert 30 < width <= 40
    assert len(lines) <= 20
    assert set("".join(lines)) <= set(" █▀▄")
    monkeypatch.setenv("COLUMNS", str(width - 1))
    assert invite.picture(code) == ""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert invite.picture(code) == ""


def wait_until(holds: Callable[[], bool]) -> None:
    """Look again and again; each look is a command, so the processor is not kept busy by it."""
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline

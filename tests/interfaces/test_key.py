"""`antsp2p key`: what a person does with keys, from the first start to the day one is lost."""
from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from antsp2p.coordination.standing import recovery_digest
from antsp2p.interfaces.exit_codes import Exit
from antsp2p.runtime.boot import boot_home
from antsp2p.runtime.home import DEFAULT_NETWORK, Home, read_key_file
from tests.interfaces.terminal import COMMAND, LIMIT_S, Desk, two_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FROM_STDIN = ("--passphrase-fd", "0")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A home in which a node has run."""
    boot_home(tmp_path / "home", DEFAULT_NETWORK).close()
    with Desk(tmp_path / "home") as desk:
        yield desk


def author_of(desk: Desk) -> str:
    return str(desk.json("key show")["author"])


def test_show_tells_whose_key_it_is_and_how_it_is_kept(desk: Desk) -> None:
    home = Home(desk.home)
    recovery = home.recovery_file()
    assert recovery is not None
    digest = recovery_digest(recovery.public_key).hex()
    assert desk.json("key show") == {
        "author": home.read_key().author.hex(), "home": str(desk.home), "passphrase": False,
        "recovery": digest, "recovery_here": True,
    }
    said = desk.say("key show")
    assert home.read_key().author.hex() in said
    assert f"move it away with: antsp2p key recovery --home {desk.home} -o FILE" in said
    with Desk(desk.home.with_name("nobody")) as nobody:
        assert "no key" in nobody.refusal("key show", code=5)


def test_a_passphrase_is_set_changed_and_removed(desk: Desk) -> None:
    author = author_of(desk)
    seed = Home(desk.home).key_file().seed
    assert desk.json("key passphrase", *FROM_STDIN, stdin=b"one\n") == {
        "author": author, "passphrase": True}
    for name in ("key", "recovery"):
        sealed = read_key_file(desk.home / name)
        assert sealed.sealed is not None
        assert stat.S_IMODE((desk.home / name).stat().st_mode) == 0o600
    assert desk.json("key show")["passphrase"]
    wrong = desk.refusal("key passphrase", *FROM_STDIN, stdin=b"two\nthree\n", code=5)
    assert "another passphrase" in wrong
    assert "needed" in desk.refusal("start", code=5)
    desk.say("key passphrase", *FROM_STDIN, stdin=b"one\ntwo\n")
    assert "another passphrase" in desk.refusal("start", *FROM_STDIN, stdin=b"one\n", code=5)
    desk.say("key passphrase", "--remove", *FROM_STDIN, stdin=b"two\n")
    assert Home(desk.home).key_file().seed == seed
    home = Home(desk.home)
    recovery = home.recovery_file()
    assert recovery is not None
    home.write_key_file(home.recovery_path, recovery.seal(b"three", (4, 1, 1)))
    cut_off = desk.refusal("key passphrase", *FROM_STDIN, stdin=b"four\n", code=5)
    assert "another passphrase" in cut_off
    desk.say("key passphrase", *FROM_STDIN, stdin=b"three\n")
    desk.say("key passphrase", "--remove", *FROM_STDIN, stdin=b"three\n")
    empty = desk.refusal("key passphrase", *FROM_STDIN, stdin=b"\n", code=5)
    assert "1 to 1024 bytes" in empty


def type_passphrases(home: Path, *typed: bytes) -> tuple[int, bytes]:
    """The exit code of `key passphrase` at a terminal, and all that it said."""
    ours, theirs = os.openpty()
    asking = subprocess.Popen(
        [*COMMAND, "key", "passphrase", "--home", str(home)], stdin=theirs,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )
    said = b""
    try:
        assert asking.stderr is not None
        for line in typed:
            # What is typed before it is asked for is thrown away.
            while not said.endswith(b": ") and (more := asking.stderr.read(1)):
                said += more
            os.write(ours, line + b"\n")
            said += b"|"
        output, errors = asking.communicate(timeout=LIMIT_S)
    finally:
        if asking.poll() is None:
            asking.kill()
            asking.communicate()
        os.close(ours)
        os.close(theirs)
    return asking.returncode, said + output + errors


def test_a_passphrase_is_asked_for_at_a_terminal(desk: Desk) -> None:
    code, said = type_passphrases(desk.home, b"one", b"two")
    assert (code, b"differ" in said) == (5, True)
    assert Home(desk.home).key_file().sealed is None
    code, said = type_passphrases(desk.home, b"one", b"one")
    assert (code, b"sealed now" in said) == (0, True)
    assert b"one" not in said
    assert Home(desk.home).key_file().sealed is not None


def test_an_export_moves_to_an_empty_home_and_to_no_other(desk: Desk, tmp_path: Path) -> None:
    author, file = author_of(desk), tmp_path / "exported"
    told = desk.json("key export", "-o", str(file), *FROM_STDIN, stdin=b"secret\n")
    assert told == {"author": author, "file": str(file), "sealed": True}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "there already" in desk.refusal("key export", "--plain", "-o", str(file), code=5)
    assert "in use" in desk.refusal("key import", str(file), code=5)
    with Desk(tmp_path / "new") as new:
        assert new.json("key import", str(file)) == {
            "author": author, "home": str(new.home), "passphrase": True}
        assert new.json("key show")["recovery"] == desk.json("key show")["recovery"]
        assert "another passphrase" in new.refusal("start", *FROM_STDIN, stdin=b"no\n", code=5)
    file.chmod(0o644)
    assert "open to others" in desk.refusal("key import", str(file), code=5)


def test_an_export_in_clear_goes_to_standard_output(desk: Desk) -> None:
    line = desk.say("key export", "--plain")
    assert line == (desk.home / "key").read_text() == desk.say("key export", "--plain", "-o", "-")
    assert desk.json("key export", "--plain")["key"] == line.strip()
    assert "needed" in desk.refusal("key export", code=5)


def test_an_imported_key_signs_nothing_until_a_person_insists_by_name(
    desk: Desk, tmp_path: Path
) -> None:
    file, author = tmp_path / "exported", author_of(desk)
    desk.say("key export", "--plain", "-o", str(file))
    with Desk(tmp_path / "new") as new:
        new.say("key import", str(file))
        new.start_node()
        refusal = new.refusal("post", "text.echo", "--text", "x", code=5)
        assert f"--only-copy {author[:12]}" in refusal
        assert any("imported" in line for line in new.json("status")["warnings"])
        new.say("stop")
        assert author[:12] in new.refusal("start", "--only-copy", "me", code=5)
        new.start_node("--only-copy", author[:12])
        assert new.json("post", "text.echo", "--text", "x")["task"]


def test_the_recovery_key_is_moved_away_once(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "recovery"
    assert "name one" in desk.refusal("key recovery", "-o", "-", "--plain", code=Exit.USAGE)
    told = desk.json("key recovery", "-o", str(file), "--plain")
    shown = desk.json("key show")
    assert told["recovery"] == shown["recovery"]
    assert not shown["recovery_here"]
    assert read_key_file(file).has_secret
    assert not read_key_file(desk.home / "recovery").has_secret
    again = desk.refusal("key recovery", "-o", str(tmp_path / "again"), code=5)
    assert "moved away before" in again
    with Desk(tmp_path / "other") as other:
        assert "no node's key" in other.refusal("key import", str(file), code=5)


def test_a_lost_key_is_revoked_and_another_node_goes_on_with_its_reputation(
    tmp_path: Path,
) -> None:
    with two_nodes(tmp_path) as (old, heir):
        watch = heir.watch()
        old.work("text.echo", "cat")
        watch.json(kind="announced", subject=old.author)
        keeper = tmp_path / "keeper"
        shutil.copy2(old.home / "recovery", keeper)
        wrong = heir.refusal(
            "key revoke", old.author, "--recovery", str(heir.home / "recovery"), code=5)
        assert "not the recovery key" in wrong
        own_key = str(old.home / "key")
        refusal = heir.refusal("key revoke", old.author, "--recovery", own_key, code=5)
        assert "no recovery key" in refusal
        told = heir.json(
            "key revoke", old.author[:12], "--recovery", str(keeper), "--succeed", "--reason",
            "stolen",
        )
        assert told["author"] == old.author
        assert told["successor"] == heir.author
        watch.json(kind="revoked", subject=old.author)
        again = heir.refusal("key revoke", old.author, "--recovery", str(keeper), code=5)
        assert "revoked before" in again
        (peer,) = heir.json("peers")["peers"]
        assert peer["revoked"]
        assert not peer["convicted"]
        assert "revoked" in heir.say("peers")
        noticed = old.watch()
        while not old.json("peers")["peers"][0]["succeeds"]:
            noticed.line()
        assert "revoked by its recovery key" in old.refusal(
            "post", "text.echo", "--text", "x", code=5)
        assert_over(heir, old)
        old.say("stop")
        old.node.wait()
        assert "revoked by its recovery key" in old.node.errors
        old.start_node()
        assert heir.author[:12] in old.node.error_line()
        records = [json.dumps(record) for record in heir.json("log")["records"]]
        assert any('"revoke"' in record and "stolen" in record for record in records)


def assert_over(heir: Desk, old: Desk) -> None:
    """Whoever asks of a key that was given up hears whose it is now, and of nothing to be won."""
    assert old.json("status")["closed"] == old.refusal(
        "post", "text.echo", "--text", "x", code=5).partition(": ")[2].strip()
    own_records, = [line for line in old.say("status").splitlines() if "own records" in line]
    assert heir.author[:12] in own_records
    assert "--name" in own_records
    why = heir.say("why", old.author)
    assert f"{heir.author[:12]} was named" in why
    assert "would raise" not in why
    assert "nothing raises it again" in why


def test_a_backup_put_back_signs_nothing_until_a_peer_gave_it_what_it_lacks(
    tmp_path: Path,
) -> None:
    home, backup = tmp_path / "first", tmp_path / "backup"
    with two_nodes(tmp_path) as (first, second):
        watch, tasks = second.watch(), []
        for text in ("one", "two"):
            tasks.append(first.json("post", "text.echo", "--text", text)["task"])
            watch.json(kind="task", subject=tasks[-1])
            if text == "one":
                first.say("stop")
                shutil.copytree(home, backup)
                first.start_node("--peer", second.ready["address"])
                watch.json(kind="peer-up", subject=first.author)
        first.say("stop")
        second.say("stop")
        shutil.rmtree(home)
        shutil.copytree(backup, home)
        first.start_node()
        (warning,) = first.json("status")["warnings"]
        assert "a later start of its key" in warning
        assert warning in first.refusal("post", "text.echo", "--text", "three", code=5)
        first.say("stop")
        second.start_node()
        first.start_node("--peer", second.ready["address"])
        watch = first.watch()
        if first.json("status")["warnings"]:
            watch.json(kind="confirmed", subject=first.author)
        assert first.json("status")["warnings"] == []
        tasks.append(first.json("post", "text.echo", "--text", "three")["task"])
        assert {task["task"] for task in first.json("tasks")["tasks"]} == set(tasks)
        (peer,) = second.json("peers")["peers"]
        assert not peer["convicted"]

"""`antsp2p key ...`: show, export, import and protect this node's key, and give one up.

Law: what changes a key works on a home in which no node runs, under its lock. A recovery key never
reaches a node: a revoke is signed here, and only the record is handed over.
"""
from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.body import Revoke, body_map
from antsp2p.coordination.fields import MAX_TEXT_BYTES
from antsp2p.coordination.standing import recovery_digest
from antsp2p.interfaces.client import Client, hint, home_path, id_segment
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.passphrase import Passphrases
from antsp2p.interfaces.printing import escape, say, say_fields, say_json, short
from antsp2p.records.keys import Identity
from antsp2p.records.record import sign_record
from antsp2p.runtime.boot import note_import
from antsp2p.runtime.home import Home, HomeError, open_key_file, read_key_file
from antsp2p.runtime.key_file import KeyFile, Kind
from antsp2p.runtime.store import StoreError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping


def run(options: argparse.Namespace) -> int:
    """Run one of the actions."""
    try:
        return _ACTIONS[options.action](options)
    except (HomeError, StoreError) as error:
        raise CommandError(Exit.REFUSED, str(error)) from error


@contextmanager
def _locked(options: argparse.Namespace) -> Iterator[Home]:
    """The home while no node runs in it."""
    home = Home(home_path(options))
    home.open()
    try:
        yield home
    finally:
        home.close()


def _own(home: Home) -> KeyFile:
    if not home.has_key():
        raise CommandError(Exit.REFUSED, f"there is no key in {home.path} yet: start a node there")
    return home.key_file()


def _tell(options: argparse.Namespace, facts: Mapping[str, Any], *lines: str) -> int:
    if options.json:
        say_json(facts)
    else:
        for line in lines:
            say(line)
    return Exit.OK


# --- show ----------------------------------------------------------------------------------------


def _show(options: argparse.Namespace) -> int:
    home = Home(home_path(options))
    key = _own(home)
    recovery = home.recovery_file()
    digest = None if recovery is None else recovery_digest(recovery.public_key).hex()
    is_here = recovery is not None and recovery.has_secret
    facts = {
        "author": key.public_key.hex(), "home": str(home.path),
        "passphrase": key.sealed is not None, "recovery": digest, "recovery_here": is_here,
    }
    if options.json:
        say_json(facts)
        return Exit.OK
    say_fields({
        "node": key.public_key.hex(), "home": home.path,
        "passphrase": "yes" if key.sealed is not None else "no",
        "recovery": digest or "none: this key cannot be revoked",
    })
    if is_here:
        away = escape(hint(options, "key", "recovery"))
        say("The recovery key lies beside the key: while no node runs, move it away with: "
            f"{away} -o FILE")
    return Exit.OK


# --- export, import, passphrase, recovery --------------------------------------------------------


def _sealed_for(
    path: Path, key: KeyFile, what: str, options: argparse.Namespace
) -> KeyFile:
    """The key as it leaves the home: in clear where that is asked for, else under a passphrase."""
    passphrases = Passphrases(options)
    if options.plain:
        current = None if key.sealed is None else passphrases.current(path)
        return open_key_file(path, key, current)
    return key if key.sealed is not None else key.seal(passphrases.new(what))


def _export(options: argparse.Namespace) -> int:
    # A running node is no obstacle: the file is read once, and is whole at every moment.
    home = Home(home_path(options))
    key = _own(home)
    found = _sealed_for(home.key_path, key, "the exported key", options)
    author, is_sealed = key.public_key.hex(), found.sealed is not None
    if options.output in (None, "-"):
        line = found.encode().decode("ascii").rstrip()
        return _tell(options, {"author": author, "key": line, "sealed": is_sealed}, line)
    path = Path(options.output).expanduser().absolute()
    home.write_key_file(path, found, replace=False)
    facts = {"author": author, "file": str(path), "sealed": is_sealed}
    return _tell(options, facts, f"exported {short(author)} to {escape(str(path))}")


def _import(options: argparse.Namespace) -> int:
    source = Path(options.file).expanduser().absolute()
    key = read_key_file(source)
    if key.kind is not Kind.NODE or not key.has_secret:
        raise CommandError(Exit.REFUSED, f"{escape(str(source))} holds no node's key")
    with _locked(options) as home:
        if home.has_key() or home.store_path.exists():
            raise CommandError(
                Exit.REFUSED, f"{escape(str(home.path))} is in use: take a new home with --home "
                "or --name"
            )
        # The note comes first: a key without it would be taken for a new one.
        note_import(home, key.public_key)
        if key.recovery_key:
            home.write_key_file(
                home.recovery_path, KeyFile(Kind.RECOVERY, key.recovery_key), replace=False)
        home.write_key_file(home.key_path, key, replace=False)
    author = key.public_key.hex()
    facts = {"author": author, "home": str(home.path), "passphrase": key.sealed is not None}
    return _tell(
        options, facts, f"imported {short(author)} into {escape(str(home.path))}",
        "It signs nothing until a peer has told it how far its history goes.",
    )


def _passphrase(options: argparse.Namespace) -> int:
    passphrases = Passphrases(options)
    with _locked(options) as home:
        key, recovery = _own(home), home.recovery_file()
        current = passphrases.current(home.key_path) if key.sealed is not None else None
        files = [(home.key_path, open_key_file(home.key_path, key, current))]
        new = None if options.remove else passphrases.new("the key")
        if recovery is not None and recovery.has_secret:
            opened = _opened_by_either(home.recovery_path, recovery, current, new)
            files.insert(0, (home.recovery_path, opened))
        for path, opened in files:
            home.write_key_file(path, opened if new is None else opened.seal(new))
    line = "the key lies in clear now" if new is None else "the key is sealed now"
    return _tell(
        options, {"author": key.public_key.hex(), "passphrase": new is not None}, line)


def _opened_by_either(
    path: Path, key: KeyFile, current: bytes | None, new: bytes | None
) -> KeyFile:
    """The key, also where a change that was cut off has sealed it with the new one already."""
    try:
        return open_key_file(path, key, current)
    except HomeError:
        return open_key_file(path, key, new)


def _recovery(options: argparse.Namespace) -> int:
    with _locked(options) as home:
        key, recovery = _own(home), home.recovery_file()
        if recovery is None:
            raise CommandError(Exit.REFUSED, "this key was made without a recovery key")
        if not recovery.has_secret:
            raise CommandError(Exit.REFUSED, "the recovery key was moved away before")
        if options.output == "-":
            # It is dropped here once it is safe there, and a stream says nothing of that.
            raise CommandError(Exit.USAGE, "the recovery key moves into a file: name one with -o")
        found = _sealed_for(home.recovery_path, recovery, "the recovery key", options)
        path = Path(options.output).expanduser().absolute()
        home.write_key_file(path, found, replace=False)
        home.write_key_file(home.recovery_path, recovery.without_secret())
    digest = recovery_digest(recovery.public_key).hex()
    facts = {"author": key.public_key.hex(), "file": str(path), "recovery": digest,
             "sealed": found.sealed is not None}
    return _tell(
        options, facts, f"moved the recovery key to {escape(str(path))}",
        "Keep it off this machine: whoever has it can give up this node's key.",
    )


# --- revoke --------------------------------------------------------------------------------------


def _revoke(options: argparse.Namespace) -> int:
    path = Path(options.recovery).expanduser().absolute()
    keeper = read_key_file(path)
    if keeper.kind is not Kind.RECOVERY or not keeper.has_secret:
        raise CommandError(Exit.REFUSED, f"{escape(str(path))} holds no recovery key")
    with Client(options) as client:
        told = client.get(f"/v1/keys/{id_segment(options.id)}", {
            "recovery": keeper.public_key.hex(), "at": options.at or 0})
        _refuse_in_vain(told)
        current = Passphrases(options).current(path) if keeper.sealed is not None else None
        seed = open_key_file(path, keeper, current).seed
        successor = told["me"] if options.succeed else options.successor or ""
        wire = _signed(Identity.from_seed(seed), told, successor, options.reason)
        answer = client.call(
            "POST", "/v1/revokes", params={"succeed": int(options.succeed)}, content=wire)
    facts = {"author": told["author"], "seq": told["seq"], "successor": successor or None,
             "links": told["links"], **answer}
    lines = [f"revoked {short(told['author'])} above its record {told['seq']}"]
    if successor:
        lines.append(f"its reputation goes to {short(successor)}" + (
            "" if options.succeed else ", once that node says so"))
    if not told["links"]:
        lines.append("No other node is linked: keep this one running until it has told them.")
    return _tell(options, facts, *lines)


def _refuse_in_vain(told: Any) -> None:
    """Say no to a revoke that nobody would heed."""
    name = short(told["author"])
    if told["recovery"] is None:
        raise CommandError(
            Exit.REFUSED, f"{name} has named no recovery key in its first announcement, or that "
            "has not arrived here"
        )
    if not told["fits"]:
        raise CommandError(Exit.REFUSED, f"this is not the recovery key of {name}")
    if told["revoked"]:
        raise CommandError(Exit.REFUSED, f"{name} was revoked before: only the first one counts")


def _signed(keeper: Identity, told: Any, successor: str, reason: str) -> bytes:
    body = Revoke(
        bytes.fromhex(told["author"]), told["seq"], bytes.fromhex(told["id"]),
        bytes.fromhex(successor), reason.encode()[:MAX_TEXT_BYTES].decode(errors="ignore"),
    )
    head = told["recovery_head"]
    return sign_record(
        keeper, network=bytes.fromhex(told["network"]), seq=head["seq"] + 1,
        prev=bytes.fromhex(head["id"]), type=body.type, body=body_map(body),
        claimed_ms=time.time_ns() // 1_000_000,
    ).wire


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "show": _show, "export": _export, "import": _import, "passphrase": _passphrase,
    "recovery": _recovery, "revoke": _revoke,
}

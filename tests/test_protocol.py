"""protocol.md is held to the code: its constants, its tables, its words and its example."""
from __future__ import annotations

import ast
import importlib
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from antsp2p.coordination.body import RecordType
from antsp2p.coordination.evidence import Kind
from antsp2p.coordination.resolver import Rule
from antsp2p.coordination.state import ENDS, TRANSITIONS, Happening, State
from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.link import BYE_REASONS
from antsp2p.gossip.wire import Frame
from antsp2p.records.encoding import decode
from antsp2p.runtime.discovery import SERVICE_TYPE
from tests.vectors import datagrams, example

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = Path(__file__).parent.parent
_TEXT: Final = (_ROOT / "protocol.md").read_text(encoding="utf-8")
_MODULES: Final = tuple(importlib.import_module(f"antsp2p.{name}") for name in (
    "records.encoding", "records.record", "records.beat", "records.fork", "records.digest",
    "records.log", "records.work", "records.audit",
    "coordination.body", "coordination.fields",
    "coordination.resolver", "coordination.lease", "coordination.claimant",
    "coordination.rivals", "coordination.fetches",
    "coordination.requester", "coordination.reputation", "coordination.rendezvous",
    "coordination.standing", "coordination.trust", "coordination.weighing",
    "coordination.capability", "coordination.first_seen", "coordination.vouches",
    "coordination.marks",
    "coordination.judgement", "coordination.pins", "coordination.fading",
    "gossip.admission", "gossip.affinity", "gossip.join_code",
    "gossip.bulk_wire", "gossip.limits", "gossip.link", "gossip.loss", "gossip.wire",
    "gossip.noise", "gossip.datagram", "gossip.handshake", "gossip.network_keys",
    "gossip.protection", "gossip.replay", "gossip.session", "gossip.stream_cipher",
    "own_log", "publication", "pulse", "node", "decisions", "history",
    "runtime.home", "runtime.key_file", "runtime.machine", "runtime.boot", "interfaces.passphrase",
    "runtime.networks", "runtime.limits", "runtime.blobs", "runtime.discovery",
))
_ON_THE_WIRE: Final = tuple(
    module for module in _MODULES
    if module.__name__.startswith("antsp2p.records.")
    or module.__name__ in (
        "antsp2p.coordination.body", "antsp2p.coordination.fields",
        "antsp2p.gossip.limits", "antsp2p.gossip.link",
        "antsp2p.gossip.wire", "antsp2p.gossip.noise", "antsp2p.gossip.datagram",
        "antsp2p.gossip.admission", "antsp2p.gossip.join_code",
        "antsp2p.gossip.handshake", "antsp2p.gossip.network_keys", "antsp2p.gossip.protection",
        "antsp2p.gossip.replay", "antsp2p.gossip.session", "antsp2p.gossip.stream_cipher",
    )
)
_SAID_OTHERWISE: Final = frozenset({
    "MIN_INT", "MAX_INT", "OFFER_AFTER_KEY", "MARK_TOPIC_KEY", "WIRE_VERSION", "MAX_AGE_MS",
    "MILLISECOND_US",
    "SECOND_US", "PUBLIC_KEY_BYTES", "SIGNATURE_BYTES", "SEED_BYTES", "VERSION", "MAX_SLOTS",
    "PROOF", "RUN", "END", "FOLLOWS", "ASK_ON", "HELLO", "WELCOME", "CONFIRM", "SEALED", "GONE",
    "COOKIE", "AUDIT_NAME",
})
"""Constants that the text gives as numbers in its grammar, or under a qualified name."""


def section(number: int) -> str:
    """The text under the heading `## number.`"""
    start = _TEXT.index(f"\n## {number}. ")
    end = _TEXT.find("\n## ", start + 1)
    return _TEXT[start : end if end > 0 else len(_TEXT)]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every row of every table, headings too."""
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def words(text: str) -> frozenset[str]:
    """Every word that stands in backticks, code blocks left out."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return frozenset(re.findall(r"`([^`]+)`", prose))


_WORDS: Final = words(_TEXT)


def number_of(text: str) -> int:
    """`1,000` and `2^53 - 1` as integers."""
    plain = text.replace(",", "").replace(" ", "")
    power = re.fullmatch(r"2\^(\d+)(-1)?", plain)
    return 2 ** int(power[1]) - bool(power[2]) if power else int(plain)


def values_of(name: str) -> set[Any]:
    """What the code has under a name: `NAME`, `module.NAME` or `Limits.name`."""
    where, _, last = name.rpartition(".")
    if where == "Limits":
        return {getattr(DEFAULT_LIMITS, last)}
    found = set()
    for module in _MODULES:
        if where in ("", module.__name__.rpartition(".")[2]) and hasattr(module, last):
            found.add(getattr(module, last))
    return found


# --- constants -----------------------------------------------------------------------------------

_CONSTANTS: Final = [row for row in rows(section(25)) if row[0].startswith("`")]


@pytest.mark.parametrize("row", _CONSTANTS, ids=[row[0] for row in _CONSTANTS])
def test_constants_have_the_values_of_the_code(row: list[str]) -> None:
    name, value, unit, kind, reason = row
    assert values_of(name.strip("`")) == {number_of(value)}
    assert unit
    assert kind in ("S", "I")
    assert reason


def test_constants_are_listed_once() -> None:
    names = [row[0] for row in _CONSTANTS]
    assert len(names) == len(set(names))


def test_every_constant_on_the_wire_is_listed() -> None:
    listed = {row[0].strip("`").rpartition(".")[2] for row in _CONSTANTS}
    missing = {
        name for module in _ON_THE_WIRE for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and type(value) is int
        and name not in listed and name not in _SAID_OTHERWISE
    }
    assert not missing


def test_every_name_in_capitals_exists() -> None:
    named = {word for word in _WORDS if re.fullmatch(r"(\w+\.)?[A-Z][A-Z0-9]*_[A-Z0-9_]+", word)}
    assert {name for name in named if not values_of(name)} <= {"_US"}


def test_every_limit_named_exists() -> None:
    known = {f"Limits.{field.name}" for field in fields(DEFAULT_LIMITS)}
    assert {word for word in _WORDS if word.startswith("Limits.")} <= known


def test_domains() -> None:
    told = {
        row[0].strip("`"): row[1].strip("`").replace("\\0", "\0").encode()
        for row in rows(section(3)) if row[0].endswith("_DOMAIN`")
    }
    in_code = {
        name: value for module in _MODULES for name, value in vars(module).items()
        if name.endswith("_DOMAIN")
    }
    assert told == in_code


# --- words and tables ----------------------------------------------------------------------------


def test_record_types() -> None:
    told = {row[0].strip("`"): row[1] for row in rows(section(8)) if row[0].startswith("`")}
    for kind in RecordType:
        assert kind.name.lower() in _WORDS
        if kind < RecordType.DISPUTE:
            assert told[kind.name.lower()] == str(int(kind))


def test_frames() -> None:
    told: dict[str, str] = {}
    for row in rows(section(16)):
        if row[0] != "frame":
            told.update(zip(row[2].replace("`", "").split(", "), row[1].split(", "), strict=True))
    seen = {}
    for case in datagrams.frames()["valid"]:
        frames = decode(bytes.fromhex(case["frames"]), 1_200)
        seen[case["frame"]] = str(frames[0][0])
    assert told == seen
    assert {name.lower() for name in told} == {kind.__name__.lower() for kind in Frame.__args__}
    assert set(BYE_REASONS) <= _WORDS


@pytest.mark.parametrize("kind", [Rule, Kind, State, Happening])
def test_words_of_the_coordination(kind: Any) -> None:
    said = _WORDS | frozenset(re.findall(r'"([a-z-]+)"', _TEXT)) | frozenset(
        cell for row in rows(_TEXT) for cell in row)
    assert {str(word) for word in kind} <= said


def test_the_task_table() -> None:
    heading, *lines = list(rows(section(12)))
    told = {
        (State(line[0].strip("`")), Happening(happening)): State(cell)
        for line in lines for happening, cell in zip(heading[1:], line[1:], strict=True) if cell
    }
    endings = {
        Happening.ACCEPT: State.ACCEPTED, Happening.CANCEL: State.CANCELLED,
        Happening.EXHAUST: State.DEAD_LETTERED, Happening.CONVICT: State.ORPHANED,
    }
    told |= {
        (state, happening): end
        for state in State if state not in ENDS for happening, end in endings.items()
    }
    assert told == dict(TRANSITIONS)


# --- reason words --------------------------------------------------------------------------------


def _constant(node: ast.expr | None) -> str:
    if isinstance(node, ast.JoinedStr):
        return _constant(node.values[-1]).lstrip("-")
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _reasons(path: Path) -> Iterator[str]:
    """Every word under which a module refuses or counts."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="Malformed"), args=[word]):
                yield _constant(word)
            case ast.Call(func=ast.Name(id=name), args=[*_, word]) if name.startswith("_need_"):
                yield _constant(word)
            case ast.Call(func=ast.Attribute(attr="_drop" | "_dropped"), args=[word]):
                yield _constant(word)
            case ast.Call(func=ast.Attribute(attr="offend"), args=[_, word, _]):
                yield _constant(word)
            case ast.keyword(arg="refused", value=word):
                yield _constant(word)
            case ast.Assign(targets=[ast.Name(id="refused")], value=word):
                yield _constant(word)
            case ast.Return(value=ast.Tuple(elts=[ast.Tuple(), word])):
                yield _constant(word)
            case ast.FunctionDef(name="_refusal"):
                yield from (
                    _constant(inner) for inner in ast.walk(node) if isinstance(inner, ast.Constant)
                )
            case ast.Subscript(value=ast.Attribute(attr="drops" | "_drops"), slice=word):
                yield _constant(word)


def _all_reasons() -> set[str]:
    folders = ("records", "coordination", "gossip", "runtime")
    paths = [path for folder in folders for path in (_ROOT / "antsp2p" / folder).glob("*.py")]
    return {reason for path in sorted(paths) for reason in _reasons(path)} - {""}


def test_every_reason_is_told() -> None:
    starts = ("run-", "proof-", "blob-", "bulk-", "join-", "stream-")
    prefixed = {word.partition("-")[2] for word in _WORDS if word.startswith(starts)}
    assert _all_reasons() - prefixed <= _WORDS


def test_every_reason_in_the_table_of_drops_exists() -> None:
    known = _all_reasons()
    for row in rows(section(21)):
        if row[0] == "reason":
            continue
        for word in words(row[0]):
            last = re.sub(r"^(record|beat|proof|run|blob|bulk|join|stream)-", "", word)
            assert word in known or last in known or word in _SEND_REASONS, word


_SEND_REASONS: Final = frozenset(
    importlib.import_module("antsp2p.runtime.udp")._SEND_DROPS.values()
) | {"send-error"}


# --- the example, the links, the service ---------------------------------------------------------


def test_the_worked_example() -> None:
    block = re.search(r"```\n(.*?)\n```", section(26), re.DOTALL)
    assert block is not None
    assert block[1] == example.block()
    sizes = ", ".join(str(len(record.wire)) for record in example.records().values())
    start, _, last = sizes.rpartition(", ")
    assert f"have {start} and {last} bytes" in " ".join(section(26).split())


def test_links_within_the_text() -> None:
    headings = re.findall(r"^#+ (.+)$", _TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w\s-]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", _TEXT)) <= anchors
    sections = {int(number) for number in re.findall(r"^## (\d+)\.", _TEXT, re.MULTILINE)}
    named = {int(number) for number in re.findall(r"[Ss]ections? (\d+)", _TEXT)}
    assert sections == set(range(1, len(sections) + 1))
    assert named - sections <= {4}


def test_the_service_name() -> None:
    assert SERVICE_TYPE in _WORDS

"""The file of pins: private, durable, and refused where it is damaged."""
from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from antsp2p.coordination.pins import MAX_PINS, NO_PINS, Pins, TooManyPins
from antsp2p.events import PinsChanged
from antsp2p.runtime import trust_file
from antsp2p.runtime.home import HomeError
from antsp2p.runtime.trust_file import LocalTrust, read_pins, write_pins

if TYPE_CHECKING:
    from pathlib import Path

ADA, BOB = b"a" * 32, b"b" * 32
GOOD: dict[str, Any] = {"pins": {ADA.hex(): 7}, "blocked": [BOB.hex()]}


def test_what_is_written_is_read_by_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    assert read_pins(path) == NO_PINS
    pins = NO_PINS.pin(ADA, 7).block(BOB)
    write_pins(path, pins)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_pins(path) == pins
    assert json.loads(path.read_text()) == GOOD


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    write_pins(path, NO_PINS)
    path.chmod(0o644)
    with pytest.raises(HomeError, match="open to others"):
        read_pins(path)


@pytest.mark.parametrize("stored", [
    [], {}, {"pins": {}}, {**GOOD, "more": 1}, {**GOOD, "pins": []}, {**GOOD, "blocked": {}},
    {**GOOD, "pins": {ADA.hex(): 0}}, {**GOOD, "pins": {ADA.hex(): -1}},
    {**GOOD, "pins": {ADA.hex(): 1_000_001}}, {**GOOD, "pins": {ADA.hex(): True}},
    {**GOOD, "pins": {ADA.hex(): 1.5}}, {**GOOD, "pins": {"ADA": 1}},
    {**GOOD, "blocked": [1]}, {**GOOD, "blocked": [ADA.hex().upper() + "\n"]},
    {**GOOD, "blocked": [ADA.hex()]},
    {"pins": {}, "blocked": [f"{n:064x}" for n in range(MAX_PINS + 1)]},
])
def test_a_damaged_file_is_refused_in_one_line(stored: Any, tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_text(json.dumps(stored))
    path.chmod(0o600)
    with pytest.raises(HomeError, match="is damaged") as error:
        read_pins(path)
    assert "\n" not in str(error.value)


def test_what_is_no_json_or_too_large_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trust.json"
    path.touch(0o600)
    with pytest.raises(HomeError, match="is damaged"):
        read_pins(path)
    write_pins(path, NO_PINS.pin(ADA, 7))
    monkeypatch.setattr(trust_file, "MAX_TRUST_FILE_BYTES", 20)
    with pytest.raises(HomeError, match="too large"):
        read_pins(path)


async def test_a_change_is_written_before_the_node_hears_of_it(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    told: list[PinsChanged] = []

    async def put(event: PinsChanged) -> None:
        assert read_pins(path) == event.pins
        told.append(event)

    trust = LocalTrust(path, NO_PINS, put)
    assert await trust.change(lambda pins: pins.block(ADA)) == NO_PINS.block(ADA)
    await trust.change(lambda pins: pins.block(ADA))
    assert told == [PinsChanged(Pins(blocked=frozenset({ADA})))]


async def test_what_cannot_be_is_not_written(tmp_path: Path) -> None:
    async def put(event: PinsChanged) -> None:
        raise AssertionError("nothing has changed")

    trust = LocalTrust(tmp_path / "trust.json", NO_PINS, put)

    def refuse(pins: Pins) -> Pins:
        raise TooManyPins

    with pytest.raises(TooManyPins):
        await trust.change(refuse)
    trust = LocalTrust(tmp_path / "none" / "trust.json", NO_PINS, put)
    with pytest.raises(HomeError, match="cannot write"):
        await trust.change(lambda pins: pins.block(ADA))
    assert trust.pins == NO_PINS

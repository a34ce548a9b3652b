"""The stand-in that the cipher is measured against is one, and nothing else puts it in."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.protection import protect
from antsp2p.gossip.suite import NOISE
from antsp2p.runtime import host
from antsp2p.simulation.plain import PLAIN, PlainCipher
from tests.benchmarks.gossip import sealed
from tests.benchmarks.gossip.nodes.plain import unseal
from tests.benchmarks.gossip.rows import Options
from tests.benchmarks.gossip.systems import OURS, UNSEALED
from tests.runtime.test_host import running

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest


async def test_links_of_the_stand_in_seal_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What `unseal` does to the process is undone after the test.
    monkeypatch.setitem(vars(host), "protect", protect)
    unseal()
    async with running(tmp_path / "a") as first, running(tmp_path / "b", first) as second:
        assert first.protection.suite is second.protection.suite is PLAIN
        (link,) = second.node.gossip._parts.links.all()
        assert isinstance(link.session._cipher, PlainCipher)


async def test_any_other_node_seals(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as node:
        assert node.protection.suite is NOISE


def test_ratios_are_those_of_pairs_whose_order_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    # The machine is ten times slower in the second pair: of both, and the ratio stays.
    slow = {0: 1.0, 1: 10.0, 2: 1.0}

    def field(words: Sequence[object], venv: Path | None, apart: bool) -> dict[str, float]:
        _, name, _, _, number = words
        assert isinstance(name, str)
        assert isinstance(number, int)
        assert apart
        order.append(name)
        value = slow[number] * (1.1 if name == OURS else 1.0)
        return {"last_ms": value, "median_ms": value, "bytes_per_s": 2 * value,
                "cpu_percent": 3 * value, "coverage": 1.0}

    monkeypatch.setattr(sealed, "field", field)
    monkeypatch.setattr(sealed, "why_not", lambda: "")
    rows = sealed.run(Options(nodes=(50,), runs=3))
    assert order == [OURS, UNSEALED, UNSEALED, OURS, OURS, UNSEALED]
    ratios = [row for row in rows if row.what.endswith("sealed / plain")]
    assert [row.runs for row in ratios] == [(1.1, 1.1, 1.1)] * 4
    assert [row.met for row in ratios] == [True, True, True, None]
    few = sealed.run(Options(nodes=(4,), runs=1))
    assert {row.met for row in few} == {None}

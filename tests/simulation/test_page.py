from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from antsp2p.simulation.chart import Axis, Line, bar_chart, line_chart, number_text
from antsp2p.simulation.page import render_page, table_rows


def report(nodes: int, p99: float = 3.0) -> dict[str, Any]:
    return {
        "nodes": nodes, "coverage": 1.0, "copies_per_node": 1.02, "trace_hash": "ab",
        "latency_ms": {"p50": 1.0, "p99": p99, "max": 9.0}, "bytes_per_node_and_record": 400.5,
        "bytes_by_message": {"<news>": 30_000, "ping": 10},
        "curves": {
            "coverage": [(0.1, 0.0), (1.0, 0.5), (9.0, 1.0)], "copies": [1.0, 1.1],
            "slowest_ms": [8.0, 9.0],
        },
    }


def test_the_page_needs_nothing_else_and_escapes_what_it_shows() -> None:
    page = render_page("simulate <b>&", [report(10), report(1_000, 5.0)])
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "simulate &lt;b&gt;&amp;" in page
    assert "&lt;news&gt;" in page
    assert "<news>" not in page
    assert page.count("<svg") == 8
    for title in ("Coverage over time", "Copies, record by record",
                  "Latency against the number of nodes", "Bytes sent per node, by message"):
        assert title in page


def test_one_run_has_no_curves_over_nodes_and_a_run_with_tasks_has_its_table() -> None:
    assert "Against the number of nodes" not in render_page("x", [report(10)])
    page = render_page("x", [{"nodes": 3, "tasks_done": 4, "latency_ms": {"p50": 1.0}}])
    assert "tasks done" in page
    assert "<svg" not in page


def test_the_table_has_a_column_for_each_run_and_leaves_out_what_is_no_figure() -> None:
    rows = dict(table_rows([report(10), {**report(20), "only here": 7}]))
    assert rows["nodes"] == ["10", "20"]
    assert rows["latency ms p99"] == ["3", "3"]
    assert rows["only here"] == ["", "7"]
    assert "trace hash" not in rows
    assert not any(name.startswith(("curves", "bytes by message")) for name in rows)


@pytest.mark.parametrize(("x_log", "y_log"), [(False, False), (True, False), (True, True)])
def test_every_point_of_a_curve_is_inside_the_chart(x_log: bool, y_log: bool) -> None:
    points = [(0.0, 0.0), (1.0, 3.0), (250.0, 17.0), (99_999.0, 1e6)]
    chart = line_chart("t", [Line("a<", points)], Axis("x", x_log), Axis("y", y_log))
    root = ET.fromstring(chart)
    circles = [element for element in root.iter() if element.tag.endswith("circle")]
    assert len(circles) == len(points)
    for circle in circles:
        assert 70 <= float(circle.get("cx", "")) <= 660
        assert 40 <= float(circle.get("cy", "")) <= 288


@pytest.mark.parametrize("points", [[(1.0, 1.0)], [(0.0, 0.0)], [(5.0, 2.0), (5.0, 2.0)]])
def test_curves_without_extent_can_be_drawn(points: list[tuple[float, float]]) -> None:
    for is_log in (False, True):
        ET.fromstring(line_chart("t", [Line("a", points)], Axis("x", is_log), Axis("y", is_log)))


def test_charts_of_nothing_are_nothing() -> None:
    assert line_chart("t", [Line("a", [])], Axis("x"), Axis("y")) == ""
    assert bar_chart("t", [], "B") == ""
    ET.fromstring(bar_chart("t", [("a", 0.0)], "B"))


def test_numbers_are_short() -> None:
    texts = [number_text(value) for value in (0, 0.5, 12, 1234.5, 1e6)]
    assert texts == ["0", "0.5", "12", "1\u2009234", "1\u2009000\u2009000"]

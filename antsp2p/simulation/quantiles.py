"""Quantiles of what a run measured."""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def quantiles_ms(values_us: Sequence[int]) -> dict[str, float]:
    """Median, 99th percentile and maximum in milliseconds; zeros where there is nothing."""
    if not values_us:
        return {"p50": 0.0, "p99": 0.0, "max": 0.0}
    ordered = sorted(values_us)
    last = len(ordered) - 1
    return {
        name: round(ordered[last * share // 100] / 1_000, 3)
        for name, share in (("p50", 50), ("p99", 99), ("max", 100))
    }

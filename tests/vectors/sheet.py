"""A sheet of cases: what was written, and what is expected, stated by hand."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from antsp2p.coordination.resolver import tie_break
from tests.vectors.common import Case, case, identity
from tests.vectors.pen import Pen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from antsp2p.records.record import Record

UNKNOWN = b"\xee" * 32


@dataclass
class Sheet:
    """Collects the cases of one group."""

    cases: list[Case] = field(default_factory=list)

    def add(
        self, name: str, why: str, pen: Pen, task: Record | None, state: str = "open",
        holder: Record | None = None, rule: str = "no-claim", *, epoch: int = 0,
        settled: bool | None = None, convicted: Iterable[str] = (), alias_of: Record | None = None,
    ) -> None:
        """The set is what the pen wrote; `settled` follows from rule and state unless given."""
        is_settled = rule in ("end", "orphaned") or (rule == "award" and holder is not None)
        expected: dict[str, Any] | None = None
        if task in pen.records and task is not None:
            expected = {
                "state": state, "epoch": epoch, "holder": None if holder is None else holder.id,
                "rule": rule, "settled": is_settled if settled is None else settled,
                "alias_of": None if alias_of is None else alias_of.id,
            }
        self.cases.append(case(
            name, why, task=UNKNOWN if task is None else task.id,
            records=[record.wire for record in pen.records],
            convicted=[identity(who).author for who in convicted], expected=expected,
        ))


def by_tie(task: Record, epoch: int, *names: str) -> list[str]:
    """The names, the winner of the tie-break first."""
    return sorted(names, key=lambda who: tie_break(task.id, epoch, identity(who).author))


def start(*names: str, **terms: Any) -> tuple[Pen, Record, list[Record]]:
    """An offer, and concurrent claims of epoch 0."""
    pen = Pen()
    task = pen.offer(**terms)
    return pen, task, [pen.claim(who, task) for who in names]

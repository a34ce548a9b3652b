"""Rivals: who else could do a task, how busy they are, and which place we have among them.

Law: an estimate that only makes conflicts rare, made of what the fold says; nobody is bound by it.
"""
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.rendezvous import rank
from antsp2p.coordination.state import State

if TYPE_CHECKING:
    from antsp2p.coordination.body import Offer
    from antsp2p.coordination.capability import CapabilityFold
    from antsp2p.coordination.judgement import Judgement
    from antsp2p.coordination.tasks import Resolution
    from antsp2p.records.record import Record

MAX_RANK: Final = 25
"""The last rank that waits longer: providers that are gone, or never were, cost a second."""


class Rivals:
    """The other providers, as `me` sees them."""

    def __init__(self, me: bytes, capabilities: CapabilityFold, judgement: Judgement) -> None:
        self._me = me
        self._capabilities = capabilities
        self._judgement = judgement
        self._engaged: dict[bytes, tuple[bytes, str]] = {}
        self._load: Counter[tuple[bytes, str]] = Counter()

    def engage(
        self, task: bytes, resolution: Resolution | None, offered: tuple[Record, Offer] | None
    ) -> None:
        """Bring up to date who is busy with `task`."""
        before = self._engaged.pop(task, None)
        if before is not None:
            self._load[before] -= 1
            if not self._load[before]:
                del self._load[before]
        if (
            resolution is not None and offered is not None and resolution.holder is not None
            and resolution.state in (State.CLAIMED, State.WORKING)
        ):
            key = (resolution.holder.author, offered[1].capability)
            self._engaged[task] = key
            self._load[key] += 1

    def held(self, capability: str) -> list[bytes]:
        """The tasks of this kind with which somebody is busy, the longest unchanged first."""
        return [task for task, (_, wanted) in self._engaged.items() if wanted == capability]

    def place(self, task: bytes, epoch: int, capability: str, free_slots: int) -> int:
        """Our place among all who could do it now, by their free slots; 0 is the first."""
        rivals = [
            (author, announce.slots - self._load[author, capability])
            for author, announce in self._capabilities.providers(capability)
            if author != self._me and self._judgement.counts(author, capability)
        ]
        return min(rank(task, epoch, self._me, rivals, free_slots), MAX_RANK)

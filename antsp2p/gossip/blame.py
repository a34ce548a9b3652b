"""Blame: how many wrong signatures, and how much that is of no use, a link may bring.

Law: of signatures only what the sender itself must have checked counts. Every wrong one costs a
check, so the number is small; a damaged datagram now and then is forgiven. What is of no use is no
fault, only its rate is: no honest peer comes near it, and whoever does takes the core from others.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from antsp2p.gossip.bucket import Bucket

if TYPE_CHECKING:
    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link


@dataclass(slots=True, eq=False)
class _Account:
    count: int
    since_us: int
    vain: Bucket


class Blame:
    """One account per link."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._accounts: dict[int, _Account] = {}

    def opened(self, link: Link, now_us: int) -> None:
        vain = Bucket(self._limits.vain_per_s, self._limits.vain_burst, now_us)
        self._accounts[link.id] = _Account(0, now_us, vain)

    def closed(self, link: Link) -> None:
        self._accounts.pop(link.id, None)

    def add(self, link: Link, now_us: int) -> bool:
        """One more wrong signature. Returns whether the link is to be cut."""
        account = self._accounts.get(link.id)
        if account is None:
            return False
        account.count = self.count(link, now_us) + 1
        return account.count > self._limits.bad_signatures

    def count(self, link: Link, now_us: int) -> int:
        """Wrong signatures that are not forgiven yet."""
        account = self._accounts.get(link.id)
        if account is None:
            return 0
        forgiven = (now_us - account.since_us) // self._limits.bad_signature_forgiven_us
        account.since_us += forgiven * self._limits.bad_signature_forgiven_us
        account.count = max(0, account.count - forgiven)
        return account.count

    def vain(self, link: Link, now_us: int) -> bool:
        """One more datagram that brought nothing new. Returns whether the link is to be cut."""
        account = self._accounts.get(link.id)
        return account is not None and not account.vain.take(1, now_us)

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"blame": len(self._accounts)}

"""What this node says of its own key: in the first announcement of its log, and nowhere else.

Law: said once, since only the first announcement counts. A log that would begin with anything but
an announcement begins with one that says only this.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from antsp2p.coordination.body import IDENTITY_NAME, Announce

if TYPE_CHECKING:
    from antsp2p.coordination.body import Body


@dataclass(frozen=True, slots=True)
class Profile:
    """`recovery`: the digest of the recovery key; `work`: the nonce that the network asks for."""

    recovery: bytes = b""
    work: int | None = None

    @property
    def is_empty(self) -> bool:
        return not self.recovery and self.work is None

    def on(self, announce: Announce) -> Announce:
        """The announcement, and what is to be said in the first one."""
        return replace(announce, recovery=self.recovery, work=self.work)

    def bodies(self, body: Body, *, has_announced: bool, is_first: bool) -> tuple[Body, ...]:
        """What to sign for `body`, in order."""
        if self.is_empty or has_announced:
            return (body,)
        if isinstance(body, Announce):
            return (self.on(body),)
        opening = self.on(Announce(IDENTITY_NAME, slots=0, withdrawn=True))
        return (opening, body) if is_first else (body,)

"""The change of a network's secret while links are up: who has shown the newest, who is told it.

Law: a secret is told only on links that were opened with a secret that is still good, and until
the peer has shown that it has it. It is used here only after it was kept. Once the one before is
no longer good, a link whose peer has not shown the newest is closed.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.bucket import Bucket
from antsp2p.gossip.limits import MAX_OVERLAP_MS, MILLISECOND_US
from antsp2p.gossip.network_keys import NetworkKey
from antsp2p.gossip.outputs import SecretLearned
from antsp2p.gossip.wire import Secret

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link
    from antsp2p.gossip.network_keys import KeyRing
    from antsp2p.gossip.outputs import Output
    from antsp2p.gossip.wire import Frame


class Rotation:
    """`keys` are the node's; they change here."""

    def __init__(
        self,
        *,
        keys: KeyRing,
        limits: Limits,
        now_us: int,
        drops: Counter[str],
        post: Callable[[Link, Frame], None],
        tell: Callable[[Output], None],
    ) -> None:
        self._keys = keys
        self._check_keys()
        self._limits = limits
        self._drops = drops
        self._post = post
        self._tell = tell
        self._until_us = now_us
        """When the secret before the newest ends."""
        self._shown: set[int] = set()
        """Links whose peer has shown the newest secret."""
        self._learned: tuple[NetworkKey, int] | None = None
        """The secret that is being kept, and since when: others tell it meanwhile."""
        self._learning = Bucket(limits.secrets_per_s, limits.secrets_burst, now_us)

    def _check_keys(self) -> None:
        """Whoever holds an invitation may talk about joining, at a door with keys of its own."""
        is_door = len(self._keys.members()) < len(self._keys.all())
        assert not is_door, "an invitation opens no link"

    @property
    def generation(self) -> int:
        """Of the newest secret; 0 where there is none."""
        newest = self._keys.newest()
        return 0 if newest is None else newest.source.generation

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"shown": len(self._shown)}

    def opened(self, link: Link, now_us: int) -> None:
        newest = self._keys.newest()
        if newest is not None and link.key_id == newest.id:
            self._shown.add(link.id)
        self.remind(link, now_us)

    def closed(self, link: Link) -> None:
        self._shown.discard(link.id)

    def remind(self, link: Link, now_us: int) -> None:
        """Tell the peer the newest secret, if it may know it and has not shown that it does."""
        newest = self._keys.newest()
        if (
            newest is not None and link.id not in self._shown
            and self._keys.by_id(link.key_id) is not None
        ):
            self._say(link, newest.source, now_us, is_known=False)

    def _say(self, link: Link, key: NetworkKey, now_us: int, *, is_known: bool) -> None:
        left_ms = max(0, self._until_us - now_us) // MILLISECOND_US
        self._post(link, Secret(key.generation, key.secret, left_ms, int(is_known)))

    def told(self, link: Link, told: Secret, now_us: int) -> None:
        """The peer says which secret is the newest."""
        newest = self._keys.newest()
        if newest is None or self._keys.by_id(link.key_id) is None:
            self._drops["secret-key"] += 1
            return
        key = NetworkKey(told.secret, generation=told.generation)
        if key == newest.source:
            self._shown.add(link.id)
            if not told.is_known:
                self._say(link, key, now_us, is_known=True)
        elif not key.is_later_than(newest.source):
            # What is newer here is told by `remind`, again and again.
            self._drops["secret-old"] += 1
        elif told.generation - newest.source.generation > self._limits.secret_step:
            self._drops["secret-step"] += 1
        elif self._learned is not None and self._is_being_kept(key, *self._learned, now_us):
            return
        elif not self._learning.take(1, now_us):
            self._drops["secret-rate"] += 1
        else:
            self._learned = key, now_us
            self._tell(SecretLearned(link.author, told.generation, told.secret, told.overlap_ms))

    def _is_being_kept(
        self, key: NetworkKey, learned: NetworkKey, since_us: int, now_us: int
    ) -> bool:
        return key == learned and now_us - since_us < self._limits.secret_kept_us

    def changed(
        self, keys: tuple[NetworkKey, ...], overlap_ms: int, links: Iterable[Link], now_us: int
    ) -> list[Link]:
        """These secrets are good from now on; the links that are to be closed for that."""
        before = self._keys.newest()
        self._keys.set(keys)
        self._check_keys()
        self._until_us = now_us + min(overlap_ms, MAX_OVERLAP_MS) * MILLISECOND_US
        newest = self._keys.newest()
        if before is None or newest is None or newest.id != before.id:
            self._shown = {
                link.id for link in links if newest is not None and link.key_id == newest.id}
        ended = []
        for link in links:
            if link.id not in self._shown and self._keys.by_id(link.key_id) is None:
                ended.append(link)
            else:
                self.remind(link, now_us)
        return ended

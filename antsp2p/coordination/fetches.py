"""Fetches: the contents of one task's results, where they are blobs.

Law: it is said what to fetch and when to try again; nothing is fetched here, and whether a result
is good is decided elsewhere.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from antsp2p.coordination.body import BlobRef

FETCH_TRIES: Final = 4
"""A worker that restarts, or a requester that has just come back, is not a worker that lies."""
FETCH_RETRY_US: Final = 1_000_000
"""Before the second try; each later one waits as much longer."""


@dataclass(slots=True)
class _Fetch:
    """The content of one result: under way, here, or why it is not to be had from its worker."""

    blob: BlobRef
    is_here: bool = False
    missing_because: str = ""
    tries: int = 1
    retry_us: int | None = None
    """When to try again; None while it is under way, and when that is over."""

    @property
    def is_under_way(self) -> bool:
        return not self.is_here and not self.missing_because and self.retry_us is None


class Fetches:
    """By the id of the result whose content is a blob."""

    def __init__(self) -> None:
        self._by_result: dict[bytes, _Fetch] = {}

    def begin(self, result: bytes, blob: BlobRef, now_us: int) -> bool:
        """Whether the content is to be fetched now; then that counts as a try."""
        fetch = self._by_result.get(result)
        if fetch is None:
            self._by_result[result] = _Fetch(blob)
            return True
        if fetch.retry_us is None or now_us < fetch.retry_us:
            return False
        fetch.tries, fetch.retry_us = fetch.tries + 1, None
        return True

    def retry_us(self, result: bytes) -> int | None:
        """When to try again to have the content of a result."""
        fetch = self._by_result.get(result)
        return None if fetch is None else fetch.retry_us

    def done(self, hash_: bytes, missing_because: str, now_us: int) -> list[int | None]:
        """The content of that hash is here, or is not to be had; for each result that waited for
        it, when to try again, or None where that is over."""
        retries_us: list[int | None] = []
        for fetch in self._by_result.values():
            if fetch.blob.hash != hash_ or not fetch.is_under_way:
                continue
            if missing_because and fetch.tries < FETCH_TRIES:
                fetch.retry_us = now_us + fetch.tries * FETCH_RETRY_US
            else:
                fetch.is_here = not missing_because
                fetch.missing_because = missing_because
            retries_us.append(fetch.retry_us)
        return retries_us

    def is_here(self, result: bytes) -> bool:
        """Whether the content of the result has come."""
        fetch = self._by_result.get(result)
        return fetch is not None and fetch.is_here

    def is_missing(self, result: bytes) -> bool:
        """Whether the content of the result is not to be had from its worker."""
        fetch = self._by_result.get(result)
        return fetch is not None and bool(fetch.missing_because)

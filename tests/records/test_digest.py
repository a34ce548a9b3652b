"""The digest by itself: shelves, the numbers of changes, and what stands below a prefix."""
from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from antsp2p.records.digest import Digest, Leaf
from antsp2p.records.log import LogSet
from antsp2p.records.record import NO_PREV
from tests.records.chains import NETWORK, CountingVerify, chain, identity

if TYPE_CHECKING:
    from collections.abc import Sequence

_AUTHORS = [bytes((high, low)) + bytes(30) for high in (0, 1, 16, 255) for low in (0, 1, 17, 255)]
_HISTORIES = st.lists(st.tuples(st.sampled_from(_AUTHORS), st.integers(0, 3)), max_size=60)
"""Authors and the seqs of their leaves, one after the other; 0: there is none any more."""


class Written:
    """A digest, with all that was ever done to it."""

    def __init__(self, history: Sequence[tuple[bytes, int]]) -> None:
        self.leaves: dict[bytes, Leaf] = {}
        self.digest = Digest(self.leaves.get)
        self.order: list[bytes] = []
        for author, seq in history:
            self.change(author, seq)

    def change(self, author: bytes, seq: int) -> None:
        if seq:
            self.leaves[author] = Leaf(author, seq, hashlib.sha256(author).digest(), 0)
            self.digest.put(author)
            self.order.append(author)
        elif self.leaves.pop(author, None) is not None:
            self.digest.drop(author)
            self.order.append(author)


@given(_HISTORIES)
def test_the_root_depends_on_the_leaves_and_not_on_their_history(
    history: list[tuple[bytes, int]],
) -> None:
    written = Written(history)
    again = Written([(leaf.author, leaf.seq) for leaf in sorted(
        written.leaves.values(), key=lambda leaf: leaf.head)])
    assert written.digest.root() == again.digest.root()
    assert tuple(written.digest.authors()) == tuple(sorted(written.leaves))
    assert len(written.digest) == len(written.leaves)


@given(_HISTORIES)
def test_asking_between_changes_changes_nothing(history: list[tuple[bytes, int]]) -> None:
    asked, plain = Written(()), Written(history)
    for author, seq in history:
        asked.change(author, seq)
        asked.digest.root()
        asked.digest.content("010")
    assert asked.digest.root() == plain.digest.root()


@given(_HISTORIES, st.integers(0, 60))
def test_changes_name_whoever_changed_since_once_and_in_order(
    history: list[tuple[bytes, int]], cursor: int,
) -> None:
    written = Written(history)
    digest = written.digest
    assert digest.number == len(written.order)
    cursor = min(cursor, digest.number)
    since = written.order[cursor:]
    latest = {author: number for number, author in enumerate(written.order, 1)}
    expected = sorted((latest[author], author) for author in set(since) if author in written.leaves)
    assert list(digest.changes(cursor)) == expected


def test_the_table_of_changes_stays_as_small_as_the_set() -> None:
    written = Written(())
    for number in range(5_000):
        written.change(_AUTHORS[number % 7], 1 + number)
    assert len(written.digest._change_numbers) <= 2 * 7 + 64
    assert [author for _, author in written.digest.changes(4_999)] == [written.order[-1]]
    assert len(list(written.digest.changes(0))) == 7


@given(_HISTORIES, st.text("01f", max_size=6))
def test_below_a_prefix_stand_the_authors_that_begin_with_it(
    history: list[tuple[bytes, int]], prefix: str,
) -> None:
    written = Written(history)
    expected = [author for author in sorted(written.leaves) if author.hex().startswith(prefix)]
    assert list(written.digest.below(prefix)) == expected
    assert written.digest.count(prefix) == len(expected)
    assert written.digest.contents(prefix) == [
        written.digest.content(prefix + digit) for digit in "0123456789abcdef"
    ]
    if len(prefix) > 2:
        content = b"".join(written.leaves[author].wire for author in expected)
        assert written.digest.content(prefix) == content


# --- the veil ------------------------------------------------------------------------------------


def test_what_may_not_be_shown_is_in_no_leaf() -> None:
    author, records = identity().author, chain(4)
    shown, whole = LogSet(NETWORK, CountingVerify()), LogSet(NETWORK, CountingVerify())
    shown.insert(records[:2])
    whole.veil(author, 0)
    empty = whole.digest.root()
    whole.insert(records)
    assert (whole.leaf(author), whole.digest.root(), whole.digest.number) == (None, empty, 0)
    assert whole.authors() == (author,)
    assert whole.root() not in (empty, shown.root())
    whole.veil(author, 2)
    assert whole.leaf(author) == shown.leaf(author) == Leaf(author, 2, records[1].id, 0)
    assert whole.digest.root() == shown.digest.root() == shown.root()
    assert whole.root() != shown.root()
    whole.veil(author, 4)
    shown.insert(records[2:])
    assert whole.root() == whole.digest.root() == shown.root()
    assert list(whole.records()) == list(shown.records())


def test_own_records_that_are_taken_back_leave_no_trace() -> None:
    author, records = identity().author, chain(3)
    logs = LogSet(NETWORK, CountingVerify())
    logs.veil(author, 0)
    logs.insert(records)
    logs.truncate_own(author, 1)
    assert (logs.digest.number, len(logs.digest), logs.authors()) == (0, 0, ())
    logs.insert(records[:1])
    logs.veil(author, 1)
    assert logs.leaf(author) == Leaf(author, 1, records[0].id, 0)
    assert list(logs.digest.changes(0)) == [(1, author)]


def test_records_that_wait_change_no_leaf() -> None:
    records = chain(4)
    logs = LogSet(NETWORK, CountingVerify())
    logs.insert(records[2:])
    assert (logs.digest.number, logs.leaves()) == (0, ())
    logs.insert(records[:2])
    assert logs.digest.number == 1
    logs.insert(records[:3])
    assert logs.digest.number == 1
    assert logs.leaf(identity().author) == Leaf(identity().author, 4, records[3].id, 0)
    assert NO_PREV not in {leaf.head for leaf in logs.leaves()}

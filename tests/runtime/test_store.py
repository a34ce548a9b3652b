"""What was committed is there again; what could not be written is not half there."""
from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from antsp2p.events import AppendRecord, RemoveRecords, SaveAddress, SaveAnswer, SaveProof
from antsp2p.records.fork import make_proof
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.runtime import limits
from antsp2p.runtime.store import SCHEMA_VERSION, Store, StoreError, StoreFull

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from antsp2p.runtime.store import Saved

NETWORK = bytes(16)
ALICE, BOB = sorted(
    (Identity.from_seed(bytes([n]) * 32) for n in (1, 2)), key=lambda identity: identity.author
)


def chain(identity: Identity, count: int, *, mark: int = 0) -> list[Record]:
    records: list[Record] = []
    prev = NO_PREV
    for seq in range(1, count + 1):
        record = sign_record(
            identity, network=NETWORK, seq=seq, prev=prev, type=10, body={1: mark}, claimed_ms=0
        )
        records.append(record)
        prev = record.id
    return records


def appends(records: list[Record], *, age_ms: int = 0, own: bool = False) -> list[AppendRecord]:
    return [AppendRecord(record, age_ms, own) for record in records]


def held(path: Path) -> list[tuple[bytes, int]]:
    store = Store(path)
    pairs = [(stored.record.author, stored.record.seq) for stored in store.records()]
    store.close()
    return pairs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_records_come_back_by_author_and_seq(path: Path) -> None:
    store = Store(path)
    bobs, alices = chain(BOB, 3), chain(ALICE, 2)
    store.commit([*appends(bobs), *appends(alices, own=True)])
    store.close()
    store = Store(path)
    loaded = list(store.records())
    assert [stored.record.id for stored in loaded] == [record.id for record in [*alices, *bobs]]
    assert [stored.record.wire for stored in loaded] == [record.wire for record in [*alices, *bobs]]
    store.close()


def test_a_record_grows_older_while_nobody_runs(path: Path) -> None:
    clock = [1_000_000]
    store = Store(path, wall_ms=lambda: clock[0])
    store.commit(appends(chain(ALICE, 1), age_ms=70))
    for now_ms, age_ms in [(1_000_000, 70), (1_005_000, 5_070), (900_000, 70)]:
        clock[0] = now_ms
        assert [stored.age_ms for stored in store.records()] == [age_ms]
    store.close()


def test_a_batch_is_carried_out_in_its_order_and_twice_does_no_harm(path: Path) -> None:
    store = Store(path)
    old, new = chain(ALICE, 4), chain(ALICE, 4, mark=1)
    batch: list[Saved] = [*appends(old), RemoveRecords(ALICE.author, 2), *appends(new[1:3])]
    for _ in range(2):
        store.commit(batch)
        assert [stored.record.id for stored in store.records()] == [
            old[0].id, new[1].id, new[2].id,
        ]
    store.close()


def test_only_what_others_cannot_give_back_waits_for_the_disk(path: Path) -> None:
    statements: list[str] = []
    store = Store(path)
    store._connection.set_trace_callback(statements.append)
    store.commit(appends(chain(BOB, 1)))
    store.commit([*appends(chain(BOB, 2)), *appends(chain(ALICE, 1), own=True)])
    store.commit([SaveAddress(BOB.author, ("192.0.2.1", 1))])
    store.commit([RemoveRecords(BOB.author, 2)])
    store.keep_facts(boot=1)
    assert [text.split("=")[1] for text in statements if "synchronous" in text] == [
        "NORMAL", "FULL", "NORMAL", "FULL", "FULL",
    ]
    assert [text for text in statements if text in ("BEGIN IMMEDIATE", "COMMIT")] == [
        "BEGIN IMMEDIATE", "COMMIT",
    ] * 5
    store.close()


def test_a_proof_is_kept_one_an_author(path: Path) -> None:
    store = Store(path)
    left, right = chain(ALICE, 2), chain(ALICE, 2, mark=1)
    high = make_proof(ALICE.author, 2, tuple(left[1:]), tuple(right[1:]))
    low = make_proof(ALICE.author, 1, tuple(left[:1]), tuple(right[:1]))
    store.commit([SaveProof(high), SaveProof(low)])
    store.close()
    store = Store(path)
    (proof,) = store.load().proofs
    assert proof.id == low.id
    store.close()


def test_addresses_are_bounded_and_the_latest_come_first(path: Path) -> None:
    clock = [0]
    store = Store(path, wall_ms=lambda: clock[0])
    for number in range(limits.REMEMBERED_ADDRESSES + 20):
        clock[0] += 1
        store.commit([SaveAddress(ALICE.author, ("192.0.2.1", 1_000 + number))])
    clock[0] += 1
    store.commit([SaveAddress(BOB.author, ("fe80::1%3", 1_100))])
    addresses = store.load().addresses
    assert len(addresses) == limits.REMEMBERED_ADDRESSES
    assert addresses[0] == ("fe80::1%3", 1_100)
    assert addresses[1] == ("192.0.2.1", 1_000 + limits.REMEMBERED_ADDRESSES + 19)
    store.close()


def test_answers_are_kept_until_they_may_go(path: Path) -> None:
    store = Store(path)
    store.commit([SaveAnswer(b"t" * 32, b"a" * 32), SaveAnswer(b"u" * 32, b"b" * 32)])
    store.keep_facts(boot=1)
    store.close()
    store = Store(path)
    assert store.load().answers == ((b"t" * 32, b"a" * 32), (b"u" * 32, b"b" * 32))
    store.commit([SaveAnswer(b"t" * 32, b""), SaveAnswer(b"x" * 32, b"")])
    assert store.load().answers == ((b"u" * 32, b"b" * 32),)
    assert store.fact("boot") == 1
    store.close()


def test_facts_are_kept(path: Path) -> None:
    store = Store(path)
    assert store.fact("boot") is None
    store.keep_facts(boot=1, author=ALICE.author)
    store.keep_facts(boot=2)
    store.close()
    store = Store(path)
    assert (store.fact("boot"), store.fact("author")) == (2, ALICE.author)
    store.close()


def test_a_newer_store_is_refused_and_left_alone(path: Path) -> None:
    store = Store(path)
    store.commit(appends(chain(ALICE, 1)))
    store.close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="written by a newer antsp2p") as refusal:
        Store(path)
    assert "\n" not in str(refusal.value)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["store.db"]


def test_what_is_no_store_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"these are not the pages you are looking for" * 100)
    with pytest.raises(StoreError, match=r"store\.db: file is not a database"):
        Store(path)
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs(x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not an antsp2p store"):
        Store(path)
    assert path.read_bytes() == before


def test_a_damaged_row_names_the_file(path: Path) -> None:
    store = Store(path)
    store.commit(appends(chain(ALICE, 2)))
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE records SET wire = zeroblob(200) WHERE seq = 2")
    connection.commit()
    connection.close()
    store = Store(path)
    with pytest.raises(StoreError, match=r"store\.db is damaged \(record at seq 2: outer\)"):
        list(store.records())
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, which only root can mount."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def limit_pages(store: Store, pages: int) -> None:
    """As a full disk does, but on any machine."""
    store._connection.execute(f"PRAGMA max_page_count={pages}")


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4_096))
        except OSError:
            return


def test_a_full_disk_loses_nothing_and_the_batch_can_be_tried_again(small_disk: Path) -> None:
    path = small_disk / "store.db"
    store = Store(path)
    records = chain(ALICE, 800)
    store.commit(appends(records[:200]))
    fill(small_disk / "ballast")
    for _ in range(3):
        with pytest.raises(StoreFull, match="disk is full"):
            store.commit([*appends(records[200:]), SaveAddress(BOB.author, ("192.0.2.1", 1))])
    assert len(list(store.records())) == 200
    (small_disk / "ballast").unlink()
    store.commit([*appends(records[200:]), SaveAddress(BOB.author, ("192.0.2.1", 1))])
    store.close()
    assert held(path) == [(ALICE.author, seq) for seq in range(1, 801)]


def test_a_full_disk_at_the_start_is_one_line(small_disk: Path) -> None:
    fill(small_disk / "ballast")
    with pytest.raises(StoreFull, match="disk is full") as refusal:
        Store(small_disk / "store.db")
    assert "\n" not in str(refusal.value)
    (small_disk / "ballast").unlink()
    Store(small_disk / "store.db").close()


def test_no_room_without_a_small_disk_behaves_the_same(path: Path) -> None:
    store = Store(path)
    records = chain(ALICE, 400)
    store.commit(appends(records[:10]))
    limit_pages(store, 20)
    with pytest.raises(StoreFull):
        store.commit(appends(records[10:]))
    limit_pages(store, 1 << 20)
    store.commit(appends(records[10:]))
    store.close()
    assert len(held(path)) == 400


def test_a_killed_writer_leaves_whole_batches(path: Path) -> None:
    """The child commits batches of three until it is killed in the middle of one."""
    code = (
        "import sys, pathlib\n"
        "from tests.runtime.test_store import ALICE, appends, chain\n"
        "from antsp2p.runtime.store import Store\n"
        "store, records = Store(pathlib.Path(sys.argv[1])), chain(ALICE, 3_000)\n"
        "for first in range(0, 3_000, 3):\n"
        "    store.commit(appends(records[first : first + 3]))\n"
        "    print(first + 3, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    told = 0
    with child.stdout as lines:
        for line in lines:
            if line.endswith("\n"):
                told = int(line)
            if told == 60:
                child.kill()
    child.wait()
    assert told >= 60
    pairs = held(path)
    assert len(pairs) >= told
    assert len(pairs) % 3 == 0
    assert pairs == [(ALICE.author, seq) for seq in range(1, len(pairs) + 1)]

"""Signatures checked ahead by a real process, and without it."""
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from antsp2p.records import keys
from antsp2p.runtime import ahead, limits
from antsp2p.runtime.ahead import Ahead
from antsp2p.runtime.checker import BAD, GOOD, OPEN, SKIPPED, TAKEN, answer, questions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from antsp2p.records.keys import Check

AUTHOR = keys.Identity.from_seed(bytes(32))


def check(number: int, *, good: bool = True) -> Check:
    message = b"message %d" % number
    return AUTHOR.author, AUTHOR.sign(message if good else b"another"), message


@pytest.fixture
def checking(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ahead, list[str]]]:
    monkeypatch.setattr(ahead, "_cores", lambda: 2)
    # No answer is given up, however busy the machine is.
    monkeypatch.setattr(limits, "AHEAD_LOOKS", -1)
    warnings: list[str] = []
    subject = Ahead(warnings.append)
    yield subject, warnings
    subject.close()


def wait_until_answered(subject: Ahead) -> None:
    """Return when the other process is done with all that it was asked."""
    checker = subject._checker
    assert checker is not None
    while not checker._write() or any(
        checker._answers[slot] < SKIPPED
        for slot, asked in enumerate(checker._asked) if asked is not None
    ):
        pass


def test_answers_are_those_of_the_check_itself(
    checking: tuple[Ahead, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, warnings = checking
    checks = [check(number, good=number % 3 != 0) for number in range(40)]
    subject.foresee(checks)
    wait_until_answered(subject)
    on_the_spot: list[bytes] = []

    def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
        on_the_spot.append(message)
        return False

    monkeypatch.setattr(keys, "verify", verify)
    assert [subject.verify(*each) for each in checks] == [n % 3 != 0 for n in range(40)]
    assert on_the_spot == []
    assert warnings == []


@pytest.mark.parametrize("place", range(3))
def test_an_answer_counts_for_the_very_bytes_alone(
    checking: tuple[Ahead, list[str]], place: int
) -> None:
    subject, _ = checking
    checks = [check(number) for number in range(10)]
    subject.foresee(checks)
    wait_until_answered(subject)
    forged = list(checks[5])
    forged[place] = bytes((forged[place][0] ^ 1,)) + forged[place][1:]
    assert not subject.verify(*forged)
    assert subject.verify(*checks[5])


def test_more_than_all_slots_one_after_the_other(checking: tuple[Ahead, list[str]]) -> None:
    subject, _ = checking
    total = limits.AHEAD_SLOTS + 500
    for start in range(0, total, 100):
        checks = [check(number, good=number % 7 != 0) for number in range(start, start + 100)]
        subject.foresee(checks)
        # What nobody asks for must not stand in the way of what follows.
        for each in checks[start // 100 % 2 :: 2]:
            number = int(each[2].rpartition(b" ")[2])
            assert subject.verify(*each) == (number % 7 != 0)
    assert subject._checker is not None
    assert len(subject._checker._slots) <= limits.AHEAD_SLOTS


def test_few_signatures_are_not_worth_a_process(checking: tuple[Ahead, list[str]]) -> None:
    subject, _ = checking
    subject.foresee([check(number) for number in range(limits.AHEAD_CHECKS - 1)])
    assert subject._checker is None
    assert subject.verify(*check(0))


def test_nothing_is_handed_over_on_a_single_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_cores", lambda: 1)
    subject = Ahead(lambda text: None)
    subject.foresee([check(number) for number in range(20)])
    assert subject._checker is None


def test_a_process_that_was_killed_is_done_without(checking: tuple[Ahead, list[str]]) -> None:
    subject, warnings = checking
    checks = [check(number) for number in range(20)]
    subject.foresee(checks)
    assert subject._checker is not None
    subject._checker._process.kill()
    subject._checker._process.wait()
    subject.foresee([check(number) for number in range(20, 40)])
    assert len(warnings) == 1
    assert all(subject.verify(*each) for each in checks)
    subject.foresee(checks)
    assert subject._checker is None


def test_a_process_that_cannot_be_started_is_done_without(
    checking: tuple[Ahead, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, warnings = checking
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    subject.foresee([check(number) for number in range(20)])
    assert len(warnings) == 1
    assert subject.verify(*check(0))


def test_questions_may_come_in_pieces_and_be_taken_back() -> None:
    checks = [check(0), check(1, good=False), check(2)]
    asked = questions([3, 1, 2], checks)
    answers = bytearray((OPEN, OPEN, TAKEN, OPEN))
    left = b""
    for start in range(0, len(asked), 7):
        left = answer(left + asked[start : start + 7], answers)
    assert left == b""
    assert answers == bytes((OPEN, BAD, SKIPPED, GOOD))

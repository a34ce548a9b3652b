"""The bytes of a door: requests and answers are read as written, and nothing else is."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antsp2p.gossip.admission import (
    MAX_ADMISSION_BYTES,
    Admission,
    Refusal,
    door_id,
    door_key,
    door_protection,
    encode_answer,
    join_request,
    parse_answer,
    parse_join_request,
)
from antsp2p.gossip.limits import MAX_OVERLAP_MS
from antsp2p.gossip.network_keys import MAX_GENERATION
from antsp2p.gossip.stream_cipher import StreamAnswerer, StreamCaller
from antsp2p.records.encoding import Malformed, decode
from antsp2p.records.keys import Identity, verify
from tests.runtime.secured import member

SECRET, DOOR = bytes(range(16)), door_id(bytes(range(16)))
names = st.text(min_size=1, max_size=16).filter(lambda text: text.isprintable())
answers = st.one_of(
    st.sampled_from(Refusal),
    st.builds(Admission, names, st.binary(min_size=16, max_size=16), st.integers(0, 9)),
    st.builds(
        Admission, names, st.binary(min_size=16, max_size=16), st.integers(0, MAX_GENERATION),
        st.binary(min_size=32, max_size=32), st.integers(0, MAX_OVERLAP_MS),
    ),
)


@given(answers)
def test_an_answer_is_read_as_it_was_written(answer: Admission | Refusal) -> None:
    encoded = encode_answer(answer)
    assert len(encoded) <= MAX_ADMISSION_BYTES
    assert parse_answer(decode(encoded, MAX_ADMISSION_BYTES)) == answer


@pytest.mark.parametrize("takes", [False, True])
def test_a_request_is_read_as_it_was_written(takes: bool) -> None:
    assert parse_join_request(decode(join_request(DOOR, takes=takes), 128), DOOR) is takes


@pytest.mark.parametrize("message", [
    [1, DOOR, "join"], [1, DOOR, "join", 2], [1, DOOR, "join", True], [1, DOOR, "logs", 1],
    [1, bytes(16), "join", 1], [2, DOOR, "join", 1], [1, DOOR, "join", 1, 1], [1],
])
def test_anything_else_is_no_request(message: list[Any]) -> None:
    with pytest.raises(Malformed, match="request"):
        parse_join_request(message, DOOR)


@pytest.mark.parametrize("message", [
    [], [1], [2, 1], [True, 1], [1, 3], [1, True], [1, 0], [1, 0, "", bytes(16), 0],
    [1, 0, "x" * 65, bytes(16), 0],
    [1, 0, "x", bytes(15), 0], [1, 0, b"x", bytes(16), 0], [1, 0, "x", bytes(16)],
    [1, 0, "x", bytes(16), -1], [1, 0, "x", bytes(16), 0, bytes(32)],
    [1, 0, "x", bytes(16), 0, bytes(31), 0], [1, 0, "x", bytes(16), 0, bytes(32), -1],
    [1, 0, "x", bytes(16), 0, bytes(32), MAX_OVERLAP_MS + 1],
    [1, 1, "x", bytes(16), 0], [2, 0, "x", bytes(16), 0],
])
def test_anything_else_is_no_answer(message: list[Any]) -> None:
    with pytest.raises(Malformed, match="answer"):
        parse_answer(message)


def test_a_door_is_found_by_its_id_and_opens_with_its_secret_only() -> None:
    newcomer = Identity.from_seed(bytes(32))
    host = door_protection(Identity.from_seed(b"h" * 32), SECRET, lambda count: b"h" * count)
    caller = StreamCaller(
        door_protection(newcomer, SECRET, lambda count: b"n" * count), door_key(SECRET), verify)
    answerer = StreamAnswerer(member(b"n" * 16), verify, {DOOR: host}.get)
    last, _ = caller.answered(answerer.first(caller.first[2:])[2:])
    assert answerer.last(last[2:]).author == newcomer.author
    assert answerer.network == DOOR
    with pytest.raises(Malformed, match="network"):
        StreamAnswerer(member(b"n" * 16), verify).first(caller.first[2:])
    other = door_protection(newcomer, bytes(16), lambda count: b"n" * count)
    wrong = StreamCaller(other, door_key(SECRET), verify)
    with pytest.raises(Malformed):
        StreamAnswerer(member(b"n" * 16), verify, {door_id(bytes(16)): host}.get).first(
            wrong.first[2:])

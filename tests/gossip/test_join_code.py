"""Join codes: read back as written, however typed; and no wrong letter passes."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antsp2p.gossip.join_code import MAX_CODE_CHARACTERS, JoinCode, NotACode, read_code

hosts = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
codes = st.builds(
    JoinCode, st.binary(min_size=16, max_size=16), st.integers(1, 65_535),
    st.lists(hosts, max_size=3).map(tuple),
)
CODE = JoinCode(bytes(range(16)), 4700, ("192.0.2.7",))


@given(codes)
def test_a_code_is_read_as_it_was_written(code: JoinCode) -> None:
    assert read_code(code.text) == code
    assert len(code.text) <= MAX_CODE_CHARACTERS


@given(codes)
def test_a_code_is_read_however_it_is_typed(code: JoinCode) -> None:
    typed = code.text.upper().replace("0", "O").replace("1", "l")
    assert read_code("  " + typed.replace("-", " ") + "\n") == code
    assert read_code(code.text.replace("-", "")) == code


def test_a_usual_code_is_short() -> None:
    assert len(CODE.text.replace("-", "")) == 48


@given(codes, st.data())
def test_one_wrong_letter_is_noticed(code: JoinCode, data: st.DataObject) -> None:
    letters = code.text.replace("-", "")
    place = data.draw(st.integers(4, len(letters) - 1))
    others = [letter for letter in "0123456789abcdefghjkmnpqrstvwxyz" if letter != letters[place]]
    wrong = letters[:place] + data.draw(st.sampled_from(others)) + letters[place + 1 :]
    with pytest.raises(NotACode):
        read_code(wrong)


@given(codes, st.data())
def test_a_code_that_is_cut_off_is_noticed(code: JoinCode, data: st.DataObject) -> None:
    letters = code.text.replace("-", "")
    with pytest.raises(NotACode):
        read_code(letters[: data.draw(st.integers(0, len(letters) - 1))])


@given(st.text(max_size=300))
def test_any_text_is_a_code_or_none(text: str) -> None:
    for candidate in (text, "ants" + text):
        try:
            code = read_code(candidate)
        except NotACode:
            continue
        assert read_code(code.text) == code


@pytest.mark.parametrize("code", [
    JoinCode(bytes(15), 1), JoinCode(bytes(16), 0), JoinCode(bytes(16), 65_536),
    JoinCode(bytes(16), 1, ("192.0.2.1",) * 4), JoinCode(bytes(16), 1, ("host.example",)),
])
def test_what_cannot_be_a_code_is_not_written(code: JoinCode) -> None:
    with pytest.raises(ValueError, match=r"."):
        _ = code.text


def test_the_secret_is_not_shown() -> None:
    assert "secret" not in repr(CODE)

"""Keys in files: whatever is written comes back, whatever is changed is refused, within bounds."""
from __future__ import annotations

import base64
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antsp2p.records.encoding import encode
from antsp2p.runtime import key_file
from antsp2p.runtime.key_file import (
    HEAD,
    KeyFile,
    KeyFileError,
    Kind,
    WrongPassphrase,
    parse_key_file,
)

SEED, OTHER = b"s" * 32, KeyFile.of(Kind.RECOVERY, b"r" * 32)
QUICK = (4, 1, 1)
PLAIN = KeyFile.of(Kind.NODE, SEED, OTHER.public_key)
SEALED = PLAIN.seal(b"secret", QUICK)


@pytest.mark.parametrize("key", [PLAIN, SEALED, OTHER, OTHER.without_secret()])
def test_a_key_comes_back_as_it_was(key: KeyFile) -> None:
    content = key.encode()
    assert content.isascii()
    assert content.count(b"\n") == 1
    assert parse_key_file(content) == key


def test_a_seed_alone_is_a_nodes_key() -> None:
    assert parse_key_file(SEED) == KeyFile.of(Kind.NODE, SEED)


def test_a_sealed_key_opens_with_its_passphrase_alone() -> None:
    assert SEALED.open(b"secret") == PLAIN
    assert SEED not in SEALED.encode()
    assert b"c" * 40 not in repr(SEALED).encode()
    for wrong in (b"Secret", b"", b"secret "):
        with pytest.raises(WrongPassphrase):
            SEALED.open(wrong)
    with pytest.raises(KeyFileError, match="sealed with a passphrase"):
        SEALED.open(None)
    with pytest.raises(KeyFileError, match="moved away"):
        PLAIN.without_secret().open(b"secret")


def test_two_seals_of_one_key_share_nothing() -> None:
    again = PLAIN.seal(b"secret", QUICK)
    assert again.sealed is not None
    assert SEALED.sealed is not None
    assert again.sealed.salt != SEALED.sealed.salt
    assert again.sealed.content != SEALED.sealed.content


def test_the_default_is_within_the_bounds() -> None:
    assert key_file._is_bounded(list(key_file.DEFAULT_SCRYPT))


@given(st.integers(0, 10_000), st.integers(1, 255), st.sampled_from([PLAIN, SEALED, OTHER]))
def test_a_changed_byte_never_gives_another_key(place: int, flip: int, key: KeyFile) -> None:
    content = bytearray(key.encode())
    content[place % len(content)] ^= flip
    try:
        found = parse_key_file(bytes(content))
        if found.sealed is not None and found.sealed.scrypt != QUICK:
            return  # It is bounded, and not worth the time here.
        seed = found.open(b"secret").seed
    except KeyFileError:
        return
    assert seed == key.open(b"secret").seed


@given(st.binary(max_size=1_200))
def test_any_bytes_are_a_key_or_refused(content: bytes) -> None:
    for each in (content, HEAD + base64.urlsafe_b64encode(content)):
        with contextlib.suppress(KeyFileError):
            parse_key_file(each)


def written(scrypt: Any) -> bytes:
    told = {0: 0, 1: PLAIN.public_key, 4: scrypt, 5: bytes(16), 6: bytes(12), 7: bytes(48)}
    return HEAD + base64.urlsafe_b64encode(encode(told))


@pytest.mark.parametrize("scrypt", [
    [22, 1, 1], [63, 1, 1], [-1, 8, 1], [3, 8, 1], [17, 0, 1], [17, 8, 0], [17, 17, 1], [14, 8, 65],
    [4, 1, 1 << 40], [4, 1 << 40, 1], [17, 8], [17, 8, 1, 1], [17, 8, True], [17, 8, b"1"], 17, {},
])
def test_a_file_cannot_ask_for_more_than_the_bounds(scrypt: Any) -> None:
    with pytest.raises(KeyFileError):
        parse_key_file(written(scrypt))


@pytest.mark.parametrize("scrypt", [[17, 8, 1], [4, 1, 1], [18, 7, 1], [14, 8, 8]])
def test_a_file_may_ask_for_less(scrypt: Any) -> None:
    assert parse_key_file(written(scrypt)).sealed is not None


@pytest.mark.parametrize("changes", [
    {0: 2}, {0: None}, {1: bytes(31)}, {1: bytes(32)}, {3: bytes(32)}, {4: None}, {5: bytes(15)},
    {7: None}, {8: 0},
])
def test_a_map_of_another_shape_is_refused(changes: dict[int, Any]) -> None:
    told = {0: 0, 1: PLAIN.public_key, 4: [4, 1, 1], 5: bytes(16), 6: bytes(12), 7: bytes(48)}
    told |= changes
    found = {key: value for key, value in sorted(told.items()) if value is not None}
    with pytest.raises(KeyFileError):
        parse_key_file(HEAD + base64.urlsafe_b64encode(encode(found)))


def test_a_seed_of_another_key_than_the_file_says_is_refused() -> None:
    content = encode({0: 0, 1: OTHER.public_key, 3: SEED})
    with pytest.raises(KeyFileError, match="another key"):
        parse_key_file(HEAD + base64.urlsafe_b64encode(content))

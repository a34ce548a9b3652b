"""The price of an identity."""
from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from antsp2p.records.encoding import MAX_UINT53
from antsp2p.records.work import MAX_WORK_BITS, WORK_DOMAIN, check, mine

NETWORK, AUTHOR = b"n" * 16, b"a" * 32


@given(st.integers(0, 2**53), st.integers(-1, MAX_WORK_BITS))
def test_a_nonce_pays_if_the_hash_begins_with_zeros(nonce: int, bits: int) -> None:
    digest = hashlib.sha256(WORK_DOMAIN + NETWORK + AUTHOR + nonce.to_bytes(8, "big")).digest()
    zeros = 256 - int.from_bytes(digest, "big").bit_length()
    pays = bits <= 0 or (nonce <= MAX_UINT53 and zeros >= bits)
    assert check(NETWORK, AUTHOR, nonce, bits) == pays


@given(st.integers(0, 1 << 20), st.integers(0, 8))
def test_what_is_mined_pays_and_is_the_first(start: int, bits: int) -> None:
    nonce = mine(NETWORK, AUTHOR, bits, start=start, tries=1 << 14)
    assert nonce is not None
    assert check(NETWORK, AUTHOR, nonce, bits)
    assert not any(check(NETWORK, AUTHOR, n, bits) for n in range(start, nonce))


def test_a_search_that_finds_nothing_says_so() -> None:
    assert mine(NETWORK, AUTHOR, MAX_WORK_BITS, start=0, tries=10) is None
    assert mine(NETWORK, AUTHOR, 1, start=MAX_UINT53 + 1, tries=10) is None

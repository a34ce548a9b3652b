from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from antsp2p.records.keys import Identity, is_acceptable_public_key, verify

P = 2**255 - 19
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
SPECCHECK = json.loads((Path(__file__).parent / "ed25519_speccheck.json").read_text())
ORDER_EIGHT_Y = (
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
)
SMALL_ORDER_Y = (0, 1, P - 1, *(
    int.from_bytes(bytes.fromhex(y), "little") for y in ORDER_EIGHT_Y
))


def openssl_accepts(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize("case", SPECCHECK["cases"], ids=range(len(SPECCHECK["cases"])))
def test_speccheck_answers_are_as_stated(case: dict[str, Any]) -> None:
    public_key = bytes.fromhex(case["public_key"])
    signature = bytes.fromhex(case["signature"])
    message = bytes.fromhex(case["message"])
    assert verify(public_key, signature, message) is case["accept"], case["reason"]
    by = case["refused_by"]
    assert is_acceptable_public_key(public_key) is (by != "key")
    s_is_canonical = int.from_bytes(signature[32:], "little") < GROUP_ORDER
    assert s_is_canonical is (by != "scalar")
    if by in ("equation", "scalar"):
        assert not openssl_accepts(public_key, signature, message)


def test_speccheck_has_all_twelve_cases() -> None:
    assert len(SPECCHECK["cases"]) == 12
    assert [case["refused_by"] for case in SPECCHECK["cases"]].count("key") == 4


def test_the_rfc_8032_vectors_sign_and_verify() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    identity = Identity.from_seed(seed)
    assert identity.author.hex() == (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    )
    signature = identity.sign(b"")
    assert signature.hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
        "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert verify(identity.author, signature, b"")
    assert not verify(identity.author, signature, b"\0")


@pytest.mark.parametrize("y", SMALL_ORDER_Y)
@pytest.mark.parametrize("sign", [0, 1])
def test_every_encoding_of_a_small_order_point_is_refused(y: int, sign: int) -> None:
    # y + p is a second encoding of the same point where it fits 255 bits.
    for encoded in (y, y + P):
        if encoded < 2**255:
            public_key = (encoded | sign << 255).to_bytes(32, "little")
            assert not is_acceptable_public_key(public_key)


@pytest.mark.parametrize("y", range(P, 2**255))
def test_non_canonical_keys_are_refused(y: int) -> None:
    assert not is_acceptable_public_key(y.to_bytes(32, "little"))


def test_a_small_order_key_would_sign_everything_at_once() -> None:
    identity_point = (1).to_bytes(32, "little")
    signature = identity_point + bytes(32)
    for message in (b"one", b"two"):
        assert openssl_accepts(identity_point, signature, message)
        assert not verify(identity_point, signature, message)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_keys_of_another_size_are_refused(size: int) -> None:
    assert not is_acceptable_public_key(b"\2" * size)
    assert not verify(b"\2" * size, bytes(64), b"")


@pytest.mark.parametrize("size", [0, 63, 65])
def test_signatures_of_another_size_are_refused(size: int) -> None:
    assert not verify(Identity.from_seed(bytes(32)).author, bytes(size), b"")


def test_a_point_off_the_curve_verifies_nothing() -> None:
    off_curve = (2).to_bytes(32, "little")
    assert is_acceptable_public_key(off_curve)
    assert not verify(off_curve, bytes(64), b"")

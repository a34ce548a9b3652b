"""Join codes: what a person carries from a member's machine to a newcomer's.

Law: a code holds a one-time secret and where its inviter listens, and not the network's secret: it
can expire, be used once, and be of no use afterwards. The same bytes have one text, but a person
may type it in any case, with any spacing, and confuse what looks alike.

    code = version: 1 B, secret: 16 B, port: 2 B, flags: 1 B, 4 B or 16 B for each address, check
"""
from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

JOIN_CODE_VERSION: Final = 1
ONE_TIME_BYTES: Final = 16
MAX_JOIN_ADDRESSES: Final = 3
"""Each makes the code longer by 7 or 26 letters, and a machine rarely has more that matter."""
CHECK_BYTES: Final = 3
"""A wrong letter is noticed but once in sixteen million."""
CODE_DOMAIN: Final = b"antsp2p/1/code"
_PREFIX: Final = "ants"
_GROUP: Final = 5
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Base 32 by Douglas Crockford: without i, l, o and u."""
_ALIKE: Final = str.maketrans({"o": "0", "i": "1", "l": "1", "-": "", " ": "", "\n": "", "\r": "",
                               "\t": ""})
MAX_CODE_CHARACTERS: Final = 256
"""A code with three IPv6 addresses has 149 characters; what is longer is none."""


class NotACode(ValueError):
    """The text is no join code; the message is one line for the person who typed it."""


@dataclass(frozen=True, slots=True)
class JoinCode:
    """A one-time secret of 16 bytes, and where its inviter listens: up to three addresses, IP
    literals without a scope, and the one port. Without an address the newcomer looks around."""

    secret: bytes = field(repr=False)
    port: int
    hosts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The code as it is shown. Raises `ValueError` if the fields are not as they must be."""
        if len(self.secret) != ONE_TIME_BYTES or not 0 < self.port < 2**16:
            raise ValueError("a code has a secret of 16 bytes and a port")
        packed = [ipaddress.ip_address(host).packed for host in self.hosts]
        if len(packed) > MAX_JOIN_ADDRESSES:
            raise ValueError(f"a code has at most {MAX_JOIN_ADDRESSES} addresses")
        flags = len(packed) | sum(
            0x10 << place for place, host in enumerate(packed) if len(host) == 16
        )
        body = (
            bytes((JOIN_CODE_VERSION,)) + self.secret + self.port.to_bytes(2, "big")
            + bytes((flags,)) + b"".join(packed)
        )
        letters = _to_letters(body + _check(body))
        groups = [letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP)]
        return "-".join([_PREFIX, *groups])


def read_code(text: str) -> JoinCode:
    """The code of a text that a person typed, pasted or scanned. Raises `NotACode`."""
    if len(text) > MAX_CODE_CHARACTERS:
        raise NotACode("that is too long for a join code")
    letters = text.strip().lower()
    if not letters.startswith(_PREFIX):
        raise NotACode(f'a join code begins with "{_PREFIX}"')
    data = _from_letters(letters[len(_PREFIX) :].translate(_ALIKE))
    if len(data) < 1 + CHECK_BYTES or data[0] != JOIN_CODE_VERSION:
        raise NotACode("this join code is of another version: use the same version on both sides")
    body, check = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
    if check != _check(body):
        raise NotACode("a letter of the join code is wrong or missing")
    return _parse(body)


def _parse(body: bytes) -> JoinCode:
    fixed = 1 + ONE_TIME_BYTES + 3
    if len(body) < fixed:
        raise NotACode("the join code is cut off")
    secret = body[1 : 1 + ONE_TIME_BYTES]
    port = int.from_bytes(body[fixed - 3 : fixed - 1], "big")
    flags, rest = body[fixed - 1], body[fixed:]
    hosts = []
    for place in range(flags & 0x0F):
        size = 16 if flags & 0x10 << place else 4
        if place >= MAX_JOIN_ADDRESSES or len(rest) < size:
            raise NotACode("the join code is cut off")
        hosts.append(str(ipaddress.ip_address(rest[:size])))
        rest = rest[size:]
    code = JoinCode(secret, port, tuple(hosts))
    if rest or not port or flags >> 4 + len(hosts):
        raise NotACode("the join code holds what it must not")
    return code


def _check(body: bytes) -> bytes:
    return blake2b(body, digest_size=CHECK_BYTES, person=CODE_DOMAIN).digest()


def _to_letters(data: bytes) -> str:
    """Five bits a letter; the last is filled up with zeros."""
    count = -(-len(data) * 8 // 5)
    number = int.from_bytes(data, "big") << count * 5 - len(data) * 8
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(count - 1, -1, -1))


def _from_letters(letters: str) -> bytes:
    number = 0
    for letter in letters:
        value = _ALPHABET.find(letter)
        if value < 0:
            raise NotACode("a join code is made of digits and letters without i, l, o and u")
        number = number << 5 | value
    size = len(letters) * 5 // 8
    spare = len(letters) * 5 - size * 8
    if spare >= 5 or number & (1 << spare) - 1:
        raise NotACode("a letter of the join code is wrong or missing")
    return (number >> spare).to_bytes(size, "big")

"""Peers that a person names."""
from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from antsp2p.runtime import limits
from antsp2p.runtime.peers import format_address, greet, hint_at_named, parse_address
from antsp2p.runtime.udp import ListenError

if TYPE_CHECKING:
    from antsp2p.events import Address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7:4444", ("192.0.2.7", 4_444)),
        ("[2001:db8::1]:1", ("2001:db8::1", 1)),
        ("[fe80::1%2]:1", ("fe80::1%2", 1)),
        ("a.example:65535", ("a.example", 65_535)),
    ],
)
def test_addresses_are_read_and_written(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert format_address(address) == text


@pytest.mark.parametrize(
    "text", ["", ":1", "a", "a:", "a:x", "a:65536", "a:-1", "::1:1", "[a]:1", "a:\uff11", "[]:1"]
)
def test_what_is_no_address_is_one_line(text: str) -> None:
    with pytest.raises(ListenError, match="is not HOST:PORT"):
        parse_address(text)


async def test_a_literal_is_hinted_at_once() -> None:
    hints: list[Address] = []
    await hint_at_named("::1", 5, hints.append, pytest.fail)
    assert hints == [("::1", 5)]


async def test_a_name_is_asked_for_until_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure"),
        [(socket.AF_INET, 0, 0, "", ("192.0.2.9", 5)),
         (socket.AF_INET6, 0, 0, "", ("fe80::9", 5, 0, 3))],
    ]

    async def getaddrinfo(host: str, port: int, *, type: int) -> object:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(trio.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(limits, "RESOLVE_RETRY_MS", 1)
    hints: list[Address] = []
    warnings: list[str] = []
    await hint_at_named("a.example", 5, hints.append, warnings.append)
    assert hints == [("192.0.2.9", 5), ("fe80::9%3", 5)]
    assert warnings == [
        "the peer's name 'a.example' has no address yet (Name or service not known); trying again"
    ]


async def test_a_silent_peer_is_told_of_until_it_answers(
    autojump_clock: trio.testing.MockClock
) -> None:
    peer, answers_s = ("192.0.2.9", 5), 4 * limits.PEER_SILENT_MS / 1_000
    hints: list[Address] = []
    told: list[tuple[str, float]] = []
    began = trio.current_time()
    await greet(
        peer, hints.append, lambda _: trio.current_time() - began < answers_s,
        lambda text: told.append((text, trio.current_time())),
        lambda text: told.append((f"not: {text}", trio.current_time())),
    )
    assert hints == [peer]
    (text, first), (taken_back, last) = told
    assert text.startswith("no node has answered at 192.0.2.9:5 so far")
    assert taken_back == f"not: {text}"
    assert first < answers_s + began <= last

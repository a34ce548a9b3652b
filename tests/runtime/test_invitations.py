"""Invitations: used as often as they say, kept over a restart, and closed for a reason."""
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from antsp2p.gossip.admission import (
    Admission,
    Refusal,
    door_id,
    door_key,
    door_protection,
    join_request,
    parse_answer,
)
from antsp2p.records.encoding import Malformed
from antsp2p.records.keys import Identity
from antsp2p.runtime import limits
from antsp2p.runtime.home import HomeError
from antsp2p.runtime.invitations import InvitationRefused, Invitations
from antsp2p.runtime.membership import best_hosts
from antsp2p.runtime.sealed import secure_answer, secure_call
from antsp2p.runtime.streams import Strangers, framed_bytes, read_message, send
from tests.runtime.secured import member

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


NETWORK = b"n" * 16
GIVEN = Admission("local", NETWORK, 2, b"s" * 32, 5_000)
HOST = Identity.from_seed(b"h" * 32)


class Clock:
    """A calendar that the test turns."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Callable[[], Invitations]:
    """Another start of the node."""
    return lambda: Invitations(tmp_path / "invitations.json", HOST, lambda: GIVEN, clock)


async def ask(
    invitations: Invitations, secret: bytes, newcomer: int = 1, *, takes: bool = True,
    request: bytes = b"",
) -> Admission | Refusal:
    """What a newcomer gets over a sealed stream. Raises `Malformed` where it gets nothing."""
    identity = Identity.from_seed(bytes([newcomer]) * 32)
    near, far = trio.testing.memory_stream_pair()
    answers: list[Any] = []
    failures: list[Malformed] = []

    async def serve() -> None:
        try:
            stream = await secure_answer(far, member(NETWORK), invitations.find)
            await invitations.answer(stream, await read_message(stream, 128))
        except Malformed as error:
            failures.append(error)
        await far.aclose()

    async def call() -> None:
        protection = door_protection(identity, secret, lambda count: bytes([newcomer]) * count)
        try:
            stream = await secure_call(near, protection, door_key(secret))
            await send(stream, framed_bytes(
                request or join_request(door_id(secret), takes=takes)))
            answers.append(parse_answer(await read_message(stream, 256)))
        except (Malformed, trio.BrokenResourceError):
            await near.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        nursery.start_soon(call)
    if failures:
        raise failures[0]
    return answers[0]  # type: ignore[no-any-return]  # what `parse_answer` gave


async def test_a_use_is_counted_once_and_for_one(
    opened: Callable[[], Invitations], clock: Clock
) -> None:
    invitations = opened()
    made = await invitations.invite(60_000, 1)
    looked = await ask(invitations, made.secret, takes=False)
    assert looked == Admission("local", NETWORK, 2)
    assert await ask(invitations, made.secret, 1) == GIVEN
    # The answer may have been lost.
    assert await ask(invitations, made.secret, 1) == GIVEN
    assert await ask(invitations, made.secret, 2) is Refusal.USED
    assert await ask(opened(), made.secret, 2) is Refusal.USED
    clock.now_ms += limits.INVITATION_AGAIN_MS
    assert await ask(invitations, made.secret, 1) is Refusal.EXPIRED


async def test_several_may_use_one_that_says_so(opened: Callable[[], Invitations]) -> None:
    invitations = opened()
    made = await invitations.invite(60_000, 3)
    answers = [await ask(invitations, made.secret, number) for number in range(4)]
    assert answers == [GIVEN, GIVEN, GIVEN, Refusal.USED]


async def test_it_expires(opened: Callable[[], Invitations], clock: Clock) -> None:
    invitations = opened()
    made = await invitations.invite(60_000, 1)
    clock.now_ms += 60_000
    assert await ask(invitations, made.secret) is Refusal.EXPIRED


async def test_one_taken_back_is_gone_at_once(opened: Callable[[], Invitations]) -> None:
    invitations = opened()
    made = await invitations.invite(60_000, 1)
    await invitations.cancel(made.door)
    assert invitations.find(made.door) is None
    with pytest.raises(Malformed, match="network"):
        await ask(invitations, made.secret)
    assert opened().all() == []


async def test_a_use_is_on_disk_before_the_secret_leaves(
    opened: Callable[[], Invitations], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invitations = opened()
    made = await invitations.invite(60_000, 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("antsp2p.runtime.invitations.write_durably", full)
    with pytest.raises(Malformed, match="unsaved"):
        await ask(invitations, made.secret)
    assert [each.uses_left for each in opened().all()] == [1]


async def test_another_request_gets_nothing(opened: Callable[[], Invitations]) -> None:
    invitations = opened()
    made = await invitations.invite(60_000, 1)
    for request in (b"\x84\x01P" + made.door + b"dlogs\x80", b"\x80", b"\x82\x01\x02"):
        with pytest.raises(Malformed):
            await ask(invitations, made.secret, request=request)


async def test_open_ones_are_bounded_and_ended_ones_give_way(
    opened: Callable[[], Invitations], clock: Clock
) -> None:
    invitations = opened()
    first = await invitations.invite(1_000, 1)
    for _ in range(limits.INVITATIONS - 1):
        await invitations.invite(60_000, 1)
    with pytest.raises(InvitationRefused, match="--cancel"):
        await invitations.invite(60_000, 1)
    clock.now_ms += 1_000
    await invitations.invite(60_000, 1)
    assert len(invitations.all()) == limits.INVITATIONS
    assert first not in invitations.all()
    clock.now_ms += 60_000 + limits.INVITATION_KEPT_MS
    await invitations.invite(60_000, 1)
    assert len(invitations.all()) == 1


async def test_the_file_is_private_and_a_damaged_one_is_named(
    opened: Callable[[], Invitations], tmp_path: Path
) -> None:
    made = await opened().invite(60_000, 2)
    path = tmp_path / "invitations.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert opened().all() == [made]
    assert made.secret.hex() not in repr(made) + json.dumps(made.view())
    for damage in ("", "{}", "[1]", '[{"secret": "00"}]'):
        path.write_text(damage, "utf-8")
        with pytest.raises(HomeError, match="is damaged"):
            opened()
    path.chmod(0o644)
    with pytest.raises(HomeError, match="chmod 600"):
        opened()


def test_who_fails_often_is_shut_out_for_a_while() -> None:
    strangers = Strangers()
    for _ in range(limits.STRANGER_FAILURES):
        assert not strangers.is_shut_out("192.0.2.1", 0)
        strangers.failed("192.0.2.1", 0)
    assert strangers.is_shut_out("192.0.2.1", 0)
    assert not strangers.is_shut_out("192.0.2.2", 0)
    assert not strangers.is_shut_out("192.0.2.1", 1_000_000)
    for host in range(2 * limits.STRANGER_HOSTS):
        strangers.failed(str(host), 0)
    assert len(strangers) == limits.STRANGER_HOSTS


@pytest.mark.parametrize(("hosts", "best"), [
    (("127.0.0.1", "::1"), ("127.0.0.1", "::1")),
    (("127.0.0.1", "192.0.2.1"), ("192.0.2.1",)),
    (("fe80::1%2", "2001:db8::1", "192.0.2.1"), ("192.0.2.1", "2001:db8::1")),
    (("192.0.2.2", "192.0.2.1", "192.0.2.2", "10.0.0.1", "10.0.0.2"),
     ("192.0.2.2", "192.0.2.1", "10.0.0.1")),
    ((), ()),
])
def test_a_code_names_what_another_machine_can_reach(
    hosts: tuple[str, ...], best: tuple[str, ...]
) -> None:
    assert best_hosts(hosts) == best

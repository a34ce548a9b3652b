"""Greetings: how a call becomes a link, on both sides.

Law: nothing larger than what was received goes to an address that has not shown that it can read
what is sent there, and nobody is linked who does not own the key that he names. Of two calls that
cross, both sides keep the same one.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.answers import Answer, Answers
from antsp2p.gossip.calls import Call, Calls
from antsp2p.gossip.datagram import SESSION_ID_BYTES, join_frames, session_id
from antsp2p.gossip.handshake import (
    answer_of,
    busy_payload,
    hello_payload,
    is_authentic,
    make_confirm,
    make_welcome,
    payload_of,
    split_confirm,
    split_welcome,
)
from antsp2p.gossip.limits import HELLO_BYTES
from antsp2p.gossip.link import Change, Link, Opened, Own, Reached, Reading, Refused, Reply
from antsp2p.gossip.session import Session
from antsp2p.gossip.wire import Busy, Confirm, Hello, Welcome, encode_frame
from antsp2p.records.encoding import Malformed

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Holding
    from antsp2p.gossip.network_keys import LinkKey
    from antsp2p.gossip.protection import Protection
    from antsp2p.gossip.suite import Agreement
    from antsp2p.gossip.table import Table
    from antsp2p.gossip.wire import Address, PeerAddress
    from antsp2p.records.keys import Verify


class Greetings:
    """Calls others and answers them; what comes of it stands in `table`."""

    def __init__(
        self,
        *,
        protection: Protection,
        table: Table,
        instance: bytes,
        now_us: int,
        limits: Limits,
        drops: Counter[str],
        verify: Verify,
        holding: Callable[[bytes], Holding],
        room: Callable[[int, bytes, str], tuple[PeerAddress, ...] | None],
        may_open: Callable[[bytes, str], tuple[PeerAddress, ...] | None],
        takes: Callable[[Address, bytes], bool],
        read_early: Callable[[Link, Session, bytes, int], Reading],
        is_banned: Callable[[bytes, int], bool],
    ) -> None:
        self._protection = protection
        self._me = protection.author
        self._table = table
        self._instance = instance
        self._limits = limits
        self._drops = drops
        self._verify = verify
        self._holding = holding
        self._room = room
        self._may_open = may_open
        self._takes = takes
        self._read_early = read_early
        self._is_banned = is_banned
        self._calls = Calls(protection, limits, self._is_free)
        self._answers = Answers(protection, limits, now_us)

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"dials": len(self._calls), **self._answers.sizes()}

    def _is_free(self, session: bytes) -> bool:
        return not self._table.knows(session) and session not in self._answers

    def _dropped(self, reason: str) -> Reading:
        self._drops[reason] += 1
        return Reading(dropped=reason)

    # --- calling -----------------------------------------------------------------------------

    def dial(self, address: Address, now_us: int, size: int, key: LinkKey | None) -> bytes:
        """A hello for `address`, under `key` or as a member."""
        def payload() -> bytes:
            links = min(len(self._table), 255)
            return hello_payload(Hello(self._me, self._instance, links, b""), size)

        return self._calls.hello(address, payload, now_us, key)

    def forget_dial(self, address: Address) -> None:
        self._calls.forget(address)

    def early(self, address: Address, data: bytes, now_us: int) -> bool | None:
        """Whether a datagram that came before its CONFIRM was kept; None: it is none."""
        answer = self._answers.to(session_id(data), address, now_us)
        if answer is None:
            return None
        has_room = len(answer.early) < self._limits.early_datagrams
        if has_room:
            answer.early.append(data)
        return has_room

    # --- hello -------------------------------------------------------------------------------

    def hello(self, address: Address, data: bytes, now_us: int) -> Reading:
        asked = self._answers.asked(address, data, now_us)
        if isinstance(asked, Reply):
            return Reading(replies=[asked])
        agreement = self._protection.agreement(asked.key, initiator=False)
        hello = payload_of(agreement.read(asked.parts.noise), Hello)
        if hello.author == self._me:
            return self._own_hello(hello, asked.parts.caller)
        if self._is_banned(hello.author, now_us):
            return self._dropped("banned")
        name, answer_id = "busy", bytes(SESSION_ID_BYTES)
        peers = None
        if not self._table.of(hello.author):
            peers = self._room(hello.links, hello.author, address[0])
        if peers is not None:
            # Whoever calls in less only looks whether somebody is there.
            named = peers if len(data) >= HELLO_BYTES else peers[:1]
            payload = busy_payload(named, len(data))
        else:
            name, answer_id, payload = "welcome", self._calls.fresh_id(), self._welcoming(hello)
            self._answers.wait(Answer(
                answer_id, asked.parts.caller, address, asked.key, agreement, hello, now_us
            ))
        welcome = make_welcome(
            asked.key, asked.parts.caller, answer_id, agreement.write(payload)
        )
        assert len(welcome) <= len(data), "an address that is not proven gets no more"
        reply = Reply(name, welcome)
        self._answers.given(asked, address, reply, now_us)
        return Reading(replies=[reply])

    def _welcoming(self, hello: Hello) -> bytes:
        held = self._holding(hello.author)
        return encode_frame(Welcome(
            self._me, self._protection.signature, self._instance, held.seq, held.head, held.root,
            self._protection.work,
        ))

    def _own_hello(self, hello: Hello, caller: bytes) -> Reading:
        if hello.instance != self._instance:
            return self._dropped("own-key")
        self._drops["self"] += 1
        call = self._calls.by_id(caller)
        if call is None:
            return Reading()
        self._calls.forget(call.address)
        return Reading(changes=[Own(call.address)])

    def cookie(self, address: Address, data: bytes, now_us: int) -> Reading:
        hello = self._calls.cookie(address, data)
        if hello is None:
            return self._dropped("unasked")
        return Reading(replies=[Reply("hello", hello)] if hello else [])

    # --- welcome -----------------------------------------------------------------------------

    def welcome(self, address: Address, data: bytes, now_us: int) -> Reading:
        callee, noise = split_welcome(data)
        call = self._calls.answered(address, data)
        if call is None:
            return self._dropped("unasked")
        plain = call.agreement.read(noise)
        self._calls.forget(address)
        welcome = answer_of(plain)
        if isinstance(welcome, Busy):
            return self._refused(address, welcome)
        self._check_author(welcome, call.agreement)
        if welcome.author == self._me:
            self._drops["self"] += 1
            return Reading(changes=[Own(address)])
        if self._is_banned(welcome.author, now_us):
            return self._dropped("banned")
        twin = self._table.twin(welcome.author, welcome.instance)
        here = self._table.at(address)
        if (
            (twin is not None and twin.doubted_us is None)
            or self._table.is_full(welcome.author, address)
            or (here is None and not self._takes(address, welcome.root))
        ):
            return Reading(changes=[Reached(address, welcome.author)])
        link = self._called(call, callee, welcome, now_us)
        changes = self._table.make_way(link, twin, now_us)
        self._table.put(link)
        changes.append(Opened(link, welcome.seq, welcome.head))
        return Reading(link=link, changes=changes)

    def _called(self, call: Call, callee: bytes, welcome: Welcome, now_us: int) -> Link:
        """The link that our call has become."""
        held = self._holding(welcome.author)
        confirm = encode_frame(Confirm(
            self._me, self._protection.signature, self._instance, held.seq, held.head,
            self._protection.work,
        ))
        datagram = make_confirm(call.key, callee, call.agreement.write(confirm))
        return Link(
            id=self._table.take_id(), author=welcome.author, instance=welcome.instance,
            address=call.address, initiated=True, since_us=now_us, confirmed=False,
            session=self._session(call.agreement, call.id, callee, now_us),
            purpose=call.key.source.purpose, key_id=call.key.id, confirm=datagram,
        )

    def _session(
        self, agreement: Agreement, id_in: bytes, id_out: bytes, now_us: int
    ) -> Session:
        return Session(
            self._protection.suite, agreement.split(), id_in=id_in, id_out=id_out, now_us=now_us,
            limits=self._limits,
        )

    def _check_author(self, frame: Welcome | Confirm, agreement: Agreement) -> None:
        """Raises `Malformed` where the key that was agreed with is not the author's, or the author
        has not paid for its name. One hash decides about that, before the signature is looked at.
        """
        if not self._protection.is_paid(frame.author, frame.work):
            raise Malformed("unpaid")
        static = agreement.remote_static
        assert static is not None, "a message with an author in it has the static key as well"
        signed = self._protection.signed(static)
        if not self._verify(frame.author, frame.signature, signed):
            raise Malformed("link-signature")

    def _refused(self, address: Address, busy: Busy) -> Reading:
        changes: list[Change] = []
        here = self._table.at(address)
        if here is not None and here.doubted_us is not None:
            changes.append(self._table.close(here, "peer-full"))
        return Reading(changes=[*changes, Refused(address, busy.peers)])

    # --- confirm -----------------------------------------------------------------------------

    def confirm(self, address: Address, data: bytes, now_us: int) -> Reading:
        noise = split_confirm(data)
        known = self._table.by_session(session_id(data))
        if known is not None and known.address == address:
            # It was sent again before our first datagram came.
            return Reading()
        answer = self._answers.to(session_id(data), address, now_us)
        if answer is None:
            return self._dropped("unasked")
        if not is_authentic(data, answer.key):
            return self._dropped("mac")
        plain = answer.agreement.read(noise)
        self._answers.close(answer)
        confirm = payload_of(plain, Confirm)
        self._check_author(confirm, answer.agreement)
        if (confirm.author, confirm.instance) != (answer.hello.author, answer.hello.instance):
            return self._dropped("author")
        return self._confirmed(answer, confirm, now_us)

    def _confirmed(self, answer: Answer, confirm: Confirm, now_us: int) -> Reading:
        address, author = answer.address, confirm.author
        if self._is_banned(author, now_us):
            return self._dropped("banned")
        session = self._session(answer.agreement, answer.id, answer.caller, now_us)
        twin = self._table.twin(author, confirm.instance)
        if twin is not None and self._keeps(twin, now_us):
            self._table.fade(session, address, twin, now_us)
            return self._early(answer, twin, session, now_us)
        if twin is None and self._table.is_full(author, address):
            return self._dropped("author-full")
        peers = None if self._table.of(author) else self._may_open(author, address[0])
        if peers is not None:
            busy = session.seal(join_frames([encode_frame(Busy(peers))]), now_us)
            return Reading(replies=[Reply("busy", busy)])
        link = Link(
            id=self._table.take_id(), author=author, instance=confirm.instance, address=address,
            initiated=False, session=session, since_us=now_us, confirmed=True,
            purpose=answer.key.source.purpose, key_id=answer.key.id,
        )
        changes = self._table.make_way(link, twin, now_us)
        self._table.put(link)
        changes.append(Opened(link, confirm.seq, confirm.head))
        reading = self._early(answer, link, session, now_us)
        return Reading(link, reading.frames, reading.heard, (), [*changes, *reading.changes])

    def _early(self, answer: Answer, link: Link, session: Session, now_us: int) -> Reading:
        """What came before the CONFIRM, read on `link`."""
        together = Reading(link=link)
        for data in answer.early:
            reading = self._read_early(link, session, data, now_us)
            together.frames = [*together.frames, *reading.frames]
            together.heard += reading.heard
            together.changes += reading.changes
        return together

    def _keeps(self, twin: Link, now_us: int) -> bool:
        """Whether an existing link to the same running peer beats the one being confirmed.

        Two hellos that crossed: both sides keep the one that the lower key sent. Otherwise the
        peer confirms because it has no link any more, and the new one is the one that works.
        """
        young = now_us - twin.since_us < self._limits.simultaneous_us
        return twin.initiated and young and self._me < twin.author

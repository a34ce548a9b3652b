"""What a node knows, as values that JSON can hold and people can read."""
from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from antsp2p.coordination.body import (
    Announce,
    Award,
    BlobRef,
    Body,
    Cancel,
    CancelReason,
    Claim,
    Offer,
    Reopen,
    ReopenReason,
    Result,
    Verdict,
    body_map,
)
from antsp2p.events import Command, Committed, FinishClaim, PostTask, ServeCapability, StartWork
from antsp2p.node import Node
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.runtime import task_views, views
from antsp2p.runtime.trust_views import why_view
from tests.gossip.protections import protection_of

NETWORK = bytes(16)
ID = bytes(range(32))



def signed(body: Body | dict[int, Any], type_: int = 0, seq: int = 1) -> Record:
    fields = body if isinstance(body, dict) else body_map(body)
    return sign_record(
        Identity.from_seed(bytes(32)), network=NETWORK, seq=seq, prev=NO_PREV if seq == 1 else ID,
        type=type_ or body.type, body=fields, claimed_ms=7,  # type: ignore[union-attr]
    )


@pytest.mark.parametrize(
    ("content", "view"),
    [
        (b"", {"text": ""}),
        (b"two\nlines\t", {"text": "two\nlines\t"}),
        ("größe".encode(), {"text": "größe"}),
        (b"\x00", {"base64": "AA=="}),
        (b"\xff\xfe", {"base64": "//4="}),
        ("\u202e".encode(), {"base64": "4oCu"}),
        (b"\x1b[2J", {"base64": "G1sySg=="}),
    ],
)
def test_content(content: bytes, view: dict[str, str]) -> None:
    assert views.content_view(content) == view


@pytest.mark.parametrize(
    ("body", "name", "view"),
    [
        (Announce("a", 2, nickname="n"), "announce", {"name": "a", "slots": 2, "nickname": "n"}),
        (
            Offer("a", 5_000, 0, 3, input=b"x"), "offer",
            {"capability": "a", "lease_ms": 5_000, "settle_ms": 0, "attempts": 3, "cost": 1,
             "input": {"text": "x"}},
        ),
        (
            Offer("a", 5_000, 0, 3, blob=BlobRef(ID, 9), idempotency_key=b"\xff"), "offer",
            {"capability": "a", "lease_ms": 5_000, "settle_ms": 0, "attempts": 3, "cost": 1,
             "blob": {"sha256": ID.hex(), "size": 9}, "idempotency_key": {"base64": "/w=="}},
        ),
        (Claim(ID, 4), "claim", {"task": ID.hex(), "epoch": 4}),
        (Award(ID, ID), "award", {"task": ID.hex(), "claim": ID.hex()}),
        (
            Reopen(ID, 1, ID, ReopenReason.LAPSED, (ID,)), "reopen",
            {"task": ID.hex(), "epoch": 1, "claim": ID.hex(), "reason": "lapsed",
             "excluded": [ID.hex()]},
        ),
        (Reopen(ID, 1, None, 200), "reopen", {"task": ID.hex(), "epoch": 1, "reason": "200"}),
        (
            Result(ID, ID, 1, output=b"", error="e"), "result",
            {"task": ID.hex(), "claim": ID.hex(), "outcome": "failed", "output": {"text": ""},
             "error": "e"},
        ),
        (
            Verdict(ID, ID, ID, True, ID), "verdict",
            {"task": ID.hex(), "claim": ID.hex(), "result": ID.hex(), "accept": True,
             "result_hash": ID.hex()},
        ),
        (
            Cancel(ID, CancelReason.REQUESTER, "t"), "cancel",
            {"task": ID.hex(), "reason": "requester", "text": "t"},
        ),
    ],
)
def test_a_record_by_its_type(body: Body, name: str, view: dict[str, Any]) -> None:
    shown = views.record_view(signed(body))
    assert shown["type"] == name
    assert shown["void"] is False
    assert shown["body"] == view
    assert shown["size"] == len(signed(body).wire)
    json.dumps(shown)


@pytest.mark.parametrize(
    ("type_", "body", "name", "view"),
    [
        (2, {0: 1, 5: b"x"}, "offer", {"0": 1, "5": {"text": "x"}}),
        (
            10, {1: ID, 2: [None, True, {3: -1}]}, "mark",
            {"1": ID.hex(), "2": [None, True, {"3": -1}]},
        ),
        (999, {}, "999", {}),
    ],
)
def test_a_void_record_is_shown_as_it_is(
    type_: int, body: dict[int, Any], name: str, view: dict[str, Any]
) -> None:
    shown = views.record_view(signed(body, type_))
    assert (shown["type"], shown["void"], shown["body"]) == (name, True, view)


def test_addresses() -> None:
    assert views.address_text(("127.0.0.1", 1)) == "127.0.0.1:1"
    assert views.address_text(("fe80::1%eth0", 1)) == "[fe80::1%eth0]:1"


class Alone:
    """One node with nobody around, driven by commands."""

    def __init__(self) -> None:
        self.now_us = 1_000_000
        me = Identity.from_seed(bytes(32))
        self.node = Node(
            me, NETWORK, protection=protection_of(me, NETWORK), boot=1,
            instance=bytes(8), rng=Random(1), now_us=self.now_us, wall_ms=0, nickname="me",
        )

    def do(self, command: Command) -> list[Any]:
        """The effects of a command, everything durable at once, a millisecond later."""
        self.now_us += 1_000
        effects = self.node.handle(command, self.now_us)
        head = self.node.logs.head(self.node.author)
        if head is not None:
            effects += self.node.handle(Committed(head.seq), self.now_us)
        return effects


@pytest.fixture
def alone() -> Alone:
    return Alone()


def work_through(alone: Alone, content: bytes = b"in") -> bytes:
    """A task that this node posts, does and accepts; its id."""
    alone.do(ServeCapability(1, "agent", "a"))
    effects = alone.do(PostTask(2, "a", content, settle_ms=0))
    (start,) = (effect for effect in effects if isinstance(effect, StartWork))
    alone.do(FinishClaim(3, start.claim, True, b"out"))
    return start.task


def test_a_task_and_its_history(alone: Alone) -> None:
    task = work_through(alone)
    shown = task_views.task_detail(alone.node, task, alone.now_us + 5_000)
    assert shown is not None
    json.dumps(shown)
    assert (shown["state"], shown["rule"], shown["settled"]) == ("accepted", "end", True)
    assert shown["ended"] is True
    assert shown["posted_ms_ago"] == 6
    assert [(line["type"], line["state"], line["what"]) for line in shown["history"]] == [
        ("offer", "open", "offered for a"), ("claim", "claimed", "claimed epoch 0"),
        ("award", "working", "awarded"), ("result", "done", "finished"),
        ("verdict", "accepted", "accepted"),
    ]
    assert shown["results"][0]["output"] == {"text": "out", "size": 3}
    assert shown["verdicts"][0]["accept"] is True
    assert task_views.task_counts(alone.node) == {"accepted": 1}


def test_a_task_that_is_not_known(alone: Alone) -> None:
    assert task_views.task_view(alone.node, ID, 0) is None
    assert task_views.task_detail(alone.node, ID, 0) is None
    assert task_views.history(alone.node, ID, 0) == []


def test_tasks_are_listed_newest_first_and_sifted(alone: Alone) -> None:
    done = work_through(alone)
    alone.do(PostTask(8, "nobody", b""))
    alone.do(PostTask(9, "nobody", b""))

    def listed(**sieve: Any) -> list[str]:
        found = task_views.task_views(alone.node, alone.now_us, **{"limit": 10, **sieve})
        return [f"{view['capability']} {view['state']}" for view in found]

    assert listed() == ["nobody open", "nobody open", "a accepted"]
    assert listed(state="accepted") == ["a accepted"]
    assert listed(limit=1) == ["nobody open"]
    assert len(listed(mine=True)) == 3
    (oldest,) = task_views.task_views(alone.node, alone.now_us, state="accepted", limit=1)
    assert oldest["task"] == done.hex()


def test_the_log_in_order_and_from_a_place(alone: Alone) -> None:
    work_through(alone)
    author = alone.node.author

    def seqs(**part: Any) -> list[int]:
        given = {"author": None, "after_seq": 0, "limit": 100, **part}
        return [view["seq"] for view in views.log_views(alone.node, alone.now_us, **given)]

    assert seqs() == seqs(author=author) == [1, 2, 3, 4, 5, 6]
    assert seqs(limit=2) == seqs(author=author, limit=2) == [5, 6]
    assert seqs(author=author, after_seq=2, limit=2) == [3, 4]
    assert seqs(author=author, after_seq=6) == []
    assert seqs(author=ID) == []


def test_nobody_else_is_there(alone: Alone) -> None:
    work_through(alone)
    assert views.peer_views(alone.node, 10) == []
    shown = why_view(alone.node, ID)
    assert shown["evidence"] == []
    assert shown["scores"]["all"]["known"] is False

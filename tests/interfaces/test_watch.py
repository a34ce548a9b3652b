"""What `antsp2p watch` prints of each kind of notice."""
from __future__ import annotations

from typing import Any

import pytest

from antsp2p.events import NOTICE_KINDS
from antsp2p.interfaces.commands.watch import line

OWN, OTHER = "aa" * 32, "bb" * 32
SHOWN: dict[str, list[tuple[dict[str, Any], str]]] = {
    "task": [
        ({"state": "open", "epoch": 0, "holder": None, "rule": "no-claim", "settled": False},
         "open, epoch 0"),
        ({"state": "working", "epoch": 1, "holder": OTHER, "rule": "award", "settled": True},
         "working, epoch 1, held by bbbbbbbbbbbb (award, settled)"),
    ],
    "peer-up": [
        ({"address": "127.0.0.1 47"}, "linked at 127.0.0.1:47"),
        ({"address": "::1 47"}, "linked at [::1]:47"),
    ],
    "peer-down": [({"reason": "silent"}, "linked no longer: silent")],
    "announced": [
        ({"capability": "a.b", "slots": 2, "withdrawn": False}, "offers a.b, 2 at once"),
        ({"capability": "a.b", "slots": 2, "withdrawn": True}, "offers a.b no longer"),
        ({"capability": "antsp2p.identity", "slots": 0, "withdrawn": True}, "said who it is"),
    ],
    "marked": [
        ({"topic": "site.lab", "text": "\x1b[2J", "half_life_ms": 60_000},
         r"marked site.lab: \x1b[2J"),
        ({"topic": "site.lab", "text": "", "half_life_ms": 1}, "marked site.lab"),
        ({"topic": "site.lab", "text": "", "half_life_ms": 0}, "wiped its mark off site.lab"),
    ],
    "convicted": [({"seq": 7}, "signed two histories, from its record 7 on")],
    "revoked": [
        ({"seq": 7}, "its key was given up, from its record 8 on; nobody is named to go on with "
         "its reputation"),
        ({"seq": 7, "successor": OTHER}, "its key was given up, from its record 8 on; "
         "bbbbbbbbbbbb is named to go on with its reputation"),
    ],
    "confirmed": [({}, "a peer has confirmed this node's history")],
    "secret": [
        ({"generation": 2, "overlap_ms": 0},
         "the network's secret is number 2 now; the one before is good no more"),
        ({"generation": 2, "overlap_ms": 60_000},
         "the network's secret is number 2 now; the one before is good for 1m more"),
    ],
    "warning": [({"text": "\x1b[2J"}, r"\x1b[2J")],
    "missed": [({"count": 3}, "3 events are not shown: they came faster than they were read")],
    "later": [({"colour": "red", "sure": False, "size": 0}, "colour red, size 0")],
}


@pytest.mark.parametrize("kind", SHOWN)
def test_a_notice_is_a_sentence(kind: str) -> None:
    for detail, text in SHOWN[kind]:
        assert line({"kind": kind, "subject": OWN, **detail}) == f"{kind:<9}  {OWN[:12]}  {text}"


def test_every_kind_has_its_words() -> None:
    assert {*NOTICE_KINDS, "missed", "later"} == {*SHOWN}

"""Audits, proofs and pins over the local API of a real host."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.coordination import pins as pins_module
from antsp2p.coordination.audit import judge
from antsp2p.records.audit import check_audit, parse_audit
from antsp2p.records.fork import parse_proof, verify_proof
from antsp2p.records.keys import verify
from antsp2p.records.record import NO_PREV, Record, sign_record
from tests.records.chains import identity
from tests.runtime.test_api import STRANGE, Served, serve

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FORKER = identity("forker")


def said(served: Served, mark: int, below: Record | None = None) -> Record:
    """A record of another author in the host's network."""
    return sign_record(
        FORKER, network=served.host.node.network, seq=1 if below is None else below.seq + 1,
        prev=NO_PREV if below is None else below.id, type=200, body={}, claimed_ms=mark,
    )


async def get(served: Served, path: str) -> bytes:
    response = await served.http.get(path)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/octet-stream"
    return response.content


async def test_who_forked_is_listed_and_its_proof_stands_by_itself(tmp_path: Path) -> None:
    async with serve(tmp_path / "home") as served:
        node, author = served.host.node, FORKER.author.hex()
        first = said(served, 0)
        for record in (first, said(served, 1, first), said(served, 2, first)):
            node.introduce(record)
        (listed,) = (await served.json("GET", "/v1/proofs"))["proofs"]
        assert (listed["author"], listed["seq"]) == (author, 2)
        proof = parse_proof(await get(served, f"/v1/proofs/{listed['id'][:8]}"))
        assert proof.id.hex() == listed["id"]
        assert verify_proof(proof, node.network, verify)

        response = await served.http.get(f"/v1/peers/{author}/audit")
        assert response.headers["x-antsp2p-left-out"] == "0"
        audit = parse_audit(response.content)
        check_audit(audit, verify)
        (facts,) = judge(audit).line
        assert (facts.fork_seq, facts.stretches, facts.standing.convicted) == (2, ((1, 1),), True)

        why = await served.json("GET", f"/v1/peers/{author}/why")
        assert (why["convicted"], why["score"]["known"], why["would_raise"]) == (True, True, [])
        assert sum(part["points_ppm"] for part in why["parts"]) == 0
        await served.refusal("GET", "/v1/proofs/abcdef", 404)


async def test_the_own_history_has_what_was_shown(tmp_path: Path) -> None:
    async with serve(tmp_path / "home") as served:
        node = served.host.node
        await served.post("text.count", b"x")
        audit = parse_audit(await get(served, f"/v1/peers/{node.author.hex()}/audit"))
        check_audit(audit, verify)
        assert audit.of(node.author)[-1][-1].seq == node.gossip.published > 0


async def test_what_cannot_be_pinned_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path / "home") as served:
        own = served.host.node.author.hex()
        assert "this node itself" in await served.refusal("POST", f"/v1/trust/{own}/block", 400)
        await served.refusal("POST", "/v1/trust/abcdef/block", 404)
        await served.refusal("POST", f"/v1/trust/{STRANGE}/unblock", 404)
        await served.refusal("POST", f"/v1/trust/{STRANGE}/pin", 400, params={"weight": "0"})
        await served.refusal("POST", f"/v1/trust/{STRANGE}/pin", 400, params={"much": "1"})
        pinned: Any = await served.json("POST", f"/v1/trust/{STRANGE}/pin")
        assert pinned == {
            "author": STRANGE, "weight": pins_module.DEFAULT_PIN_WEIGHT, "blocked": False,
            "before": {"weight": 0, "blocked": False},
        }
        monkeypatch.setattr(pins_module, "MAX_PINS", 1)
        line = await served.refusal("POST", f"/v1/trust/{'cd' * 32}/pin", 409)
        assert "take some back first" in line
        assert (await served.json("GET", "/v1/trust"))["pins"] == [
            {"author": STRANGE, "weight": pins_module.DEFAULT_PIN_WEIGHT}]

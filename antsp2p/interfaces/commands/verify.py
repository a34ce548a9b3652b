"""`antsp2p verify FILE`: what an audit file or a fork proof proves, with no node and no network.

Law: the file is a stranger's. It is bounded before it is read, nothing in it is executed, and all
of its texts are escaped. What is said to be proven follows from signatures alone.
"""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.audit import Judgement, LogFacts, judge
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import say, say_fields, say_json, say_table, short
from antsp2p.interfaces.streams import read_input
from antsp2p.records.audit import MAX_AUDIT_BYTES, Audit, check_audit, parse_audit
from antsp2p.records.encoding import Malformed
from antsp2p.records.fork import parse_proof, verify_proof
from antsp2p.records.keys import verify

if TYPE_CHECKING:
    import argparse

_WHY: Final = {
    "audit": "it is no audit file of this version",
    "audit-network": "it mixes records of several networks",
    "audit-chain": "a run of records in it is no chain",
    "audit-order": "its records are not in order",
    "audit-signature": "it has records that no signature covers",
    "audit-proof": "a fork proof in it proves nothing",
    "audit-fork": "its records contradict each other, and no proof in it says so",
    "audit-empty": "it has nothing of the node that it is said to be about",
    "proof": "the fork proof in it is not well formed",
    "too-large": "it is too large",
}
_AUDIT_BEGINS: Final = b"\xa5"
_PROOF_BEGINS: Final = b"\x83"


def run(options: argparse.Namespace) -> int:
    """Check the file and say what it proves."""
    data = _read(options.file)
    try:
        view = _proof_view(data) if data[:1] == _PROOF_BEGINS else _audit_view(data)
    except Malformed as error:
        why = _WHY.get(error.reason, f"it is damaged or was changed ({error.reason})")
        raise CommandError(Exit.FAILED, f"{options.file} proves nothing: {why}") from error
    if options.json:
        say_json(view)
    elif view["kind"] == "proof":
        _say_proof(view)
    else:
        _say_audit(view)
    return Exit.OK


def _read(name: str) -> bytes:
    try:
        if name == "-":
            data = read_input(MAX_AUDIT_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_AUDIT_BYTES + 1)
    except OSError as error:
        raise CommandError(Exit.USAGE, f"cannot read {name}: {error.strerror}") from error
    if data[:1] not in (_AUDIT_BEGINS, _PROOF_BEGINS):
        raise CommandError(Exit.FAILED, f"{name} is neither an audit file nor a fork proof")
    return data


# --- what is proven ------------------------------------------------------------------------------


def _proof_view(data: bytes) -> dict[str, Any]:
    proof = parse_proof(data)
    network = proof.left[0].network
    if not verify_proof(proof, network, verify):
        raise Malformed("audit-proof")
    return {
        "kind": "proof", "id": proof.id.hex(), "author": proof.author.hex(), "seq": proof.seq,
        "network": network.hex(), "lowest": proof.is_lowest,
        "branches": [
            [record.id.hex() for record in branch] for branch in (proof.left, proof.right)
        ],
    }


def _audit_view(data: bytes) -> dict[str, Any]:
    audit = parse_audit(data)
    signatures = check_audit(audit, verify)
    if not audit.of(audit.author) and not audit.fork_seq(audit.author):
        raise Malformed("audit-empty")
    judged = judge(audit)
    authors = {run[0].author for run in audit.runs} | {proof.author for proof in audit.proofs}
    return {
        "kind": "audit", "author": audit.author.hex(), "network": audit.network.hex(),
        "size": len(data), "records": sum(map(len, audit.runs)), "authors": len(authors),
        "signatures": signatures,
        "keys": [_log_view(facts) for facts in judged.line],
        "forks": [
            {"author": proof.author.hex(), "seq": proof.seq, "proof": proof.id.hex()}
            for proof in audit.proofs
        ],
        "counts": {
            capability: {
                kind: {"claims": claims, "weight": weight}
                for kind, (claims, weight) in kinds.items()
            }
            for capability, kinds in judged.counts().items()
        },
        "deeds": _deed_views(judged),
        "unjudged": judged.unjudged, "without_offer": judged.contested,
        "offers": judged.offers, "unanswered": judged.unanswered,
        "gaps": _gaps(audit),
    }


def _log_view(facts: LogFacts) -> dict[str, Any]:
    standing = facts.standing
    return {
        "author": facts.author.hex(),
        "records": [list(stretch) for stretch in facts.stretches],
        "gapless": facts.is_gapless, "fork_seq": facts.fork_seq,
        "convicted": standing.convicted, "revoked": standing.revoked,
        "last_seq": standing.last_seq if standing.revoked else None,
    }


def _deed_views(judged: Judgement) -> list[dict[str, Any]]:
    return [
        {
            "rater": deed.rater.hex() or None, "record": deed.record_id.hex(),
            "task": deed.task.hex(), "capability": deed.capability, "kind": str(deed.kind),
            "weight": deed.weight, "proof": str(deed.proof), "dispute": deed.dispute.hex() or None,
        }
        for deed in judged.deeds
    ]


def _gaps(audit: Audit) -> int:
    """Places within logs of others of which the file has only parts: as it is meant."""
    authors = {run[0].author for run in audit.runs}
    return len(audit.runs) - len(authors)


# --- for people ----------------------------------------------------------------------------------


def _say_proof(view: dict[str, Any]) -> None:
    say(f"proven: node {view['author']}")
    say(f"signed two histories, which part at record {view['seq']}")
    say()
    say_fields({"proof": view["id"], "network": view["network"]})


def _say_audit(view: dict[str, Any]) -> None:
    say(f"proven: what node {view['author']} signed, and what others signed about it")
    say()
    fields = {
        "network": view["network"],
        "records": f"{view['records']} of {view['authors']} nodes, covered by "
        f"{view['signatures']} signatures, all good",
    }
    for number, key in enumerate(view["keys"]):
        name = "log" if not number else f"before {short(key['author'])}"
        fields[name] = _log_text(key)
    fields["fork"] = _fork_text(view)
    say_fields(fields)
    say()
    rows = [
        (capability or "(as a requester)", kind, str(item["claims"]), str(item["weight"]))
        for capability, kinds in view["counts"].items() for kind, item in kinds.items()
    ]
    say_table(
        ("capability", "what became of it", "claims", "weight"), rows,
        "nobody's word on any of its work is in the file",
    )
    say()
    if view["unjudged"]:
        say(f"claims on which the file has nobody's word: {view['unjudged']}")
    if view["without_offer"]:
        say(f"claims whose tasks are not in the file: {view['without_offer']}")
    if view["offers"]:
        say(f"tasks it offered: {view['offers']}; delivered and not answered: "
            f"{view['unanswered']}")
    say("what is not in the file it cannot show: whoever wrote it may have left records out")


def _log_text(key: dict[str, Any]) -> str:
    if not key["records"]:
        return "none of its records is in the file"
    spans = ", ".join(f"{first} to {last}" for first, last in key["records"])
    text = f"records {spans}, " + ("without a gap" if key["gapless"] else "others are missing")
    if key["revoked"]:
        text += f"; revoked, nothing counts above record {key['last_seq']}"
    return text


def _fork_text(view: dict[str, Any]) -> str:
    own = [fork for fork in view["forks"] if fork["author"] == view["author"]]
    if own:
        return f"proven: it signed two histories, which part at record {own[0]['seq']}"
    return "none in this file"

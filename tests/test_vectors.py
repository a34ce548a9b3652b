"""The vectors: the files are what the script writes, and the code does what they say."""
from __future__ import annotations

import hashlib
import json
import socket
from dataclasses import fields
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from antsp2p.coordination.body import BlobRef, RecordType, named_ids, read_body
from antsp2p.coordination.body import content_hash as sha256
from antsp2p.coordination.capability import CapabilityFold, configuration_digest
from antsp2p.coordination.evidence import Kind, evidence_of
from antsp2p.coordination.marks import strength_ppm
from antsp2p.coordination.meaning import Meaning
from antsp2p.coordination.resolver import tie_break
from antsp2p.coordination.standing import PLAIN, recovery_digest
from antsp2p.coordination.tasks import TaskFold
from antsp2p.coordination.trust import Trust
from antsp2p.gossip import trie
from antsp2p.gossip.admission import Admission, Refusal, parse_answer, parse_join_request
from antsp2p.gossip.affinity import distance
from antsp2p.gossip.bulk_wire import parse_chunk
from antsp2p.gossip.datagram import split_frames
from antsp2p.gossip.engine import Gossip
from antsp2p.gossip.join_code import NotACode, read_code
from antsp2p.gossip.network_keys import KeyRing, NetworkKey, link_key
from antsp2p.gossip.noise import Handshake, KeyPair, rekeyed
from antsp2p.gossip.outputs import Send
from antsp2p.gossip.suite import NOISE
from antsp2p.gossip.wire import frame_name
from antsp2p.records import keys, work
from antsp2p.records.audit import check_audit, encode_audit, parse_audit
from antsp2p.records.beat import parse_beat
from antsp2p.records.clock import compare, join
from antsp2p.records.digest import Leaf
from antsp2p.records.encoding import MAX_UINT53, Malformed, decode, encode
from antsp2p.records.fork import encode_proof, parse_proof, verify_proof
from antsp2p.records.keys import Identity
from antsp2p.records.log import LogSet
from antsp2p.records.record import MAX_RECORD_BYTES, Record, parse_record
from antsp2p.runtime.blobs import BlobService, BlobStore
from antsp2p.runtime.bulk import LogsService
from antsp2p.runtime.home import HomeError, network_id
from antsp2p.runtime.streams import StreamServer
from tests.gossip.protections import protection_of
from tests.runtime.secured import ask as sealed_ask
from tests.runtime.secured import member
from tests.vectors import digests, generate, trust
from tests.vectors.common import NETWORK, diagnostic, identity, verify, written
from tests.vectors.logs import told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


_FILES = generate.files()


def load(name: str) -> Any:
    return json.loads((generate.FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def each(file: str, *groups: str) -> pytest.MarkDecorator:
    """The test runs once for every case of these groups of a file (default: all of them)."""
    content = load(file)
    found = [
        pytest.param(case, id=f"{group}: {case['name']}")
        for group, cases in content.items() if isinstance(cases, list)
        if not groups or group in groups
        for case in cases
    ]
    return pytest.mark.parametrize("case", found)


def reason_of(read: Callable[[bytes], object], data: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        read(data)
    return caught.value.reason


def unhex(case: dict[str, Any], key: str) -> bytes:
    return bytes.fromhex(case[key])


# --- the files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(_FILES))
def test_files_are_what_the_script_writes(name: str) -> None:
    here = (generate.FOLDER / name).read_text(encoding="utf-8")
    assert here == _FILES[name], "run: python -m tests.vectors.generate"


def test_no_other_files_and_not_too_large() -> None:
    found = {path.name: path.stat().st_size for path in generate.FOLDER.glob("*.json")}
    assert found.keys() == _FILES.keys()
    assert sum(found.values()) < 1_000_000


@pytest.mark.parametrize("name", sorted(_FILES))
def test_names_are_unique_and_reasons_given(name: str) -> None:
    for group, cases in json.loads(_FILES[name]).items():
        if isinstance(cases, list):
            names = [case["name"] for case in cases]
            assert len(set(names)) == len(names), group
            assert all(case["why"] and "\n" not in case["why"] for case in cases), group


# --- records -------------------------------------------------------------------------------------


@each("encoding", "valid")
def test_valid_encoding(case: dict[str, Any]) -> None:
    value = decode(unhex(case, "bytes"), MAX_RECORD_BYTES)
    assert diagnostic(value) == case["value"]
    assert encode(value).hex() == case["bytes"]


@each("encoding", "invalid")
def test_invalid_encoding(case: dict[str, Any]) -> None:
    reason = reason_of(lambda data: decode(data, MAX_RECORD_BYTES), unhex(case, "bytes"))
    assert reason == case["reason"]


@each("keys", "public_keys")
def test_public_keys(case: dict[str, Any]) -> None:
    assert keys.is_acceptable_public_key(unhex(case, "public_key")) is case["acceptable"]


@each("keys", "signatures")
def test_signatures(case: dict[str, Any]) -> None:
    signer = Identity.from_seed(unhex(case, "seed"))
    message, signature = unhex(case, "message"), unhex(case, "signature")
    assert signer.author.hex() == case["public_key"]
    assert signer.sign(message) == signature
    assert keys.verify(signer.author, signature, message)


@each("records", "valid")
def test_valid_records(case: dict[str, Any]) -> None:
    record = parse_record(unhex(case, "wire"))
    for name in ("id", "network", "author", "seq", "prev", "refs", "type", "claimed_ms"):
        assert written(getattr(record, name)) == case[name], name
    assert record.verifies(keys.verify) is case["signed"]
    assert record.wire.hex() == case["wire"]


@each("records", "invalid")
def test_invalid_records(case: dict[str, Any]) -> None:
    assert reason_of(parse_record, unhex(case, "wire")) == case["reason"]


@each("bodies", "meant")
def test_meant_bodies(case: dict[str, Any]) -> None:
    values = decode(unhex(case, "body"), MAX_RECORD_BYTES)
    body, _ = read_body(case["type"], values)
    assert body is not None
    meaning = {field.name: getattr(body, field.name) for field in fields(body)}
    for name, value in meaning.items():
        if isinstance(value, BlobRef):
            meaning[name] = [value.hash, value.size]
    assert written(meaning) == case["fields"]
    assert written(named_ids(body)) == case["named_ids"]
    assert RecordType(case["type"]).name.lower() == case["kind"]


@each("bodies", "void")
def test_void_bodies(case: dict[str, Any]) -> None:
    body, fault = read_body(case["type"], decode(unhex(case, "body"), MAX_RECORD_BYTES))
    assert body is None
    assert fault == case["fault"]


@each("beats", "valid")
def test_valid_beats(case: dict[str, Any]) -> None:
    beat = parse_beat(unhex(case, "wire"))
    for name in ("network", "author", "counter", "head_seq", "head", "free_slots", "load"):
        assert written(getattr(beat, name)) == case[name], name
    assert written(beat.claims) == case["claims"]
    assert beat.verifies(keys.verify) is case["signed"]
    assert beat.wire.hex() == case["wire"]


@each("beats", "invalid")
def test_invalid_beats(case: dict[str, Any]) -> None:
    assert reason_of(parse_beat, unhex(case, "wire")) == case["reason"]


@each("logs")
def test_logs(case: dict[str, Any]) -> None:
    table = {name: parse_record(bytes.fromhex(wire)) for name, wire in case["records"].items()}
    logs = LogSet(NETWORK, verify)
    for step in case["steps"]:
        if "proof" in step:
            change = logs.convict(parse_proof(unhex(step, "proof")))
        else:
            change = logs.insert([table[name] for name in step["run"]])
        found = written(told(change, table))
        assert found == {name: step[name] for name in found}
    by_wire = {wire: name for name, wire in case["records"].items()}
    assert [by_wire[record.wire.hex()] for record in logs.records()] == case["set"]
    assert [leaf.wire.hex() for leaf in logs.leaves()] == case["leaves"]
    assert logs.root().hex() == case["root"]


@each("proofs", "valid")
def test_valid_proofs(case: dict[str, Any]) -> None:
    proof = parse_proof(unhex(case, "wire"))
    assert encode_proof(proof).hex() == case["wire"]
    assert (proof.author.hex(), proof.seq, proof.id.hex()) == (
        case["author"], case["seq"], case["id"])
    assert verify_proof(proof, NETWORK, keys.verify) is case["convicts"]
    assert proof.is_lowest is case["lowest"]
    assert written(proof.unknown) == case["unknown"]


@each("proofs", "invalid")
def test_invalid_proofs(case: dict[str, Any]) -> None:
    assert reason_of(parse_proof, unhex(case, "wire")) == case["reason"]


@each("audits", "valid")
def test_valid_audits(case: dict[str, Any]) -> None:
    audit = parse_audit(unhex(case, "wire"))
    assert encode_audit(audit).hex() == case["wire"]
    check_audit(audit, verify)
    assert (audit.network, audit.author.hex()) == (NETWORK, case["author"])
    assert written([[record.id for record in run] for run in audit.runs]) == case["runs"]
    assert written([[proof.author, proof.seq] for proof in audit.proofs]) == case["forks"]


@each("audits", "invalid")
def test_invalid_audits(case: dict[str, Any]) -> None:
    assert reason_of(
        lambda data: check_audit(parse_audit(data), verify), unhex(case, "wire")
    ) == case["reason"]


# --- coordination --------------------------------------------------------------------------------


def parsed(case: dict[str, Any]) -> list[Record]:
    return [parse_record(bytes.fromhex(wire)) for wire in case["records"]]


def orders(records: list[Record]) -> Iterator[list[Record]]:
    """Some orders of arrival: as written, backwards, by id, and two at random."""
    yield records
    yield records[::-1]
    yield sorted(records, key=lambda record: record.id)
    for seed in range(2):
        yield Random(seed).sample(records, len(records))


@each("contests")
def test_contests(case: dict[str, Any]) -> None:
    task = unhex(case, "task")
    assert all(record.verifies(verify) for record in parsed(case))
    for records in orders(parsed(case)):
        fold = TaskFold()
        for author in case["convicted"]:
            fold.convict(bytes.fromhex(author))
        for record in records:
            fold.add(record)
        found = fold.resolve(task)
        expected = case["expected"]
        if expected is None or found is None:
            assert expected is found
            continue
        assert written({
            "state": str(found.state), "epoch": found.epoch,
            "holder": None if found.holder is None else found.holder.id,
            "rule": str(found.rule), "settled": found.settled, "alias_of": found.alias_of,
        }) == expected


@each("evidence", "evidence")
def test_evidence(case: dict[str, Any]) -> None:
    observer = identity("an observer").author
    assert all(record.verifies(verify) for record in parsed(case))
    for records in orders(parsed(case)):
        fold, capabilities = TaskFold(), CapabilityFold()
        for record in records:
            fold.add(record)
            capabilities.add(record)
        found = evidence_of(
            observer, unhex(case, "task"), fold, lambda *_: 0, capabilities.configuration)
        deeds = [*found.deeds, *(owed.deed for owed in found.unanswered)]
        shown = [
            {
                "kind": str(deed.kind),
                "rater": None if deed.rater == observer else deed.rater.hex(),
                "subject": deed.subject.hex(), "claim": deed.claim.hex(),
                "record": deed.record_id.hex(),
                "weight": 0 if deed.kind is Kind.UNANSWERED else deed.weight,
                "capability": deed.capability, "configuration": deed.configuration.hex(),
                "dispute": deed.dispute.hex() or None,
            }
            for deed in deeds
        ]
        shown.sort(key=lambda deed: (deed["kind"], deed["claim"], deed["rater"] or ""))
        assert shown == case["deeds"]


@each("clocks", "derived")
def test_derived_clocks(case: dict[str, Any]) -> None:
    for records in orders(parsed(case)):
        fold = TaskFold()
        for record in records:
            fold.add(record)
        for expected in case["clocks"]:
            clock = fold.clock(unhex(case, "task"), unhex(expected, "record"))
            assert {author.hex(): seq for author, seq in clock.items()} == expected["clock"]


@each("clocks", "orders")
def test_orders_of_clocks(case: dict[str, Any]) -> None:
    left, right = (
        {bytes.fromhex(author): seq for author, seq in case[side].items()}
        for side in ("left", "right")
    )
    assert compare(left, right).value == case["order"]
    for joined in (join(left, right), join(right, left)):
        assert {author.hex(): seq for author, seq in joined.items()} == case["joined"]


@each("hashes", "tie_breaks")
def test_tie_breaks(case: dict[str, Any]) -> None:
    found = tie_break(unhex(case, "task"), case["epoch"], unhex(case, "author"))
    assert found.hex() == case["hash"]


@each("hashes", "contents")
def test_hashes_of_content(case: dict[str, Any]) -> None:
    assert sha256(unhex(case, "content")).hex() == case["hash"]


@each("hashes", "recovery_digests")
def test_recovery_digests(case: dict[str, Any]) -> None:
    assert recovery_digest(unhex(case, "recovery_key")) == unhex(case, "digest")


@each("hashes", "configuration_digests")
def test_configuration_digests(case: dict[str, Any]) -> None:
    parts = [bytes.fromhex(part) for part in case["parts"]]
    assert configuration_digest(reversed(parts)) == unhex(case, "digest")


@each("hashes", "work")
def test_work(case: dict[str, Any]) -> None:
    network, author = unhex(case, "network_id"), unhex(case, "author")
    assert work.check(network, author, case["nonce"], case["bits"]) == case["pays"]


def meaning_of(records: Sequence[Record], work_bits: int = 0) -> Meaning:
    """What the records mean, given one by one and again until nothing is left out."""
    logs = LogSet(NETWORK, verify)
    meaning = Meaning(bytes(32), NETWORK, logs.at, work_bits=work_bits)
    for record in [*records] * len(records):
        insertion = logs.insert([record])
        for gone in insertion.removed:
            meaning.remove(gone)
        if insertion.convicted is not None:
            meaning.forked(insertion.convicted.author, insertion.convicted.seq)
        for added in insertion.added:
            meaning.add(added)
    return meaning


@each("marks", "strengths")
def test_what_is_left_of_a_mark(case: dict[str, Any]) -> None:
    assert strength_ppm(case["age_ms"], case["half_life_ms"]) == case["strength_ppm"]


@each("marks", "standing")
def test_which_marks_stand(case: dict[str, Any]) -> None:
    for records in orders(parsed(case)):
        meaning = meaning_of(records)
        assert {
            topic: {a.hex(): entry.body.text for a, entry in meaning.marks.live(topic).items()}
            for topic in meaning.marks.names()
        } == case["stands"]


@each("standings")
def test_standings(case: dict[str, Any]) -> None:
    expected = {bytes.fromhex(author): found for author, found in case["standings"].items()}
    for records in orders(parsed(case)):
        meaning = meaning_of(records, case["work_bits"])
        for author in {record.author for record in records}:
            found, standing = expected.get(author), meaning.standing(author)
            assert (found is None) == (standing == PLAIN)
            if found is not None:
                last_seq = None if standing.last_seq == MAX_UINT53 else standing.last_seq
                assert written({
                    "last_seq": last_seq, "convicted": standing.convicted,
                    "revoked": standing.revoked, "unpaid": standing.unpaid,
                    "named": standing.named or None,
                }) == found
            line = [each.hex() for each in meaning.standings.lineage(author)]
            assert line == case["lineages"].get(author.hex(), [author.hex()])


@each("hashes", "distances")
def test_distances(case: dict[str, Any]) -> None:
    found = distance(unhex(case, "one"), unhex(case, "other"))
    assert found.to_bytes(8, "big").hex() == case["distance"]


@each("hashes", "network_names")
def test_network_names(case: dict[str, Any]) -> None:
    assert network_id(case["network_name"]).hex() == case["network"]


@each("hashes", "priced_network_names")
def test_priced_network_names(case: dict[str, Any]) -> None:
    assert network_id(case["network_name"], case["bits"]).hex() == case["network"]


@each("hashes", "bad_network_names")
def test_bad_network_names(case: dict[str, Any]) -> None:
    with pytest.raises(HomeError, match="1 to 64 bytes"):
        network_id(case["network_name"])


# --- trust ---------------------------------------------------------------------------------------


@each("trust", "cases")
def test_trust(case: dict[str, Any]) -> None:
    said = [
        trust.Said(
            unhex(each, "rater"), unhex(each, "subject"), each["good"], each["weight"],
            each["capability"], each["bucket"], unhex(each, "configuration"), unhex(each, "claim"),
        ) for each in case["said"]
    ]
    for order in (said, said[::-1]):
        view = Trust(unhex(case, "observer"))
        for one in order:
            view.add(one)
        assert written(trust.scores(view, case["now"])) == case["scores"]


def test_the_example_of_the_text() -> None:
    (case,) = (case for case in load("trust")["cases"] if case["name"] == "why 0.31")
    ben = next(each for each in case["scores"] if each["subject"] == trust.BEN.hex())
    assert (ben["value_ppm"], ben["accepted"], ben["failed"]) == (307_692, 2_000_000, 1_250_000)


# --- digests -------------------------------------------------------------------------------------


def stranger_content(leaves: list[bytes], prefix: str) -> bytes:
    """What is hashed for a prefix, as section 19 says."""
    if len(prefix) > 2:
        return b"".join(leaf for leaf in leaves if leaf.hex().startswith(prefix))
    below = [index for index in range(256) if f"{index:02x}".startswith(prefix)]
    return b"".join(
        sha256(b"".join(leaf for leaf in leaves if leaf[0] == index)) for index in below
    )


def stranger_node(leaves: list[bytes], key: bytes, prefix: str) -> dict[str, Any]:
    """What stands below a prefix, as section 19 says."""

    def print_(data: bytes) -> str:
        return hashlib.blake2s(data, key=key).digest()[:3].hex()

    below = [leaf for leaf in leaves if leaf.hex().startswith(prefix)]
    if len(below) > 16:
        digits = "0123456789abcdef"
        return {"fingerprints": "".join(
            print_(stranger_content(leaves, prefix + digit)) for digit in digits
        )}
    return {"marks": [
        [print_(leaf[:32]) + print_(leaf[40:72]), int.from_bytes(leaf[32:40], "big"),
         int.from_bytes(leaf[72:], "big")]
        for leaf in below
    ]}


@each("digests", "cases")
def test_digests(case: dict[str, Any]) -> None:
    """Both the vectors and the code, by a second writing of the text."""
    wires = [bytes.fromhex(leaf) for leaf in case["leaves"]]
    leaves = [
        Leaf(wire[:32], int.from_bytes(wire[32:40], "big"), wire[40:72],
             int.from_bytes(wire[72:], "big"))
        for wire in wires
    ]
    assert [leaf.wire for leaf in leaves] == wires
    digest = digests.digest_of(leaves)
    assert digest.root() == unhex(case, "root")
    assert digest.root() == sha256(b"antsp2p/1/root\0" + stranger_content(wires, ""))[:16]
    for index in range(256):
        shelf = stranger_content(wires, f"{index:02x}")
        assert digest.content(f"{index:02x}") == shelf
        assert case["shelves"].get(f"{index:02x}", sha256(b"").hex()) == shelf.hex()
    by_author = {leaf.author: leaf for leaf in leaves}
    for expected in case["nodes"]:
        key, prefix = unhex(expected, "key"), expected["prefix"]
        below = {name: expected[name] for name in expected.keys() & {"fingerprints", "marks"}}
        assert stranger_node(wires, key, prefix) == below
        assert written(trie.node(digest, by_author.get, key, prefix)) == [
            prefix, *below.values()]


# --- on the wire ---------------------------------------------------------------------------------


def a_gossip() -> Gossip:
    about = load("datagrams")
    keys_known = KeyRing(NETWORK, [NetworkKey(unhex(about, "secret"))])
    protection = protection_of(identity("ada"), NETWORK, suite=NOISE, keys=keys_known)
    assert unhex(about, "me") == protection.author
    return Gossip(
        logs=LogSet(NETWORK, verify), protection=protection, instance=unhex(about, "instance"),
        rng=Random(1), now_us=0, verify=verify,
    )


@each("frames", "valid")
def test_valid_frames(case: dict[str, Any]) -> None:
    (frame,), unknown = split_frames(unhex(case, "frames"))
    assert unknown == 0
    assert frame_name(frame) == case["frame"]
    meaning = {field.name: getattr(frame, field.name) for field in fields(frame)}
    assert written(meaning) == case["fields"]


@each("frames", "invalid")
def test_invalid_frames(case: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as caught:
        split_frames(unhex(case, "frames"))
    assert caught.value.reason == case["reason"]


@each("datagrams", "dropped")
def test_dropped_datagrams(case: dict[str, Any]) -> None:
    data = unhex(case, "datagram")
    gossip = a_gossip()
    out = gossip.receive(("192.0.2.1", 4_747), data, 0)
    assert gossip.drops[case["reason"]] == 1
    assert [send.data.hex() for send in out if isinstance(send, Send)] == (
        [case["reply"]] if case["reply"] else [])


# --- links ---------------------------------------------------------------------------------------


@each("links", "keys")
def test_what_follows_from_a_secret(case: dict[str, Any]) -> None:
    def derived(use: bytes, size: int) -> str:
        return hashlib.blake2s(
            b"antsp2p/1/network-key\0" + use + b"\0" + NETWORK, key=unhex(case, "secret"),
            digest_size=size,
        ).hexdigest()

    assert (case["key_id"], case["psk"], case["mac_key"]) == (
        derived(b"id", 4), derived(b"psk", 32), derived(b"mac", 32))
    key = link_key(NETWORK, NetworkKey(unhex(case, "secret")))
    assert (key.id.hex(), key.psk.hex()) == (case["key_id"], case["psk"])


def test_a_handshake_of_noise_alone() -> None:
    """Done again with nothing but the framework and the private keys told."""
    story = load("links")["handshakes"][0]
    psk = unhex(load("links")["keys"][0], "psk")
    caller, callee = (
        Handshake(
            "XXpsk0", initiator=who == "caller", prologue=b"antsp2p/1/datagrams\0" + NETWORK,
            static=KeyPair(unhex(story[who], "static_private")),
            ephemeral=unhex(story[who], "ephemeral_private"), psks=[psk],
        )
        for who in ("caller", "callee")
    )
    hello, welcome, confirm = (unhex(story, name) for name in ("hello", "welcome", "confirm"))
    first, second, third = hello[25:-32], welcome[9:-16], confirm[5:-16]
    payloads = []
    for writer, reader, message in (
        (caller, callee, first), (callee, caller, second), (caller, callee, third)
    ):
        payloads.append(reader.read(message))
        assert writer.write(payloads[-1]) == message
    assert caller.split() == (unhex(story, "key_to_callee"), unhex(story, "key_to_caller"))
    assert [decode(payload, 1_200)[0] for payload in payloads] == [0, 1, 2]
    for who, payload in (("callee", payloads[1]), ("caller", payloads[2])):
        author, signature = decode(payload, 1_200)[1:3]
        assert verify(author, signature, unhex(story[who], "static_signed"))
    for sealed, (key, counter) in zip(story["sealed"], _keys_of(story), strict=True):
        data = unhex(sealed, "datagram")
        assert data[5:13] == counter.to_bytes(8, "little")
        opened = NOISE.cipher(key).decrypt(bytes(4) + data[5:13], data[13:], data[:13])
        assert opened == unhex(sealed, "plain")


def test_in_a_handshake_both_sides_show_what_they_paid() -> None:
    story = load("links")["handshakes"][2]
    psk = unhex(load("links")["keys"][0], "psk")
    reading = {
        who: Handshake(
            "XXpsk0", initiator=who == "caller", prologue=b"antsp2p/1/datagrams\0" + NETWORK,
            static=KeyPair(unhex(story[who], "static_private")),
            ephemeral=unhex(story[who], "ephemeral_private"), psks=[psk],
        )
        for who in ("caller", "callee")
    }
    hello, welcome, confirm = (unhex(story, name) for name in ("hello", "welcome", "confirm"))
    frames = []
    for writer, reader, message in (
        ("caller", "callee", hello[25:-32]), ("callee", "caller", welcome[9:-16]),
        ("caller", "callee", confirm[5:-16]),
    ):
        payload = reading[reader].read(message)
        assert reading[writer].write(payload) == message
        frames.append(decode(payload, 1_200))
    for who, frame in (("callee", frames[1]), ("caller", frames[2])):
        assert frame[-1] == story[who]["work"]
        assert work.check(NETWORK, frame[1], frame[-1], story["bits"])


def _keys_of(story: dict[str, Any]) -> list[tuple[bytes, int]]:
    """The key and the counter of each sealed datagram of the story."""
    out, back = unhex(story, "key_to_callee"), unhex(story, "key_to_caller")
    return [
        (out, 0), (out, 1), (back, 0), (rekeyed(out), 1 << 32), (rekeyed(rekeyed(out)), 2 << 32),
    ]


# --- blobs ---------------------------------------------------------------------------------------


async def ask(server: StreamServer, request: bytes) -> bytes:
    """All that a holder gives for `request`, after which the asker is silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, [listener])
            answer = await sealed_ask(listener.getsockname(), NETWORK, request)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    return answer


def a_server(folder: Path) -> StreamServer:
    store = BlobStore(folder)
    store.put(unhex(load("blobs"), "content"))
    return StreamServer(member(NETWORK), [BlobService(store, NETWORK)])


@each("blobs", "answered")
async def test_answered_blob_requests(case: dict[str, Any], tmp_path: Path) -> None:
    server = a_server(tmp_path)
    assert (await ask(server, unhex(case, "request"))).hex() == case["answer"]
    assert not server.drops


@each("blobs", "refused")
async def test_refused_blob_requests(case: dict[str, Any], tmp_path: Path) -> None:
    server = a_server(tmp_path)
    assert await ask(server, unhex(case, "request")) == b""
    assert server.drops == {f"blob-{case['reason']}": 1}


# --- logs in bulk --------------------------------------------------------------------------------


def a_holder(folder: Path) -> StreamServer:
    logs = LogSet(NETWORK, verify)
    holder = Gossip(
        logs=logs, protection=member(NETWORK), instance=bytes(8), rng=Random(1), now_us=0,
        verify=verify,
    )
    for log in load("bulk")["logs"].values():
        run = [parse_record(bytes.fromhex(wire)) for wire in log["records"]]
        assert logs.insert(run).added
        for record in run:
            holder.restored(record.id, log["age_ms"], 0)
    return StreamServer(member(NETWORK), [
        BlobService(BlobStore(folder), NETWORK),
        LogsService(NETWORK, holder.answer_logs, lambda: 0),
    ])


@each("bulk", "answered")
async def test_answered_requests_for_logs(case: dict[str, Any], tmp_path: Path) -> None:
    server = a_holder(tmp_path)
    assert (await ask(server, unhex(case, "request"))).hex() == case["answer"]
    assert not server.drops


@each("bulk", "refused")
async def test_refused_requests_for_logs(case: dict[str, Any], tmp_path: Path) -> None:
    server = a_holder(tmp_path)
    assert await ask(server, unhex(case, "request")) == b""
    assert server.drops == {case["reason"]: 1}


@each("bulk", "malformed")
def test_malformed_chunks(case: dict[str, Any]) -> None:
    assert reason_of(parse_chunk, unhex(case, "chunk")) == case["reason"]


# --- admission -----------------------------------------------------------------------------------


@each("admission", "codes")
def test_a_join_code_and_its_door(case: dict[str, Any]) -> None:
    code = read_code(case["text"])
    assert (code.secret.hex(), code.port, list(code.hosts)) == (
        case["secret"], case["port"], case["hosts"])
    door = hashlib.blake2b(code.secret, digest_size=16, person=b"antsp2p/1/door").hexdigest()
    assert door == case["door"]


@each("admission", "no_codes")
def test_no_join_code(case: dict[str, Any]) -> None:
    with pytest.raises(NotACode):
        read_code(case["text"])


def test_a_talk_at_a_door_of_noise_alone() -> None:
    """Done again with nothing but the framework and the private keys told."""
    (story,) = load("admission")["talks"]
    secret, door = unhex(story, "secret"), unhex(story, "door")
    psk = hashlib.blake2s(
        b"antsp2p/1/network-key\0psk\0" + door, key=secret, digest_size=32).digest()
    newcomer, host = (
        Handshake(
            "XXpsk0", initiator=who == "newcomer", prologue=b"antsp2p/1/stream\0" + door,
            static=KeyPair(unhex(story, f"{who}_static_private")),
            ephemeral=unhex(story, f"{who}_ephemeral_private"), psks=[psk],
        )
        for who in ("newcomer", "member")
    )
    first, second, third = (unhex(story, name)[2:] for name in ("first", "second", "third"))
    assert (first[0], first[1:17]) == (0x17, door)
    payloads = []
    for writer, reader, message in (
        (newcomer, host, first[21:-16]), (host, newcomer, second), (newcomer, host, third)
    ):
        payloads.append(reader.read(message))
        assert writer.write(payloads[-1]) == message
    to_host, to_newcomer = newcomer.split()
    for key, sealed, plain in (
        (to_host, "sealed_request", story["requests"]["take"]),
        (to_newcomer, "sealed_answer", story["answers"]["given"]),
    ):
        data = unhex(story, sealed)
        opened = NOISE.cipher(key).decrypt(bytes(12), data[2:], data[:2])
        assert opened[2:].hex() == plain
    given = parse_answer(decode(unhex(story["answers"], "given"), 256))
    assert given == Admission(
        "local", NETWORK, 1, unhex(load("links")["keys"][0], "secret"), 3_600_000)
    assert [parse_answer(decode(unhex(story["answers"], name), 256)) for name in (
        "used", "expired")] == [Refusal.USED, Refusal.EXPIRED]
    assert parse_join_request(decode(unhex(story["requests"], "take"), 128), door)
    assert not parse_join_request(decode(unhex(story["requests"], "look"), 128), door)

"""Bodies: what is meant, and what makes a record void."""
from __future__ import annotations

from dataclasses import fields
from typing import Any

from antsp2p.coordination.body import BlobRef, RecordType, named_ids, read_body
from antsp2p.records.encoding import MAX_UINT53, encode
from tests.vectors.common import Case, case

_A, _B, _C = (bytes((number,)) * 32 for number in (0xAA, 0xBB, 0xCC))
_OFFER: dict[int, Any] = {1: "text.wordcount", 2: 10_000, 3: 150, 4: 3, 5: b""}
_RESULT: dict[int, Any] = {0: _A, 1: _B, 2: 0, 3: b""}
_VERDICT: dict[int, Any] = {0: _A, 1: _B, 2: _C, 3: True, 4: bytes(32)}
_GONE = object()

_Entry = tuple[str, str, int, dict[int, Any]]

_VALID: tuple[_Entry, ...] = (
    ("announce", "a name is enough", 1, {1: "a"}),
    ("announce in full", "every field", 1, {
        1: "text.word-count_2", 2: 10_000, 3: True, 4: "counts words", 5: "ada", 6: bytes(32)}),
    ("announce of a key", "recovery digest, whom it succeeds, and work", 1, {
        1: "antsp2p.identity", 2: 0, 3: True, 7: _A, 8: _B, 9: MAX_UINT53}),
    ("announce at its defaults", "what is at its default may be there", 1, {
        1: "a", 2: 1, 3: False, 4: "", 5: ""}),
    ("announce, no slots", "0 is allowed", 1, {1: "a", 2: 0}),
    ("announce, longest name", "64 bytes", 1, {1: "a" * 64}),
    ("announce, longest text", "300 bytes, not characters", 1, {1: "a", 4: "é" * 150}),
    ("offer", "the required fields, and an empty input", 2, _OFFER),
    ("offer in full", "every field", 2, {
        1: "text.wordcount", 2: 500, 3: 0, 4: 1, 5: bytes(400), 7: "text/plain; charset=utf-8",
        8: 2_592_000_000, 9: True, 10: 1_000, 11: bytes(32), 12: [1, 2, MAX_UINT53]}),
    ("offer of a blob", "a hash and a size", 2, {
        **{key: value for key, value in _OFFER.items() if key != 5}, 6: [bytes(32), 16_777_216]}),
    ("offer, longest times", "a day, a minute, a thousand attempts", 2, {
        **_OFFER, 2: 86_400_000, 3: 60_000, 4: 1_000}),
    ("offer, media type without a space", "the space after a semicolon may be missing", 2, {
        **_OFFER, 7: "text/plain;charset=utf-8"}),
    ("offer, the input for its holder alone", "a blob, or all could read it", 2, {
        **{key: value for key, value in _OFFER.items() if key != 5}, 6: [_A, 9], 13: True}),
    ("claim", "a task and an epoch", 3, {0: _A, 1: 0}),
    ("claim, largest epoch", "2^53 - 1", 3, {0: _A, 1: MAX_UINT53}),
    ("claim with remarks", "unknown keys from 16 on are ignored", 3, {
        0: _A, 1: 0, 16: "x", 23: [b"", {0: None}]}),
    ("award", "a task and a claim", 4, {0: _A, 1: _B}),
    ("reopen", "by a requester it may name no claim", 5, {0: _A, 1: 0}),
    ("reopen in full", "every field, and a reason of a later version", 5, {
        0: _A, 1: 1, 2: _B, 3: 255, 4: [_A, _B], 5: "no sign of life"}),
    ("result", "done, with nothing to say", 6, _RESULT),
    ("result, failed", "the error in words", 6, {
        0: _A, 1: _B, 2: 1, 3: b"", 5: "text/plain", 6: "exit status 1"}),
    ("result, a blob", "a hash and a size", 6, {0: _A, 1: _B, 2: 0, 4: [bytes(32), 0]}),
    ("verdict, accept", "every id, and the hash of the content", 7, _VERDICT),
    ("verdict, reject", "with a reason", 7, {**_VERDICT, 3: False, 5: "wrong"}),
    ("cancel", "a task and a reason", 8, {0: _A, 1: 0}),
    ("cancel in full", "a reason of a later version, and words", 8, {0: _A, 1: 255, 2: "no"}),
    ("dispute", "a task, a claim, and what is contested", 9, {0: _A, 1: _B, 2: _C}),
    ("dispute in words", "with a reason", 9, {0: _A, 1: _B, 2: _C, 3: "I was there"}),
    ("mark wiped off", "a topic alone", 10, {1: "site.lab"}),
    ("mark in full", "every field at its largest", 10, {
        1: "a" * 64, 2: "é" * 150, 3: 2_592_000_000}),
    ("mark with remarks", "unknown keys from 16 on are ignored", 10, {1: "a", 3: 1, 16: 1}),
    ("vouch taken back", "an author alone, for no days", 11, {1: _A}),
    ("vouch in full", "every field at its largest", 11, {
        1: _A, 2: 1_000, 3: 366, 4: "text.wordcount", 5: "we work in one office"}),
    ("revoke", "an author and its last good record", 12, {1: _A, 2: 7, 3: _B}),
    ("revoke in full", "a successor, and words", 12, {1: _A, 2: 7, 3: _B, 4: _C, 5: "stolen"}),
    ("revoke of everything", "at seq 0 the id is zeros", 12, {1: _A, 2: 0, 3: bytes(32)}),
)


def _changed(body: dict[int, Any], key: int, value: Any) -> dict[int, Any]:
    merged = {**body, key: value}
    return {key: item for key, item in sorted(merged.items()) if item is not _GONE}


_VOID: tuple[tuple[str, str, int, dict[int, Any], str], ...] = (
    ("type 0", "there is none", 0, {}, "type"),
    ("checkpoint", "reserved", 13, {}, "type"),
    ("type 65535", "not known", 65_535, {}, "type"),
    ("unknown key 15", "a term that must not be overlooked", 3, {0: _A, 1: 0, 15: 0}, "key 15"),
    ("unknown key 0", "an announcement is of no task", 1, {0: _A, 1: "a"}, "key 0"),
    ("announce without a name", "required", 1, {2: 1}, "name"),
    ("name empty", "at least one letter or digit", 1, {1: ""}, "name"),
    ("name of 65 bytes", "64 are the most", 1, {1: "a" * 65}, "name"),
    ("name in capitals", "lower case only", 1, {1: "Text"}, "name"),
    ("name with a space", "no spaces", 1, {1: "a b"}, "name"),
    ("name ending in a dot", "a joint stands between words", 1, {1: "a."}, "name"),
    ("name with two dots", "one joint at a time", 1, {1: "a..b"}, "name"),
    ("name with an accent", "ASCII only", 1, {1: "é"}, "name"),
    ("name ending in a newline", "and nothing after it", 1, {1: "a\n"}, "name"),
    ("name as bytes", "a text", 1, {1: b"a"}, "name"),
    ("slots -1", "0 at least", 1, {1: "a", 2: -1}, "slots"),
    ("slots 10001", "10,000 are the most", 1, {1: "a", 2: 10_001}, "slots"),
    ("withdrawn 1", "1 is not true", 1, {1: "a", 3: 1}, "withdrawn"),
    ("text of 301 bytes", "300 are the most", 1, {1: "a", 4: "a" * 301}, "description"),
    ("nickname of 302 bytes", "bytes count, not characters", 1, {1: "a", 5: "é" * 151},
     "nickname"),
    ("digest of 31 bytes", "it has 32", 1, {1: "a", 6: bytes(31)}, "config_digest"),
    ("offer without a capability", "required", 2, _changed(_OFFER, 1, _GONE), "capability"),
    ("lease of 499 ms", "500 at least", 2, _changed(_OFFER, 2, 499), "lease_ms"),
    ("lease above a day", "86,400,000 at most", 2, _changed(_OFFER, 2, 86_400_001), "lease_ms"),
    ("no lease", "required", 2, _changed(_OFFER, 2, _GONE), "lease_ms"),
    ("settle above a minute", "60,000 at most", 2, _changed(_OFFER, 3, 60_001), "settle_ms"),
    ("settle -1", "0 at least", 2, _changed(_OFFER, 3, -1), "settle_ms"),
    ("no settle", "required", 2, _changed(_OFFER, 3, _GONE), "settle_ms"),
    ("0 attempts", "1 at least", 2, _changed(_OFFER, 4, 0), "attempts"),
    ("1,001 attempts", "1,000 at most", 2, _changed(_OFFER, 4, 1_001), "attempts"),
    ("no input", "an input or a blob", 2, _changed(_OFFER, 5, _GONE), "input"),
    ("input and blob", "one of the two", 2, _changed(_OFFER, 6, [bytes(32), 1]), "input"),
    ("input of 401 bytes", "400 are the most", 2, _changed(_OFFER, 5, bytes(401)), "input"),
    ("input as text", "a byte string", 2, _changed(_OFFER, 5, "x"), "input"),
    ("blob too large", "16 MiB are the most", 2,
     _changed(_changed(_OFFER, 5, _GONE), 6, [bytes(32), 16_777_217]), "blob"),
    ("blob without a size", "hash and size", 2,
     _changed(_changed(_OFFER, 5, _GONE), 6, [bytes(32)]), "blob"),
    ("media type empty", "at least one character", 2, _changed(_OFFER, 7, ""), "media_type"),
    ("media type of 101 bytes", "100 are the most", 2, _changed(_OFFER, 7, "a" * 101),
     "media_type"),
    ("media type with a newline", "it ends up in headers", 2,
     _changed(_OFFER, 7, "text/plain\n"), "media_type"),
    ("media type with a space", "only after a semicolon", 2, _changed(_OFFER, 7, "text plain"),
     "media_type"),
    ("media type ending in a space", "something follows", 2, _changed(_OFFER, 7, "text/plain; "),
     "media_type"),
    ("media type beginning with a semicolon and a space", "something stands before", 2,
     _changed(_OFFER, 7, "; a"), "media_type"),
    ("media type of semicolons", "judged in linear time, whatever the text", 2,
     _changed(_OFFER, 7, ";" * 99 + "\x7f"), "media_type"),
    ("timeout above 30 days", "2,592,000,000 at most", 2, _changed(_OFFER, 8, 2_592_000_001),
     "timeout_ms"),
    ("review 0", "0 is not false", 2, _changed(_OFFER, 9, 0), "review"),
    ("holder-only 1", "1 is not true", 2, _changed(_OFFER, 13, 1), "holder_only"),
    ("cost 0", "1 at least", 2, _changed(_OFFER, 10, 0), "cost"),
    ("cost 1001", "1,000 at most", 2, _changed(_OFFER, 10, 1_001), "cost"),
    ("empty key", "an idempotency key has 1 to 32 bytes", 2, _changed(_OFFER, 11, b""),
     "idempotency_key"),
    ("key of 33 bytes", "an idempotency key has 1 to 32 bytes", 2, _changed(_OFFER, 11, bytes(33)),
     "idempotency_key"),
    ("after nothing", "left out where there is nothing", 2, _changed(_OFFER, 12, []), "after"),
    ("after 17", "16 are the most", 2, _changed(_OFFER, 12, list(range(1, 18))), "after"),
    ("after not in order", "ascending", 2, _changed(_OFFER, 12, [2, 1]), "after"),
    ("after twice", "each once", 2, _changed(_OFFER, 12, [1, 1]), "after"),
    ("after 0", "counting begins at 1", 2, _changed(_OFFER, 12, [0]), "after"),
    ("claim without a task", "required", 3, {1: 0}, "task"),
    ("task of 31 bytes", "an id has 32", 3, {0: bytes(31), 1: 0}, "task"),
    ("claim without an epoch", "required", 3, {0: _A}, "epoch"),
    ("epoch -1", "0 at least", 3, {0: _A, 1: -1}, "epoch"),
    ("epoch 2^53", "beyond what every language can hold", 3, {0: _A, 1: 2**53}, "epoch"),
    ("epoch true", "true is not 1", 3, {0: _A, 1: True}, "epoch"),
    ("award without a claim", "required", 4, {0: _A}, "claim"),
    ("award of null", "an id", 4, {0: _A, 1: None}, "claim"),
    ("reopen without an epoch", "required", 5, {0: _A}, "epoch"),
    ("reason 256", "one byte", 5, {0: _A, 1: 0, 3: 256}, "reason"),
    ("nobody excluded", "left out where there is nobody", 5, {0: _A, 1: 0, 4: []}, "excluded"),
    ("nine excluded", "8 are the most", 5,
     {0: _A, 1: 0, 4: [bytes((n,)) * 32 for n in range(9)]}, "excluded"),
    ("excluded not in order", "ascending as bytes", 5, {0: _A, 1: 0, 4: [_B, _A]}, "excluded"),
    ("result without an outcome", "required", 6, _changed(_RESULT, 2, _GONE), "outcome"),
    ("outcome 2", "done or failed", 6, _changed(_RESULT, 2, 2), "outcome"),
    ("no output", "an output or a blob, for a failure too", 6, _changed(_RESULT, 3, _GONE),
     "output"),
    ("output and blob", "one of the two", 6, _changed(_RESULT, 4, [bytes(32), 1]), "output"),
    ("output of 401 bytes", "400 are the most", 6, _changed(_RESULT, 3, bytes(401)), "output"),
    ("error of 301 bytes", "300 are the most", 6, _changed(_RESULT, 6, "a" * 301), "error"),
    ("accept 1", "1 is not true", 7, _changed(_VERDICT, 3, 1), "accept"),
    ("verdict without a result", "required", 7, _changed(_VERDICT, 2, _GONE), "result"),
    ("verdict without a hash", "required", 7, _changed(_VERDICT, 4, _GONE), "result_hash"),
    ("cancel without a reason", "required", 8, {0: _A}, "reason"),
    ("cancel, reason -1", "0 at least", 8, {0: _A, 1: -1}, "reason"),
    ("recovery digest of 31 bytes", "it has 32", 1, {1: "a", 7: bytes(31)}, "recovery"),
    ("succeeds nobody", "left out where there is nobody", 1, {1: "a", 8: b""}, "succeeds"),
    ("work -1", "0 at least", 1, {1: "a", 9: -1}, "work"),
    ("dispute of nothing", "required", 9, {0: _A, 1: _B}, "record"),
    ("dispute without a claim", "required", 9, {0: _A, 2: _C}, "claim"),
    ("dispute of 31 bytes", "an id has 32", 9, {0: _A, 1: _B, 2: bytes(31)}, "record"),
    ("mark on a task", "it is of no task", 10, {0: _A, 1: "a", 3: 1}, "key 0"),
    ("mark without a topic", "required", 10, {2: "here", 3: 1}, "topic"),
    ("mark at no name", "a topic is a name", 10, {1: "Site Lab", 3: 1}, "topic"),
    ("mark at bytes", "a topic is text", 10, {1: b"a", 3: 1}, "topic"),
    ("mark with 301 bytes", "300 are the most", 10, {1: "a", 2: "x" * 301, 3: 1}, "text"),
    ("mark for as long as yes", "a number", 10, {1: "a", 3: True}, "half_life_ms"),
    ("mark for longer", "30 days are the most", 10, {1: "a", 3: 2_592_000_001}, "half_life_ms"),
    ("mark that grows", "0 at least", 10, {1: "a", 3: -1}, "half_life_ms"),
    ("mark with a term unknown", "keys below 16 are terms", 10, {1: "a", 3: 1, 4: 1}, "key 4"),
    ("vouch for a task", "it is of no task", 11, {0: _A, 1: _A}, "key 0"),
    ("vouch for nobody", "required", 11, {2: 1, 3: 1}, "author"),
    ("vouch with nothing", "1 at least", 11, {1: _A, 2: 0}, "weight"),
    ("vouch with 1001", "1,000 are the most", 11, {1: _A, 2: 1_001}, "weight"),
    ("vouch for 367 days", "366 are the most", 11, {1: _A, 3: 367}, "days"),
    ("vouch for no capability", "left out where it is for all", 11, {1: _A, 4: ""}, "capability"),
    ("revoke of a task", "it is of no task", 12, {0: _A, 1: _A, 2: 7, 3: _B}, "key 0"),
    ("revoke without an author", "required", 12, {2: 7, 3: _B}, "author"),
    ("revoke without a seq", "required", 12, {1: _A, 3: _B}, "seq"),
    ("revoke without an id", "required", 12, {1: _A, 2: 7}, "id"),
    ("revoke at seq 0 with an id", "there is no record", 12, {1: _A, 2: 0, 3: _B}, "id"),
    ("revoke with zeros for an id", "only at seq 0", 12, {1: _A, 2: 7, 3: bytes(32)}, "id"),
    ("successor of 31 bytes", "a key has 32", 12, {1: _A, 2: 7, 3: _B, 4: bytes(31)},
     "successor"),
)


def _meaning(type_: int, values: dict[int, Any]) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    body, wrong = read_body(type_, values)
    assert body is not None, wrong
    found = {field.name: getattr(body, field.name) for field in fields(body)}
    return {
        name: [value.hash, value.size] if isinstance(value, BlobRef) else value
        for name, value in found.items()
    }, named_ids(body)


def cases() -> dict[str, list[Case]]:
    """Bodies with their meaning, defaults filled in, and bodies that make a record void."""
    meant = []
    for name, why, type_, values in _VALID:
        fields_, ids = _meaning(type_, values)
        meant.append(case(
            name, why, type=type_, kind=RecordType(type_).name.lower(), body=encode(values),
            fields=fields_, named_ids=ids,
        ))
    return {
        "meant": meant,
        "void": [
            case(name, why, type=type_, body=encode(values), fault=fault)
            for name, why, type_, values, fault in _VOID
        ],
    }

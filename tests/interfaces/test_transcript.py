"""The main job at the terminal: two nodes, a worker at one, a poster at the other."""
from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from antsp2p.coordination.capability import configuration_digest
from antsp2p.interfaces.exit_codes import Exit
from tests.interfaces.terminal import Desk, antsp2p, two_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Pair = tuple[Desk, Desk]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with two_nodes(tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


def is_id(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def test_a_result_comes_back(pair: Pair) -> None:
    first, second = pair
    second.work("text.wordcount", "wc", "-w")
    assert first.say("post", "text.wordcount", "--input", "-", "--wait", stdin=b"a b c d") == "4\n"
    assert first.say("post", "text.wordcount", "--text", "one two", "--wait").strip() == "2"


def test_what_is_shown_of_a_task(pair: Pair) -> None:
    first, second = pair
    second.work("show.upper", "tr", "a-z", "A-Z")
    answer = first.json("post", "show.upper", "--text", "ants", "--wait", "--settle", "0")
    task = answer["task"]
    assert answer == {
        "task": task, "state": "accepted", "media_type": "application/octet-stream",
        "text": "ANTS",
    }

    (listed,) = (t for t in first.json("tasks", "--mine")["tasks"] if t["task"] == task)
    assert listed["state"] == "accepted"
    assert listed["rule"] == "end"
    assert listed["settled"] is True
    assert listed["holder"] == second.author
    assert listed["requester"] == first.author
    assert (listed["epoch"], listed["attempts"]) == (0, 3)
    assert not [t for t in second.json("tasks", "--mine")["tasks"] if t["task"] == task]
    assert [t["task"] for t in second.json("tasks", "--state", "accepted")["tasks"]].count(task)

    shown = first.json("task", task[:10])
    assert [line["type"] for line in shown["history"]] == [
        "offer", "claim", "award", "result", "verdict"]
    assert [line["state"] for line in shown["history"]] == [
        "open", "claimed", "working", "done", "accepted"]
    assert [line["rule"] for line in shown["history"]] == [
        "no-claim", "only-claim", "award", "award", "end"]
    assert shown["input"] == {"text": "ants", "size": 4}
    assert shown["results"][0]["output"] == {"text": "ANTS", "size": 4}
    text = first.say("task", task)
    assert "accepted (settled, rule: end)" in text
    assert "finished" in text
    assert first.say("task", task, "--result") == "ANTS"
    assert task[:12] in first.say("tasks")


def test_what_is_shown_of_peers(pair: Pair) -> None:
    first, second = pair
    second.work("peer.cat", "cat", options=(
        "--slots", "3", "--description", "as it is",
        "--configuration", "model-7", "--configuration", "Be brief.",
    ))
    first.say("post", "peer.cat", "--text", "x", "--wait")
    (peer,) = first.json("peers")["peers"]
    assert peer["author"] == second.author
    assert peer["nickname"] == "second"
    assert peer["linked"] is True
    assert peer["address"] == second.ready["address"]
    assert {
        "name": "peer.cat", "slots": 3, "description": "as it is",
        "configuration": configuration_digest([b"Be brief.", b"model-7"]).hex(),
    } in peer["capabilities"]
    assert peer["known"] is True
    assert 0 < peer["score_ppm"] < 1_000_000
    line = next(x for x in first.say("peers").splitlines() if x.startswith(second.author[:12]))
    assert "second" in line
    assert "peer.cat (3)" in line

    why = first.json("why", second.author[:8])
    assert why["author"] == second.author
    assert why["scores"]["peer.cat"]["accepted"] >= 1
    evidence = [item for item in why["evidence"] if item["capability"] == "peer.cat"]
    assert [item["kind"] for item in evidence] == ["accepted"]
    assert all(is_id(item["record"]) for item in evidence)
    assert "accepted" in first.say("why", second.author)
    # Whom one has not worked with is unknown, not bad.
    assert second.json("why", first.author)["scores"]["all"]["known"] is False


def test_the_log_is_readable(pair: Pair) -> None:
    first, _ = pair
    task = first.say("post", "log.nobody", "--text", "content").strip()
    records = first.json("log", "--author", first.author)["records"]
    (offer,) = (record for record in records if record["id"] == task)
    assert offer["type"] == "offer"
    assert offer["void"] is False
    assert offer["body"]["capability"] == "log.nobody"
    assert offer["body"]["input"] == {"text": "content"}
    line = next(x for x in first.say("log").splitlines() if x.startswith(task[:12]))
    assert "capability=log.nobody" in line
    assert 'input="content"' in line
    first.say("cancel", task)


def test_status(pair: Pair) -> None:
    first, _ = pair
    status = first.json("status")
    assert status["author"] == first.author
    assert status["pid"] == first.node.pid
    assert status["listen"] == first.ready["listen"]
    assert status["links"] == 1
    assert status["network_name"] == "local"
    assert status["confirmed"] is True
    assert status["catching_up"] == 0
    assert f"{first.author} (first)" in first.say("status")


def test_watch_follows_a_task(pair: Pair) -> None:
    first, second = pair
    watch = first.watch()
    second.work("watch.cat", "cat")
    announced = watch.json(kind="announced", subject=second.author)
    assert announced["capability"] == "watch.cat"
    task = first.say("post", "watch.cat", "--text", "x").strip()
    seen = watch.json(kind="task", subject=task, state="accepted")
    assert (seen["holder"], seen["settled"], seen["epoch"]) == (second.author, True, 0)


def test_large_content_travels_as_a_blob(pair: Pair, tmp_path: Path) -> None:
    first, second = pair
    second.work("blob.reverse", "rev")
    content = b"0123456789abcde\n" * (1 << 16)
    path = tmp_path / "content"
    path.write_bytes(content)
    done = first.run("post", "blob.reverse", "--input", str(path), "--wait")
    assert done.stdout == b"edcba9876543210\n" * (1 << 16)
    task = first.json("tasks", "--limit", "1")["tasks"][0]["task"]
    shown = first.json("task", task)
    assert shown["input"]["blob"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert shown["input"]["size"] == len(content)


def test_binary_results_are_written_as_they_are(pair: Pair) -> None:
    first, second = pair
    second.work("bin.cat", "cat")
    content = bytes(range(256))
    assert first.run("post", "bin.cat", "--input", "-", "--wait", stdin=content).stdout == content
    answer = first.json("post", "bin.cat", "--input", "-", "--wait", stdin=content)
    assert answer["base64"]


def test_input_beyond_the_bound_is_refused(pair: Pair) -> None:
    first, _ = pair
    content = bytes((16 << 20) + 1)
    line = first.refusal("post", "any.cat", "--input", "-", stdin=content, code=5)
    assert line == "antsp2p: the input is larger than 16 MiB; split the work up\n"


def test_a_failing_command_fails_the_task(pair: Pair) -> None:
    first, second = pair
    worker = second.work("fail.always", "sh", "-c", "echo went wrong >&2; exit 3")
    line = first.refusal(
        "post", "fail.always", "--text", "x", "--wait", "--attempts", "1", code=1)
    assert "dead-lettered" in line
    assert "the last attempt said: exit code 3: went wrong" in line
    assert worker.json(event="failed")["text"] == "exit code 3: went wrong"


def test_review_by_hand(pair: Pair) -> None:
    first, second = pair
    second.work("review.cat", "cat")
    done = first.run("post", "review.cat", "--text", "x", "--review", "--wait")
    assert done.stdout == b"x"
    task = first.json("tasks", "--limit", "1")["tasks"][0]["task"]
    assert f"antsp2p accept {task[:12]}" in done.stderr.decode()
    command = f"antsp2p accept {task[:12]} --home {first.home}"
    assert f"your review: {command}" in first.say("task", task)
    assert "your review" not in second.say("task", task)
    assert first.json("task", task)["state"] == "done"
    assert first.say("accept", task[:12]) == f"accepted {task}\n"
    assert first.json("task", task)["state"] == "accepted"
    assert "ended already" in first.refusal("accept", task, code=5)

    task = first.json("post", "review.cat", "--text", "y", "--review", "--attempts", "1",
                      "--wait")["task"]
    assert is_id(first.json("reject", task, "--reason", "not\x1bgood")["verdict"])
    line = first.refusal("task", task, "--result", "--wait", code=1)
    assert "dead-lettered" in line
    assert "rejected: not\\x1bgood" in first.say("task", task)


def test_only_the_poster_decides(pair: Pair) -> None:
    first, second = pair
    watch = second.watch()
    task = first.say("post", "decide.nobody", "--text", "x").strip()
    watch.json(kind="task", subject=task)
    assert "only the node that posted" in second.refusal("cancel", task, code=5)
    assert first.say("cancel", task, "--reason", "no need") == f"cancelled {task}\n"
    line = first.refusal("task", task, "--result", code=1)
    assert "cancelled (requester): no need" in line


def test_names_that_fit_nothing(pair: Pair) -> None:
    first, _ = pair
    assert "no task" in first.refusal("task", "0123456789", code=4)
    assert "4 hex digits" in first.refusal("task", "ab", code=4)
    assert "hex digits" in first.refusal("cancel", "../../x", code=4)
    assert "no node" in first.refusal("why", "ffffffffff", code=4)
    assert "capability" in first.refusal("post", "Not A Name", "--text", "x", code=5)
    assert "lease" in first.refusal("post", "a", "--text", "x", "--lease", "1ms", code=5)


def test_a_task_nobody_takes_times_out(pair: Pair) -> None:
    first, _ = pair
    line = first.refusal(
        "post", "time.nobody", "--text", "x", "--wait", "--timeout", "300ms", code=6)
    assert "cancelled (timeout)" in line


def test_a_task_that_nobody_wanted_says_that_nobody_offers_it(pair: Pair) -> None:
    first, _ = pair
    line = first.refusal(
        "post", "no.such", "--text", "x", "--timeout", "300ms", "--wait", code=Exit.TIMED_OUT)
    assert line.endswith(
        "is cancelled (timeout): the task's time is over; nobody offers no.such\n"), line


def test_what_an_attempt_has_of_the_time_is_shown(pair: Pair) -> None:
    first, _ = pair
    task = first.say("post", "time.nobody", "--text", "x", "--timeout", "30s").strip()
    assert "30s in all, 10s for each of 3 attempts" in first.say("task", task)


def test_one_key_is_one_task(pair: Pair) -> None:
    first, _ = pair
    once = first.say("post", "key.nobody", "--text", "x", "--key", "order 7").strip()
    assert first.say("post", "key.nobody", "--text", "x", "--key", "order 7").strip() == once
    assert first.say("post", "key.nobody", "--text", "x", "--key", "order 8").strip() != once
    line = first.refusal("post", "key.nobody", "--text", "y", "--key", "order 7", code=5)
    assert f"stands for task {once[:12]} already, which has another input; that task stands" in line
    line = first.refusal("post", "key.other", "--text", "x", "--key", "order 7", code=5)
    assert "another capability" in line


def test_a_task_after_another(pair: Pair) -> None:
    first, second = pair
    before = first.say("post", "after.one", "--text", "1").strip()
    later = first.say("post", "after.two", "--text", "2", "--after", before[:16]).strip()
    second.work("after.two", "cat")
    second.work("after.one", "cat")
    assert first.say("task", later, "--result", "--wait") == "2"
    assert first.json("task", before)["state"] == "accepted"


def test_what_strangers_write_is_escaped(pair: Pair) -> None:
    first, second = pair
    second.work("evil.cat", "sh", "-c", "printf '\\033[2J\\n\\342\\200\\256' >&2; exit 1",
                options=("--description", "\x1b]0;title\x07[bold]"))
    first.refusal("post", "evil.cat", "--text", "x", "--wait", "--attempts", "1", code=1)
    task = first.json("tasks", "--limit", "1")["tasks"][0]["task"]
    for text in (first.say("task", task), first.say("log"), first.say("peers")):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "\\x1b[2J" in first.say("task", task)


def test_a_record_can_be_decoded_by_itself() -> None:
    from antsp2p.records.keys import Identity
    from antsp2p.records.record import NO_PREV, sign_record

    record = sign_record(
        Identity.from_seed(bytes(32)), network=bytes(16), seq=1, prev=NO_PREV, type=2,
        body={0: 1, 9: "\x1b"}, claimed_ms=7,
    )
    done = antsp2p("log", "--json", "--decode", record.wire.hex())
    view = json.loads(done.stdout)
    assert view["id"] == record.id.hex()
    assert view["type"] == "offer"
    assert view["void"] is True
    assert view["body"] == {"0": 1, "9": "\x1b"}
    assert view["signature_verifies"] is True
    again = antsp2p("log", "--decode", "-", stdin=record.wire)
    assert b"\x1b" not in again.stdout
    assert json.loads(again.stdout) == view
    assert antsp2p("log", "--decode", "-", stdin=b"82" * 50).returncode == 1


def test_a_node_stands_in_for_another(pair: Pair) -> None:
    first, second = pair
    name = second.author[:12]
    assert first.say("vouch", second.author, "--for", "3", "--weight", "2") == (
        f"vouching for {name} for 3 days, with 2\n")
    (given,) = first.json("why", second.author)["vouched_by"]
    assert (given["author"], given["weight"], given["days_left"]) == (first.author, 2, 3)
    assert is_id(given["record"])
    assert first.say("vouch", name, "--withdraw") == f"no longer vouching for {name}\n"
    assert first.json("why", second.author)["vouched_by"][0]["days_left"] == 0


def test_a_mark_is_left_found_by_another_and_wiped_off(pair: Pair) -> None:
    first, second = pair
    watch = second.watch()
    assert first.say("mark", "site.lab", "printer \x1b[31m is down", "--half-life", "2h") == (
        "marked site.lab, half as strong after 2h\n")
    watch.json(kind="marked", subject=first.author, topic="site.lab")
    (mark,) = second.json("marks", "site.lab")["marks"]
    assert (mark["author"], mark["text"]) == (first.author, "printer \x1b[31m is down")
    assert (mark["half_life_ms"], mark["heeded"]) == (7_200_000, True)
    assert 990_000 < mark["strength_ppm"] <= 1_000_000
    shown = second.say("marks", "site.lab")
    assert "\x1b" not in shown
    assert "printer \\x1b[31m is down" in shown
    assert second.say("marks").splitlines()[1].split()[:4] == ["site.lab", "1.00", "0.00", "1"]
    assert second.json("marks")["topics"][0]["topic"] == "site.lab"
    assert "no mark at that topic" in second.refusal("mark", "site.lab", "--wipe", code=5)
    assert first.say("mark", "site.lab", "--wipe") == "wiped off site.lab\n"
    assert first.say("marks", "site.lab") == "no mark is left here\n"
    for wrong in (("--half-life", "31d"), ("x", "--wipe"), ("--half-life", "0s")):
        assert first.refusal("mark", "site.lab", *wrong, code=2)
    assert "lower-case words" in first.refusal("mark", "Site Lab", code=5)
    assert "no name of a topic" in first.refusal("marks", "Site Lab", code=5)

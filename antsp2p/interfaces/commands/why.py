"""`antsp2p why NODE`: what a score is the sum of, what would raise it, and how sure it is."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from antsp2p.interfaces.client import Client, hint, id_segment
from antsp2p.interfaces.exit_codes import Exit
from antsp2p.interfaces.printing import counted, say, say_json, say_table, short

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

THOUSANDTH_PPM: Final = 1_000
MAX_SHOWN_RECORDS: Final = 3
"""Of one reason; all of them are in the list below it and in the JSON."""
_REASONS: Final = {
    "own": "this node saw its work",
    "pin": "trusted beforehand (antsp2p trust)",
    "testimony": "{rater} says so; {share} of its word counts",
    "vouch": "{rater} vouches for it",
    "elsewhere": "other kinds of work, or another configuration",
    "blocked": "blocked (antsp2p trust)",
    "convicted": "it signed two histories (antsp2p proof)",
}
_RAISES: Final = {
    "accept": "one more task of cost 1 accepted from it here",
    "wait": "thirty days without news",
    "unblock": "{unblock}",
}


def run(options: argparse.Namespace) -> int:
    """Explain the score of a node."""
    params = {} if options.capability is None else {"capability": options.capability}
    with Client(options) as client:
        answer = client.get(f"/v1/peers/{id_segment(options.id)}/why", params)
    if options.json:
        say_json(answer)
    else:
        _say(answer, hint(options, "trust", "unblock", short(answer["author"])))
    return Exit.OK


def _say(answer: Any, unblock: str) -> None:
    score = answer["score"]
    where = f"in {answer['capability']}" if answer["capability"] else "over all its work"
    say(f"node {answer['author']}")
    if answer["revoked"]:
        heir = answer["successor"]
        named = f"{short(heir)} was" if heir else "nobody was"
        say(f"  its key was given up, and {named} named to go on with its reputation")
    for key in answer["succeeds"]:
        say(f"  goes on with the reputation of {short(key)}")
    say()
    say(f"score {_number(score['score_ppm'])} {where}")
    say()
    say_table(("adds", "because", "records"), _rows(answer), "nothing adds to it")
    say()
    for line in (*_raising(answer, unblock), *_doubts(answer)):
        say(line)
    others = [
        f"{name} {_number(item['score_ppm'])}" for name, item in answer["scores"].items()
        if name != (answer["capability"] or "all") and item["known"]
    ]
    if others:
        say("other scores: " + ", ".join(others))
    say()
    say_table(
        ("record", "task", "weight", "what", "capability", "says", "days ago"),
        [_evidence_row(item) for item in answer["evidence"]],
        "no evidence: nothing that counts here between that node and others has ended yet",
    )


def _number(ppm: int) -> str:
    return f"{round(ppm / THOUSANDTH_PPM) / 1_000:.3f}"


def thousandths(points_ppm: Sequence[int]) -> list[int]:
    """The points in thousandths, rounded so that they add up to the rounded sum."""
    upto_ppm, given = 0, 0
    found: list[int] = []
    for points in points_ppm:
        upto_ppm += points
        upto = round(upto_ppm / THOUSANDTH_PPM)
        found.append(upto - given)
        given = upto
    return found


def _rows(answer: Any) -> list[tuple[str, str, str]]:
    parts = answer["parts"]
    points = thousandths([part["points_ppm"] for part in parts])
    rows = [
        (f"{point / 1_000:+.3f}", _because(part, answer["me"]), _records(part["records"]))
        for part, point in zip(parts, points, strict=True)
    ]
    if rows:
        rows.append((f"={sum(points) / 1_000:.3f}", "the score", ""))
    return rows


def _because(part: Any, me: str) -> str:
    rater = "this node" if part["rater"] == me else short(part["rater"])
    share = _percent(part["share_ppm"])
    weight = abs(part["weight"])
    if part["name"] == "failures":
        saw = "this node saw it fail" if part["rater"] == me else (
            f"{rater} says that it failed; {share} of its word counts")
        return f"{saw} (weight {weight})"
    text = _REASONS[part["name"]].format(rater=rater, share=share)
    if part["name"] == "elsewhere" and part["rater"] != me:
        text += f"; {rater} says so, {share} of its word counts"
    return f"{text} (weight {weight})" if weight else text


def _percent(ppm: int) -> str:
    return f"{ppm / 10_000:.0f} %"


def _records(records: Sequence[str]) -> str:
    shown = " ".join(short(record) for record in records[:MAX_SHOWN_RECORDS])
    left = len(records) - MAX_SHOWN_RECORDS
    return f"{shown} and {left} more" if left > 0 else shown


def _raising(answer: Any, unblock: str) -> list[str]:
    lines = [
        f"would raise it to {_number(item['score_ppm'])}: "
        + _RAISES[item["what"]].format(unblock=unblock)
        for item in answer["would_raise"]
    ]
    if not lines:
        is_over = answer["convicted"] or answer["revoked"]
        return ["nothing raises it again" if is_over else "nothing would raise it now"]
    return lines


def _doubts(answer: Any) -> list[str]:
    lines = []
    for item in answer["uncertain"]:
        count = len(item.get("records", ()))
        records = counted(count, "record")
        match item["what"]:
            case "unknown":
                text = "nothing is known of it here; unknown is not bad"
                if answer["author"] == answer["me"]:
                    text = "a node keeps no score of itself; what others say of it stands below"
            case "little":
                share = _percent(item["share_ppm"])
                text = f"{share} of what it is measured by is no evidence, but what strangers start"
                text += " with"
            case "testimony":
                text = f"{_number(item['points_ppm'])} of it rests on the word of others"
            case "fades":
                text = f"in {item['days']} days without news it is {_number(item['score_ppm'])}"
            case "unheard":
                text = f"from nodes whose word counts for nothing here: {records}"
            case "disputed":
                text = f"disputed by the node itself: {records}"
            case "suspected":
                text = f"nothing was seen of it in time, and no more is said: {records}"
            case "unanswered":
                text = "without a verdict of its yet: " + counted(count, "result") + " given to it"
            case _:
                text = "still missing here: " + counted(item["count"], "record")
        lines.append(f"uncertain: {text}")
    return lines


def _evidence_row(item: Any) -> tuple[str, ...]:
    return (
        short(item["record"]), short(item["task"]),
        f"{'+' if item['counts_for'] else '-'}{item['weight']}",
        item["kind"] + (", disputed" if item["dispute"] else ""),
        item["capability"] or "as a requester",
        "this node" if item["mine"] else short(item["rater"]), str(item["days_ago"]),
    )

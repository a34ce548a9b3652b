"""`antsp2p mark TOPIC [TEXT]`: leave a mark that fades, or wipe it off."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.interfaces.client import Client
from antsp2p.interfaces.durations import format_duration
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import one_line, say, say_json

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Leave the mark, or take it away."""
    if options.wipe and options.text:
        raise CommandError(Exit.USAGE, "--wipe takes no text: what stands there goes")
    if not (options.wipe or options.half_life_ms):
        raise CommandError(Exit.USAGE, "--half-life must be above 0; to take a mark away: --wipe")
    half_life_ms = 0 if options.wipe else options.half_life_ms
    params: dict[str, str | int] = {"topic": options.topic, "half_life_ms": half_life_ms}
    if options.text:
        params["text"] = options.text
    with Client(options) as client:
        answer = client.call("POST", "/v1/marks", params=params)
    topic = one_line(answer["topic"])
    if options.json:
        say_json(answer)
    elif options.wipe:
        say(f"wiped off {topic}")
    else:
        say(f"marked {topic}, half as strong after {format_duration(half_life_ms)}")
    return Exit.OK

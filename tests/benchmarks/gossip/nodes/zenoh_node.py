"""One zenoh peer; it runs in an environment of its own, without our package.

    DIR/bin/python zenoh_node.py PORT [ENDPOINT ...]

The same lines as in `ours.py`. Peers hear of each other by zenoh's own gossip and connect to all.
"""
from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, Final

import zenoh

TOPIC: Final = "benchmark"
PAYLOAD_BYTES: Final = 300
KEY_BYTES: Final = 8


def tell(line: str) -> None:
    """Write a line now; the reader looks at it later."""
    os.write(1, line.encode() + b"\n")


def received(sample: Any) -> None:
    """Called in a thread of zenoh's own."""
    moment_ns = time.monotonic_ns()
    content = sample.payload.to_bytes()
    tell(f"have {content[:KEY_BYTES].hex()} {moment_ns} {len(content)}")


def serve(port: int, peers: list[str]) -> None:
    """Run until the input ends."""
    config = zenoh.Config()
    config.insert_json5("mode", '"peer"')
    config.insert_json5("listen/endpoints", json.dumps([f"tcp/127.0.0.1:{port}"]))
    config.insert_json5("connect/endpoints", json.dumps([f"tcp/{peer}" for peer in peers]))
    config.insert_json5("scouting/multicast/enabled", "false")
    with zenoh.open(config) as session:
        subscriber = session.declare_subscriber(TOPIC, received)
        publisher = session.declare_publisher(TOPIC)
        tell("ready")
        for line in sys.stdin:
            key = bytes.fromhex(line.removeprefix("publish ").strip())
            publisher.put(key + os.urandom(PAYLOAD_BYTES - len(key)))
        subscriber.undeclare()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2:])

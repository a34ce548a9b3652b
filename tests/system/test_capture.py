"""What a listener on the wire sees of two nodes at work: that they talk, and nothing of what."""
from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest
import trio

from tests.system.namespaces import lan, why_not

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.process import Machine

pytestmark = pytest.mark.netns
PATIENCE_S: Final = 30.0
WORD: Final = b"xylophone-quagmire "
_LISTEN: Final = """
import socket
import sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.setsockopt(socket.SOL_SOCKET, 33, 1 << 25)  # SO_RCVBUFFORCE, which Python does not name
wire.bind(("eth0", 0))
with open(sys.argv[1], "wb", buffering=0) as file:
    print("listening", flush=True)
    while True:
        file.write(wire.recv(1 << 16))
"""
reason = cache(why_not)


async def test_neither_datagrams_nor_streams_show_what_is_worked_on(
    machine: Machine, tmp_path: Path
) -> None:
    if reason():
        pytest.skip(reason())
    seen = tmp_path / "wire"
    with lan(2) as (left, right):
        command = [*left.prefix, sys.executable, "-c", _LISTEN, str(seen)]
        listener = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        assert listener.stdout is not None
        assert (await listener.stdout.receive_some()).startswith(b"listening")
        try:
            worker = await machine.start(listen="", prefix=left.prefix)
            await machine.work(worker, "text.echo", "cat")
            poster = await machine.start(
                None, "--peer", f"{left.address}:{worker.port}", listen="", prefix=right.prefix)
            with trio.fail_after(PATIENCE_S):
                for content in (WORD * 5, WORD * 20_000):
                    task = await poster.post("text.echo", content)
                    assert await poster.result(task) == content
        finally:
            listener.kill()
            await listener.wait()
    wire = await trio.Path(seen).read_bytes()
    assert len(wire) > len(WORD) * 20_000, "it went over this wire"
    for secret in (WORD, b"text.echo", bytes.fromhex(worker.author), bytes.fromhex(poster.author)):
        assert secret not in wire

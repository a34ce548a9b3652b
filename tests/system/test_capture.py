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
_FLIP = """
import socket
import sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(("eth0", 0))
print("flipping", flush=True)
flipped = 0
while flipped < int(sys.argv[2]):
    frame = bytearray(wire.recv(1 << 16))
    # A sealed datagram over plain IPv4 that this host sends, and that was not touched yet.
    if frame[12:15] != bytes((8, 0, 0x45)) or frame[23] != 17 or frame[42] != 0x14:
        continue
    if socket.inet_ntoa(frame[26:30]) != sys.argv[1] or frame[40:42] == bytes(2):
        continue
    sealed = range(55, len(frame))
    frame[sealed[flipped * 37 % len(sealed)]] ^= 1 << flipped % 8
    frame[40:42] = bytes(2)  # No checksum: else the kernel would find out first.
    wire.send(frame)
    flipped += 1
"""
_ONLY_FLIPPED: Final = (
    "table inet flip {\n chain arriving {\n  type filter hook input priority 0;\n"
    "  udp checksum != 0 @th,64,8 0x14 drop\n }\n}\n"
)
"""In front of a host: of sealed datagrams only those come through that have no checksum."""
FLIPPED: Final = 6
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


async def test_a_datagram_with_one_flipped_bit_is_dropped_and_counted(machine: Machine) -> None:
    if reason():
        pytest.skip(reason())
    with lan(2) as (left, right):
        worker = await machine.start(listen="", prefix=right.prefix)
        await machine.work(worker, "text.echo", "cat")
        poster = await machine.start(
            None, "--peer", f"{right.address}:{worker.port}", listen="", prefix=left.prefix)
        await poster.until_providers("text.echo", 1)
        before = (await worker.status())["drops"]
        right.run("nft", "-f", "-", stdin=_ONLY_FLIPPED)
        command = [*left.prefix, sys.executable, "-c", _FLIP, left.address, str(FLIPPED)]
        flipper = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        assert flipper.stdout is not None
        assert (await flipper.stdout.receive_some()).startswith(b"flipping")
        try:
            with trio.fail_after(PATIENCE_S):
                tasks = [await poster.post("text.echo", WORD + bytes((n,))) for n in range(FLIPPED)]
                await flipper.wait()
                right.run("nft", "delete", "table", "inet", "flip")
                for number, task in enumerate(tasks):
                    assert await poster.result(task) == WORD + bytes((number,))
        finally:
            if flipper.returncode is None:
                flipper.kill()
                await flipper.wait()
        drops = (await worker.status())["drops"]
    assert "seal" not in before
    assert drops["seal"] == FLIPPED

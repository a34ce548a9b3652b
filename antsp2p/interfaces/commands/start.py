"""`antsp2p start`: run a node in the foreground until it is stopped."""
from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, Final

import trio

from antsp2p.events import LogsReceived
from antsp2p.interfaces.client import hint, home_path
from antsp2p.interfaces.exit_codes import CommandError, Exit, sole_cause
from antsp2p.interfaces.passphrase import Passphrases
from antsp2p.interfaces.policy import read_policy
from antsp2p.interfaces.printing import complain, escape, say, say_json
from antsp2p.runtime.api import serve_api
from antsp2p.runtime.home import Home, HomeError, network_id
from antsp2p.runtime.host import Host, HostOptions, open_host, stop_on_signals
from antsp2p.runtime.networks import known_price
from antsp2p.runtime.store import StoreError
from antsp2p.runtime.udp import ListenError
from antsp2p.runtime.views import address_text

if TYPE_CHECKING:
    import argparse

    from antsp2p.events import Event

COLLECT_AFTER: Final = 20_000
"""New objects between two searches for unreachable cycles. What a node takes in stays: by Python's
own measure of 700 a third of a catch-up would be searching."""
REST_AFTER_BYTES: Final = 1 << 18
"""What a catch-up has brought is not searched any more, so much at a time: too little to fill the
number above, and enough to hold next to no cycles of which nobody would ever be rid."""
API_END_S: Final = 3.0
"""The local API has this long to end its streams before the node closes without it."""


def run(options: argparse.Namespace) -> int:
    """Run the node; returns when it was stopped."""
    home = Home(home_path(options))
    try:
        is_sealed = home.has_key() and home.key_file().sealed is not None
    except HomeError as error:
        raise CommandError(Exit.REFUSED, str(error)) from error
    work_bits = _price(options)
    passphrase = Passphrases(options).current(home.key_path) if is_sealed else None
    host_options = HostOptions(
        home=home.path, network=options.network, is_open=options.open, work_bits=work_bits,
        listen=tuple(options.listen), peers=tuple(address_text(peer) for peer in options.peer),
        discovery=options.discovery, nickname=options.nickname,
        accept_lost_store=options.accept_lost_store, passphrase=passphrase,
        only_copy=options.only_copy, policy=read_policy(options.reputation),
    )
    try:
        trio.run(_serve, host_options, options)
    except BaseException as error:
        cause = sole_cause(error)
        if isinstance(cause, HomeError | StoreError | ListenError):
            raise CommandError(Exit.REFUSED, str(cause)) from error
        if isinstance(cause, KeyboardInterrupt | BrokenPipeError | CommandError):
            raise cause from None
        raise
    finally:
        gc.enable()
    return Exit.OK


def _price(options: argparse.Namespace) -> int:
    """What the network asks for a name: what is said here, or what was said before."""
    if options.price is not None and not options.open:
        raise CommandError(
            Exit.USAGE, "--price goes with --open: into a closed network one is invited")
    try:
        price = options.price
        if price is None:
            price = known_price(options.network) if options.open else 0
        network_id(options.network, price)
    except HomeError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    if price and options.price is None:
        complain(f"the open network {options.network!r} asks for {price} bits of work, as before")
    return int(price)


class _Rest:
    """Watches the node's events, and takes what came in bulk out of the search for cycles."""

    def __init__(self) -> None:
        self._bytes = 0

    def __call__(self, now_us: int, event: Event) -> None:
        if isinstance(event, LogsReceived):
            self._bytes += len(event.chunk)
            if self._bytes >= REST_AFTER_BYTES:
                self._bytes = 0
                gc.freeze()


async def _serve(host_options: HostOptions, options: argparse.Namespace) -> None:
    closing, closed = trio.Event(), trio.Event()
    gc.set_threshold(COLLECT_AFTER)
    gc.disable()

    async def serve_until_closed(host: Host, *, task_status: trio.TaskStatus[None]) -> None:
        await serve_api(host, closing, task_status=task_status)
        closed.set()

    async with trio.open_nursery() as nursery:
        async with open_host(host_options, tap=_Rest()) as host:
            gc.freeze()
            gc.enable()
            nursery.start_soon(stop_on_signals, host)
            nursery.start_soon(_tell_warnings, host)
            await nursery.start(serve_until_closed, host)
            _announce(host, options)
            await host.wait_stop()
            closing.set()
            with trio.move_on_after(API_END_S):
                await closed.wait()
        if not closed.is_set():
            # A client that does not read holds a send which the server shields from being
            # cancelled. The node has closed cleanly, so the process may end under it.
            sys.stdout.flush()
            os._exit(Exit.OK)
        nursery.cancel_scope.cancel()


async def _tell_warnings(host: Host) -> None:
    with host.subscribe() as notices:
        closed = host.node.why_closed
        for text in (*host.warnings, *([closed] if closed else [])):
            complain(text)
        async for notice in notices:
            if notice.kind == "warning":
                complain(str(notice.detail["text"]))
            elif host.node.why_closed != closed:
                closed = host.node.why_closed
                complain(closed)


def _announce(host: Host, options: argparse.Namespace) -> None:
    listen = [address_text(address) for address in host.addresses]
    if options.json:
        say_json({
            "ready": True, "author": host.node.author.hex(), "pid": os.getpid(),
            "home": str(host.home.path), "network": host.node.network.hex(),
            "network_name": host.options.network, "open": host.options.is_open,
            "price": host.protection.work_bits, "listen": listen,
            "address": address_text(host.address), "socket": str(host.home.socket_path()),
        })
        return
    say(f"node       {host.node.author.hex()}")
    say(f"home       {escape(str(host.home.path))}")
    name = host.options.network
    price = host.protection.work_bits
    entry = ", open" if host.options.is_open else ""
    say(f"network    {escape(name)}{entry}{f', a name costs {price} bits' if price else ''}")
    say(f"listening  {', '.join(listen)}")
    recovery = host.home.recovery_file()
    if recovery is not None and recovery.has_secret:
        away = escape(hint(options, "key", "recovery"))
        say("recovery   its key lies beside the node's; once stopped, move it away with: "
            f"{away} -o FILE")
    if not host.options.is_open:
        say(f"Let another machine in with: {escape(hint(options, 'invite'))}")
    say(f"Ready. Stop with Ctrl-C or: {escape(hint(options, 'stop'))}")

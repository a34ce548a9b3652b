"""The doctor names what is broken, and blames nothing else: each fault is made in namespaces."""
from __future__ import annotations

import json
import shlex
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import pytest
import trio

from antsp2p.interfaces.exit_codes import Exit
from antsp2p.runtime.networks import CONFIGURATION_VARIABLE, closed_network, network_path
from tests.system.namespaces import Host, lan, run, why_not
from tests.system.process import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from tests.system.process import Machine, NodeProcess

pytestmark = pytest.mark.netns
PORT: Final = 4700
LISTEN: Final = f"0.0.0.0:{PORT}"

reason = cache(why_not)


@pytest.fixture
def two_hosts() -> Iterator[Sequence[Host]]:
    if reason():
        pytest.skip(reason())
    closed_network("local")
    with lan(2) as hosts:
        yield hosts


def refuse(host: Host, hook: str, *rules: str) -> None:
    """Drop what matches, on the way in or out of a host."""
    lines = "\n".join(f"  {rule}" for rule in rules)
    host.run("nft", "-f", "-", stdin=(
        f"table inet filter {{\n chain {hook} {{\n  type filter hook {hook} priority 0\n"
        f"{lines}\n }}\n}}\n"
    ))


async def examine(
    machine: Machine, host: Host, *words: object, home: object = None, before: Sequence[str] = (),
    user: Path | None = None,
) -> tuple[dict[str, Any], dict[str, dict[str, str]], int]:
    """What the doctor says on a host: all of it, its findings by kind, and its exit code."""
    done = await machine.run(
        "doctor", "--json", "--home", home or machine.new_home(), *words,
        prefix=[*host.prefix, *as_user(user), *before],
    )
    assert done.returncode in (Exit.OK, Exit.DIAGNOSED), done.stderr.decode()
    answer = json.loads(done.stdout)
    return answer, {item["kind"]: item for item in answer["findings"]}, done.returncode


async def start_there(
    machine: Machine, host: Host, *options: object, discovery: bool = False,
    user: Path | None = None,
) -> NodeProcess:
    return await machine.start(
        None, *options, listen=LISTEN, discovery=discovery, prefix=[*host.prefix, *as_user(user)]
    )


Answer = tuple[dict[str, Any], dict[str, dict[str, str]], int]


async def examine_both(
    one: Callable[[], Awaitable[Answer]], other: Callable[[], Awaitable[Answer]]
) -> tuple[Answer, Answer]:
    """What two examinations say that go on at once."""
    answers: dict[int, Answer] = {}

    async def ask(number: int, examination: Callable[[], Awaitable[Answer]]) -> None:
        answers[number] = await examination()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, 0, one)
        nursery.start_soon(ask, 1, other)
    return answers[0], answers[1]


def as_user(folder: Path | None) -> tuple[str, ...]:
    """Words in front of a command of a user who keeps networks in a folder of his own."""
    return () if folder is None else ("env", f"{CONFIGURATION_VARIABLE}={folder}")


def make_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the file of the network `local` for another user of the machine."""
    with monkeypatch.context() as another:
        another.setenv(CONFIGURATION_VARIABLE, str(folder))
        closed_network("local")
    return folder


async def until_called(node: NodeProcess, reason: str) -> None:
    """Return when the node tells of a caller whose datagram came to this."""
    with trio.fail_after(WAIT_S):
        while not any(
            reason in caller["reasons"] for caller in (await node.get("/v1/doctor"))["callers"]
        ):
            await trio.lowlevel.checkpoint()


def faults(found: dict[str, dict[str, str]]) -> list[str]:
    """The kinds of what is blamed."""
    return [kind for kind, item in found.items() if item["severity"] != "note"]


async def test_nothing_is_blamed_where_nothing_is_wrong(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    node = await start_there(machine, right, discovery=True)
    answer, found, code = await examine(machine, left, f"{right.address}:{PORT}")
    assert (found, code) == ({}, Exit.OK)
    (peer,) = answer["peers"]
    assert (peer["udp"], peer["udp_full"], peer["tcp"]) == ("answered",) * 3
    assert [item["author"] for item in answer["services"]] == [node.author[:16]]


async def test_udp_that_is_blocked_there(machine: Machine, two_hosts: Sequence[Host]) -> None:
    left, right = two_hosts
    await start_there(machine, right)
    for hook, rule in (
        ("output", f"udp sport {PORT} drop"),
        ("input", f"meta l4proto {{ udp, tcp }} th dport {PORT} reject with icmpx "
                  "admin-prohibited"),
    ):
        refuse(right, hook, rule)
        _, found, code = await examine(machine, left, f"{right.address}:{PORT}")
        assert (faults(found), code) == (["udp-blocked"], Exit.DIAGNOSED)
        assert f"udp dport {PORT} accept" in found["udp-blocked"]["mend"]
        right.run("nft", "flush", "ruleset")


async def test_udp_that_is_not_let_in_here_and_the_command_that_mends_it(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    await start_there(machine, right)
    refuse(left, "input", "iif lo accept", "meta l4proto udp drop")
    words = ("--listen", LISTEN, f"{right.address}:{PORT}")
    _, found, code = await examine(machine, left, *words)
    assert (faults(found), code) == (["udp-in-blocked"], Exit.DIAGNOSED)
    assert found["udp-in-blocked"]["mend"] == (
        f"sudo nft insert rule inet filter input udp dport {PORT} accept"
    )


async def test_a_firewall_that_lets_only_answers_in_and_the_command_that_mends_it(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    await start_there(machine, right)
    refuse(left, "input", "policy drop", "iif lo accept", "udp dport 5353 accept",
           "ct state established,related accept", "icmpv6 type nd-neighbor-solicit accept")
    words = ("--listen", LISTEN, f"{right.address}:{PORT}")
    _, found, code = await examine(machine, left, *words)
    assert (faults(found), code) == (["firewall-closed"], Exit.OK)
    left.run(*shlex.split(found["firewall-closed"]["mend"].removeprefix("sudo ")))
    _, found, _ = await examine(machine, left, *words)
    assert faults(found) == []


async def test_udp_that_is_not_let_out_here(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    await start_there(machine, right)
    refuse(left, "output", "oif lo accept", "meta l4proto udp drop")
    _, found, _ = await examine(machine, left, f"{right.address}:{PORT}")
    assert faults(found) == ["udp-out-blocked"]
    assert "inet filter output" in found["udp-out-blocked"]["mend"]


async def test_tcp_that_is_blocked_there(machine: Machine, two_hosts: Sequence[Host]) -> None:
    left, right = two_hosts
    await start_there(machine, right)
    refuse(right, "input", f"tcp dport {PORT} drop")
    _, found, code = await examine(machine, left, f"{right.address}:{PORT}")
    # They see each other all the same.
    assert (faults(found), code) == (["tcp-blocked"], Exit.OK)


async def test_large_datagrams_that_do_not_pass_there_or_here(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    await start_there(machine, right)
    right.run("ip", "link", "set", "dev", "eth0", "mtu", "900")
    _, found, code = await examine(machine, left, f"{right.address}:{PORT}")
    assert (faults(found), code) == (["mtu"], Exit.DIAGNOSED)
    assert found["mtu"]["mend"].startswith("sudo ip link set dev eth0 mtu 1500")
    right.run("ip", "link", "set", "dev", "eth0", "mtu", "1500")
    left.run("ip", "link", "set", "dev", "eth0", "mtu", "900")
    _, found, code = await examine(machine, left, f"{right.address}:{PORT}")
    assert (faults(found), code) == (["mtu-low"], Exit.OK)


async def test_there_is_no_node_or_no_machine(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    no_node, no_host = await examine_both(*(
        partial(examine, machine, left, f"{host}:{PORT}")
        for host in (right.address, "10.213.0.77")
    ))
    assert faults(no_node[1]) == ["no-node"]
    assert faults(no_host[1]) == ["no-host"]


async def test_a_machine_that_answers_nothing(machine: Machine, two_hosts: Sequence[Host]) -> None:
    left, right = two_hosts
    refuse(right, "input", "meta l4proto { udp, tcp, icmp } drop")
    _, found, _ = await examine(machine, left, f"{right.address}:{PORT}")
    assert faults(found) == ["all-blocked"]


async def test_a_node_that_is_announced_and_not_reached(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    await start_there(machine, right, discovery=True)
    refuse(right, "input", f"meta l4proto {{ udp, tcp }} th dport {PORT} drop")
    # Nobody gives an address: mDNS does.
    _, found, _ = await examine(machine, left)
    assert faults(found) == ["advertised-unreachable"]


async def test_a_port_in_use(machine: Machine, two_hosts: Sequence[Host]) -> None:
    left, _ = two_hosts
    node = await start_there(machine, left)
    _, found, code = await examine(machine, left, "--listen", LISTEN)
    assert (faults(found), code) == (["port-in-use"], Exit.DIAGNOSED)
    assert f"(pid {node.process.pid})" in found["port-in-use"]["text"]


async def test_multicast_that_is_not_let_out(machine: Machine, two_hosts: Sequence[Host]) -> None:
    left, _ = two_hosts
    refuse(left, "output", "ip daddr 224.0.0.0/4 drop")
    _, found, code = await examine(machine, left)
    assert (faults(found), code) == (["multicast-blocked"], Exit.DIAGNOSED)
    assert "inet filter output 'udp sport { 5353 }' accept" in found["multicast-blocked"]["mend"]


async def test_multicast_that_a_firewall_drops(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    await start_there(machine, right)
    refuse(left, "input", "udp dport 5353 drop")
    _, found, code = await examine(machine, left, f"{right.address}:{PORT}")
    # It was called by its address, so it can be reached all the same.
    assert (faults(found), code) == (["multicast-blocked"], Exit.OK)
    assert found["multicast-blocked"]["mend"] == (
        "sudo nft insert rule inet filter input udp dport 5353 accept"
    )


async def test_a_node_of_another_network_asked_for_or_not(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    await start_there(machine, right, "--network", "elsewhere", discovery=True)
    asked, unasked = await examine_both(
        partial(examine, machine, left, f"{right.address}:{PORT}"), partial(examine, machine, left))
    assert (faults(asked[1]), asked[2]) == (["other-network"], Exit.DIAGNOSED)
    assert (faults(unasked[1]), unasked[2]) == (["other-network"], Exit.OK)


async def test_a_running_node_tells_of_a_caller_of_another_network(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    node = await start_there(machine, left)
    await start_there(
        machine, right, "--network", "elsewhere", "--peer", f"{left.address}:{PORT}")
    await until_called(node, "network")
    _, found, _ = await examine(machine, left, home=node.home)
    assert faults(found) == ["other-network"]
    assert f"{right.address}:{PORT}" in found["other-network"]["text"]


async def test_two_users_whose_networks_have_one_name_and_nothing_else_in_common(
    machine: Machine, two_hosts: Sequence[Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = two_hosts
    await start_there(machine, right, discovery=True)
    other, newcomer = make_user(tmp_path / "other", monkeypatch), tmp_path / "newcomer"
    theirs, nobodys = await examine_both(*(
        partial(examine, machine, left, f"{right.address}:{PORT}", user=user)
        for user in (other, newcomer)
    ))
    assert (faults(theirs[1]), theirs[2]) == (["other-network"], Exit.DIAGNOSED)
    assert "antsp2p join CODE" in theirs[1]["other-network"]["mend"]
    # A user who has no network of that name learns it, and none is made for him.
    assert (faults(nobodys[1]), nobodys[2]) == (["no-network"], Exit.DIAGNOSED)
    assert not newcomer.exists()


async def test_two_users_whose_networks_differ_in_the_secret_alone(
    machine: Machine, two_hosts: Sequence[Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = two_hosts
    facts = json.loads(network_path("local").read_bytes())
    other = make_user(tmp_path / "other", monkeypatch)
    (path,) = other.glob("networks/*.json")
    path.write_text(json.dumps({**facts, "secret": "ab" * 32}))
    node = await start_there(machine, left)
    there = f"{right.address}:{PORT}"
    await start_there(
        machine, right, "--peer", f"{left.address}:{PORT}", user=other, discovery=True)
    await until_called(node, "key")
    # By what the node heard; and without it, by what is announced and then refused.
    heard, announced = await examine_both(
        partial(examine, machine, left, home=node.home), partial(examine, machine, left, there))
    assert faults(heard[1]) == ["other-secret"]
    assert heard[1]["other-secret"]["text"].startswith(there + " ")
    assert (faults(announced[1]), announced[2]) == (["other-secret"], Exit.DIAGNOSED)


async def test_an_open_network_and_a_closed_one_of_one_name(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    await start_there(machine, right, "--open", discovery=True)
    closed, opened = await examine_both(*(
        partial(examine, machine, left, *words, f"{right.address}:{PORT}")
        for words in ((), ("--open",))
    ))
    assert (faults(closed[1]), closed[2]) == (["other-network"], Exit.DIAGNOSED)
    assert "the open network 'local'" in closed[1]["other-network"]["text"]
    assert (opened[1], opened[2]) == ({}, Exit.OK)


async def test_the_way_there_is_shut_where_its_own_calls_arrive(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    node = await start_there(machine, left)
    refuse(right, "input", "udp dport != 5353 drop")
    await start_there(machine, right, "--peer", f"{left.address}:{PORT}")
    await until_called(node, "answered")
    _, found, code = await examine(machine, left, f"{right.address}:{PORT}", home=node.home)
    assert (faults(found), code) == (["udp-blocked"], Exit.DIAGNOSED)
    assert "its own calls arrive" in found["udp-blocked"]["text"]


async def test_nodes_that_are_linked_are_not_blamed(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    # Which network it is, and that it is an open one, the running node says.
    node = await start_there(machine, left, "--open")
    await start_there(machine, right, "--open", "--peer", f"{left.address}:{PORT}")
    await node.until_links(1)
    answer, found, code = await examine(
        machine, left, f"{right.address}:{PORT}", home=node.home)
    assert (faults(found), code) == ([], Exit.OK)
    (peer,) = answer["peers"]
    assert (peer["udp"], peer["tcp"], peer["linked"]) == ("answered", "answered", True)


@contextmanager
def bridged(host: Host) -> Iterator[Host]:
    """A namespace behind a bridge with NAT on `host`, as a container engine makes it."""
    inner = host.name + "-in"
    try:
        run("ip", "netns", "add", inner)
        run("ip", "-n", host.name, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", host.name, "address", "add", "172.17.0.1/16", "dev", "br0")
        run("ip", "-n", host.name, "link", "set", "br0", "up")
        run("ip", "-n", host.name, "link", "add", "inside", "type", "veth",
            "peer", "name", "eth0", "netns", inner)
        run("ip", "-n", host.name, "link", "set", "inside", "master", "br0", "up")
        run("ip", "-n", inner, "link", "set", "lo", "up")
        run("ip", "-n", inner, "address", "add", "172.17.0.2/16", "dev", "eth0")
        run("ip", "-n", inner, "link", "set", "eth0", "up")
        run("ip", "-n", inner, "route", "add", "default", "via", "172.17.0.1")
        host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        host.run("nft", "-f", "-", stdin=(
            "table ip nat {\n chain postrouting {\n  type nat hook postrouting priority 100;\n"
            "  ip saddr 172.17.0.0/16 oifname != \"br0\" masquerade\n }\n}\n"
        ))
        yield Host(inner, "172.17.0.2")
    finally:
        run("ip", "netns", "del", inner)


async def test_a_container_behind_a_bridge(machine: Machine, two_hosts: Sequence[Host]) -> None:
    left, right = two_hosts
    await start_there(machine, right)
    # The mark that an engine leaves, on a file system that only this command sees.
    marked = ("sh", "-c", 'mount -t tmpfs none /run && touch /run/.containerenv && exec "$@"', "sh")
    with bridged(left) as inside:
        (answer, found, code), alone = await examine_both(
            partial(examine, machine, inside, f"{right.address}:{PORT}", before=marked),
            partial(examine, machine, inside, before=marked),
        )
        assert (faults(found), code) == (["container-bridge"], Exit.OK)
        assert answer["peers"][0]["udp"] == "answered"
        assert "run --network host" in found["container-bridge"]["mend"]
        # Nobody answers from in there, so it stands alone, and that is an error.
        _, found, code = alone
        assert (faults(found), code) == (["container-bridge"], Exit.DIAGNOSED)

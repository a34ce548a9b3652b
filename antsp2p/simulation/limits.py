"""Every bound of the simulated world, with its reason.

A simulation that meets one of them stops with a clear error; none of them changes what a node does.
"""
from __future__ import annotations

from typing import Final

MAX_PENDING_EVENTS: Final = 5_000_000
"""Events in the heap; above it a node is flooding, and memory would end before the run does."""
MAX_INBOX_DATAGRAMS: Final = 256
"""Datagrams waiting for a node: Linux gives a UDP socket 212,992 bytes, about 256 small ones with
the kernel's own overhead. What comes later is lost, as it would be."""
MAX_TURN_EVENTS: Final = 64
"""Events that a node handles before it commits, as in the runtime: a turn stays short."""
MAX_IDLE_WAKES: Final = 100
"""Wakes in a row at one instant; more means that a node's deadline never moves on."""
MAX_VERIFIED_SIGNATURES: Final = 500_000
"""Remembered answers of the signature check, about 500 bytes each; then it starts afresh."""
MAX_PARSED_RECORDS: Final = 200_000
"""Records remembered by their bytes, about 2 kB each; then it starts afresh."""
MAX_REMEMBERED_ROOTS: Final = 100_000
"""Roots whose fold is remembered for comparison."""
MAX_POST_RETRIES: Final = 1_000
"""A refused post is tried again this often; a node that always refuses ends the run."""
MAX_DATAGRAM_BYTES: Final = 1_200
"""What the network carries; a larger datagram is a fault of the node that sends it."""
COMMIT_US: Final = 300
"""One group commit with synchronous=FULL, as measured on the runtime's store."""
STREAM_BYTES_PER_S: Final = 50_000_000
"""What one stream carries: below a gigabit, as one core serves and another takes it."""
STREAM_CHUNKS_AHEAD: Final = 2
"""As in the runtime: chunks handed to a node before it has handled the first."""
STREAM_CONNECT_US: Final = 3_000_000
"""A connection that nobody answers is given up after this long, as in the runtime."""
STREAM_BREAK_US: Final = 10_000_000
"""A stream that has gone silent counts as broken after this long, as in the runtime."""
STREAM_PAUSE_US: Final = 100_000
"""How often it is looked at whether a stalled server runs again."""
STRANGER_DELAY_US: Final = 2_000
"""Until a host without a machine has taken a connection and a request."""
MAX_PROCESSES: Final = 64
"""Processes of one run: more than a common machine has cores only wait for each other."""
MAX_SHARD_FRAME_BYTES: Final = 1 << 30
"""What a process tells another at once; the longest is what it has seen, at the end of a run: eight
bytes or so for each record and node."""
SHARD_SPINS: Final = 200
"""Looks into the pipes before a process sleeps until something comes: some 200 us, in which most of
what it waits for has come, and waking up would cost as much."""
OBSERVE_US: Final = 50_000
"""How often the run asks whether everything has ended."""
FULL_COMPARISONS_UP_TO: Final = 1_000
"""Nodes x tasks up to which every change of a record set is compared with equal sets; above it one
in `SAMPLED_ROOTS`, chosen by the root so that every node picks the same ones."""
SAMPLED_ROOTS: Final = 64
STOP_WORK_US: Final = 1_000_000
"""How long an agent may go on after its node knows that the claim is lost."""
EVERYBODY_HEARS_UP_TO: Final = 64
"""Machines up to which each hears of each; beyond, hints would grow with the square."""
HEARS_OF_NODES: Final = 12
"""Running machines, drawn at random, of which a starting one hears in a larger world."""
HEARD_BY_NODES: Final = 3
"""Of these, those that hear of the newcomer as well."""

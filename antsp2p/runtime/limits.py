"""The bounds of the real world around a node, each with its unit and its reason."""
from __future__ import annotations

from typing import Final

# --- the inbox and its consumer ------------------------------------------------------------------

INBOX_OWN: Final = 256
"""Events of this machine that wait; a command finds its place when one of them was served."""
INBOX_PER_PEER: Final = 512
"""Datagrams of one linked peer that wait: at 0.1 ms each 50 ms of work, and with 40 links at their
largest 24 MB."""
INBOX_PER_BAD_PEER: Final = 64
"""And of one that the node knows to be bad: under load its datagrams are shed first."""
INBOX_STRANGERS: Final = 128
"""Datagrams of everybody who is not linked; a hello that finds no place is sent again."""
STRANGERS_PER_TURN: Final = 8
"""One event in so many may be a stranger's while linked peers wait."""
TURN_EVENTS: Final = 16
"""Events between two looks at the deadline and the sockets: about 1 ms. More would be a little
cheaper each, but in a flood the turn is what everybody waits for."""
PENDING_COMMANDS: Final = 1_024
"""Commands that wait for their answer; more callers than that are refused with a line."""
UNSAVED_EFFECTS: Final = 16_384
"""What may wait for the disk: seconds of records, 16 MB at their largest. Then the node waits."""
GATHER_MS: Final = 200
"""Records of others that nobody waits for are saved together: one commit for a burst, and after it,
because each takes as much of the core as passing a record on. After a crash they are fetched again.
"""
STORE_RETRY_MS: Final = 1_000
"""Between two tries to write to a full disk: soon enough for a person, cheap for the disk."""

# --- signatures checked ahead --------------------------------------------------------------------

AHEAD_CHECKS: Final = 8
"""Signatures of new records in one turn, 0.5 ms of work: from here on another core is worth it."""
AHEAD_SLOTS: Final = 2_048
"""Signatures that are being checked or wait to be asked for: some turns of full datagrams."""
AHEAD_LOOKS: Final = 2_000
"""At an answer that is about to come: about as long as the check itself takes."""
AHEAD_IDLE_MS: Final = 60_000
"""Without questions for so long the other process ends, and its 20 MB are free; a new one is there
within a tenth of a second."""

# --- datagrams -----------------------------------------------------------------------------------

DATAGRAM_BUFFER_BYTES: Final = 2_048
"""Above every valid datagram (1,200 bytes), so that a longer one is seen as too long."""
DATAGRAMS_PER_WAKE: Final = 1_024
"""Read from one socket before the node has its turn, about 3 ms. In a flood what stays in the
socket is lost without a look at whose it is, and what was read waits for the rest."""
RECEIVE_BUFFER_BYTES: Final = 4 << 20
"""Asked of the kernel, which may give less: some thousand datagrams during one long turn."""
PORT_ATTEMPTS: Final = 32
"""Tries to find one port number that is free for UDP and TCP on every address."""
LISTEN_ADDRESSES: Final = 64
"""Addresses of one machine that a person would list."""

# --- watchers and agents -------------------------------------------------------------------------

SUBSCRIPTION_NOTICES: Final = 1_024
"""Notices that wait for one watcher; a slower one is told how many it missed."""
SUBSCRIPTIONS: Final = 256
"""Watchers and agents at once on one machine."""
AGENT_EVENTS: Final = 256
"""Starts and stops that wait for one agent, beyond twice its slots; more: it does not read."""

WARNINGS: Final = 32
"""The latest warnings, kept for whoever asks for the status."""

# --- peers ---------------------------------------------------------------------------------------

REMEMBERED_ADDRESSES: Final = 256
"""Addresses kept on disk for the next start."""
RESOLVE_RETRY_MS: Final = 30_000
"""Between two tries to resolve the name of a peer that a person gave."""
PEER_SILENT_MS: Final = 5_000
"""After this the user is told that nobody answers at a given address: several hellos were lost."""

# --- discovery -----------------------------------------------------------------------------------

DISCOVERY_CHECK_MS: Final = 30_000
"""Between two looks at the machine's interfaces."""
DISCOVERY_ADDRESSES: Final = 32
"""Addresses of this machine that are announced and spoken on; a host of containers has many."""
DISCOVERY_ECHO_MS: Final = 5_000
"""Our own announcement comes back within 2 s where multicast works at all."""
DISCOVERY_STOP_MS: Final = 2_000
"""The goodbye on mDNS may take this long; the node does not wait longer."""
DISCOVERED_SERVICES: Final = 256
"""Services remembered at once: anybody on the link can announce any number."""
ADDRESSES_PER_SERVICE: Final = 8
"""Addresses tried of one service."""

# --- streams: blobs and logs over TCP ------------------------------------------------------------

STREAM_CONNECTIONS: Final = 40
"""Open at once, all peers and services together: the room that the services have below."""
STREAM_CONNECTIONS_PER_HOST: Final = 8
"""Open at once to one address, whatever it asks for."""
STREAM_PACE_MS: Final = 10_000
STREAM_BYTES_PER_S: Final = 4_096
"""A source that brings less, over the time above, is left for another: it would dribble."""
LOGS_CONNECTIONS: Final = 8
"""Logs served at once: each takes some milliseconds of the node's own core a chunk."""
LOGS_CONNECTIONS_PER_HOST: Final = 4
"""Logs served at once to one address."""
LOGS_ANSWER_MS: Final = 120_000
"""One answer; then the asker asks again for the rest, and others have had their turn."""
LOGS_CHUNKS_AHEAD: Final = 2
"""Chunks handed to the node before the first is handled: one is read while one is saved."""

STRANGER_HOSTS: Final = 256
"""Hosts whose failures are counted at once; the one that failed longest ago is forgotten."""
STRANGER_FAILURES: Final = 64
"""First messages of one host that may be wrong at once, before its connections are closed
unread. Members of a network whose secret changes are wrong now and then, too."""
STRANGER_FAILURES_PER_S: Final = 4
"""And then so many a second."""

# --- invitations ---------------------------------------------------------------------------------

INVITATIONS: Final = 16
"""Kept at once by a node: one is for one newcomer, and lives for minutes."""
INVITATION_USES: Final = 100
"""Newcomers with one code: a class, a team."""
INVITATION_DEFAULT_MS: Final = 600_000
"""Ten minutes: to walk to the other machine."""
INVITATION_MAX_MS: Final = 7 * 24 * 3_600_000
"""A week: a code that lies about longer is found by others."""
INVITATION_AGAIN_MS: Final = 60_000
"""Whoever took the secret may ask for it again for so long: the answer may have been lost."""
INVITATION_KEPT_MS: Final = 3_600_000
"""A door that closed still says why to those who have its code, for an hour."""
JOIN_CONNECTIONS: Final = 4
"""Newcomers served at once."""
JOIN_CONNECTIONS_PER_HOST: Final = 2
"""Newcomers served at once from one address."""
JOIN_LOOK_MS: Final = 3_000
"""A newcomer looks around for so long where the addresses of its code do not answer."""
JOIN_PLACES: Final = 32
"""Addresses that a newcomer tries in all."""

# --- networks ------------------------------------------------------------------------------------

NETWORKS_LISTED: Final = 256
"""Networks of one user, of a kind; nobody has so many."""
HOMES_REMEMBERED: Final = 32
"""Homes on one machine that took part in a network; the latest."""
PREVIOUS_SECRETS: Final = 3
"""Secrets from before that are known still: somebody changes it again while one change is under
way, and who comes with one that is no longer good is named."""
OVERLAP_DEFAULT_MS: Final = 24 * 3_600_000
"""A day: machines that are off at night come back within it."""
NETWORK_CHECK_MS: Final = 5_000
"""Between two looks at the network's file, which other nodes of the same user change, too."""

# --- blobs ---------------------------------------------------------------------------------------

BLOB_STORE_BYTES: Final = 1 << 30
"""All blobs of a home together: 64 of the largest."""
BLOB_CHUNK_BYTES: Final = 1 << 16
"""Read and sent at once."""
BLOB_REQUEST_BYTES: Final = 128
"""A request is 64 bytes; more is not a request."""
BLOB_CONNECTIONS: Final = 32
"""Served at once, all peers together."""
BLOB_CONNECTIONS_PER_HOST: Final = 8
"""Served at once to one address."""
BLOB_REQUEST_MS: Final = 5_000
"""A client that connects has this long to say what it wants."""
BLOB_CHUNK_MS: Final = 10_000
"""A side that is silent for longer has gone."""
BLOB_TRANSFER_MS: Final = 300_000
"""One transfer: 16 MiB at 56 kB/s. A slower one is resumed where it stopped, maybe elsewhere."""
BLOB_ACCEPT_PAUSE_MS: Final = 100
"""After a connection could not be accepted; out of descriptors is not over at once."""
BLOB_CONNECT_MS: Final = 3_000
"""To one source, before the next is tried."""
BLOB_SOURCES: Final = 8
"""Sources tried for one blob."""
BLOB_FETCHES: Final = 4
"""Fetched at once; each holds at most 16 MiB of memory."""
BLOB_BYTES_PER_S: Final = 32 << 20
BLOB_BURST_BYTES: Final = 128 << 20
"""Served to one author, lasting and at once: eight of the largest, and a core has time for others.
Who asks for more waits for its turn, which no honest one notices."""
BLOB_ACCOUNTS: Final = 1_024
"""Authors whose share is kept; whoever asked longest ago begins anew."""
BLOB_FETCHES_WAITING: Final = 256
"""Fetches that wait for their turn; more are answered as missing."""

# --- the end -------------------------------------------------------------------------------------

SHUTDOWN_MS: Final = 3_000
"""Claims are released and peers are told within this time; then the process ends anyway."""
SHUTDOWN_LINGER_MS: Final = 250
"""Peers on a local network have asked for the last records by then; others learn them later."""

# --- examining why nodes do not see each other ---------------------------------------------------

EXAMINE_CALL_MS: Final = 2_000
"""One address is called for so long: seven hellos, of which a lossy way loses some."""
EXAMINE_REPEAT_MS: Final = 300
"""Between two hellos of one call."""
EXAMINE_ANSWER_MS: Final = 1_000
"""A node that took a connection has answered by then."""
EXAMINE_MDNS_MS: Final = 1_500
"""Whoever answers an mDNS question has done so by then."""
EXAMINE_MDNS_BYTES: Final = 9_000
"""The largest mDNS message (RFC 6762, section 17)."""
EXAMINE_SELF_MS: Final = 300
"""A datagram within the machine has arrived by then."""
EXAMINE_CALLS: Final = 8
"""Addresses called that nobody asked for, all at once."""
EXAMINE_TOOL_MS: Final = 3_000
"""A firewall's own tool lists its chains within this, or is not asked."""
EXAMINE_CHAINS: Final = 16
"""Chains of nftables that are named; a machine has a few."""
EXAMINE_PROCESSES: Final = 65_536
"""Processes looked through for whoever holds a port."""

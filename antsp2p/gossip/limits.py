"""Every bound of this floor, each with its reason.

Law: numbers only. What is on the wire is a constant that all nodes share; what a node may choose
for itself stands in `Limits`, so that a test or a small machine can choose otherwise.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# --- shared by all nodes -------------------------------------------------------------------------

MAX_DATAGRAM_BYTES: Final = 1_200
"""Passes every path that IPv6 allows (1,280) with room for headers and tunnels (RFC 9000, 14)."""
MAX_FRAME_BYTES: Final = 1_060
"""A record of 1,000 bytes in its frame; what is left holds the header and the seal."""
HELLO_BYTES: Final = 512
"""An unproven address gets at most as much as it sent; the answers to a hello fit in this."""
MIN_HELLO_BYTES: Final = 304
"""A welcome fits in this, or four addresses: enough to see whether a node is there."""
PART_BYTES: Final = 900
"""One part of what is too large for a frame; with its own fields it stays below the limit."""
MAX_OVERLAP_MS: Final = 30 * 24 * 3_600_000
"""A month: a secret that was replaced is good no longer, whatever anybody says."""
MAX_PARTS: Final = 150
"""135,000 bytes: more than the largest proof (130,406), which only a hostile author makes."""
MAX_LINES: Final = 24
"""Lines of 46 to 63 bytes in one frame."""
MAX_PREFIXES: Final = 64
"""Prefixes in one question, and nodes in one answer: usual ones of 4 bytes and of 50."""
MAX_MARKS: Final = 16
"""Authors below a prefix that are marked one by one; more are split by the next digit, which is
then cheaper."""
ADVERT_BYTES: Final = 28
"""An advert at its widest; about 16 are usual."""
NAME_BYTES: Final = 44
"""The name of a handle at its widest."""
MAX_ADVERTS: Final = 36
"""Adverts in one frame."""
MAX_NAMES: Final = 20
"""Names of handles in one frame."""
MAX_HOPS: Final = 255
"""Links that a push has passed; what has passed more says so no longer."""
MAX_STEM: Final = 65_535
"""Numbers of pulls: two at work on one record rarely draw the same."""
MAX_WANT_RANGES: Final = 19
"""Ranges of at most 53 bytes in one frame."""
MAX_WANT_IDS: Final = 30
"""Ids of 34 bytes in one frame."""
MAX_ENTRIES: Final = 8
"""Records in one frame: the smallest is about 180 bytes."""
MAX_FORESEEN: Final = 2_048
"""Records that were read while others follow at once and are not taken yet: about 2 MB at their
largest, and some turns of full datagrams. Above, they are read again."""
MAX_PEERS: Final = 16
"""Addresses of at most 55 bytes in one frame."""
MAX_FRAMES: Final = 64
"""Frames in one datagram; more are never useful, and each costs a check."""

MILLISECOND_US: Final = 1_000
SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one node chooses for itself. Times in microseconds, sizes in bytes."""

    # Links.
    target_links: int = 8
    """Dial until this many: with half of all nodes crashed, degree 8 still leaves none cut off."""
    accepted_links: int = 4
    """Taken from others on top; where all nodes fit into the sum, they form a full mesh."""
    needy_links: int = 4
    """A caller with fewer links becomes the guest where there is no room; others are sent on."""
    guest_us: int = 2 * SECOND_US
    """How long a guest stays at least: it is told addresses, and what it lacks comes by then."""
    guest_pause_us: int = 6 * SECOND_US
    """Between two guests: whoever is always in need holds a third of one place."""
    kept_links: int = 16
    """Links to addresses that a person named come on top of the target."""
    dialled_share: int = 4
    """One link in so many is dialled by this node: others cannot choose all its peers."""
    links_per_author: int = 2
    """One for now and one for the moment after a restart at another address."""
    handshake_us: int = 30 * SECOND_US
    """How long a hello is repeated and its answer good; then a new one is begun."""
    answers_waiting: int = 512
    """Hellos that were answered and not confirmed: all that are let through within a round trip
    of a second."""
    hellos_remembered: int = 1_024
    """Answers kept for hellos that are repeated or were recorded: about 400 kB."""
    handshakes_per_s: int = 100
    """Hellos worked out a second, of unproven addresses, and as many of proven ones: each costs a
    fifth of a millisecond and its confirm another. More are asked for a cookie first."""
    cookie_us: int = 30 * SECOND_US
    """A proof of address is good for one to two of these."""
    early_datagrams: int = 4
    """Datagrams that overtook the confirm of their link: a first burst."""
    fading_us: int = 5 * SECOND_US
    """How long the session of a replaced link is still read."""
    fading_sessions: int = 64
    doubt_us: int = 1 * SECOND_US
    """Between two hellos to a peer that says it has lost the link."""
    rekey_us: int = 120 * SECOND_US
    rekey_datagrams: int = 1 << 20
    """A key is used no longer and no more often: far below what the cipher allows."""
    old_key_us: int = 10 * SECOND_US
    """How long the key before is read; nothing is under way for longer."""
    simultaneous_us: int = 5 * SECOND_US
    """Two hellos that crossed: within this time both sides apply the same choice."""
    bad_signatures: int = 16
    """Wrong signatures before a link is cut; each costs 105 µs. One is forgiven per 4 s."""
    bad_signature_forgiven_us: int = 4 * SECOND_US
    vain_per_s: int = 1_000
    vain_burst: int = 4_096
    """Datagrams of a link that brought nothing new: adverts, pings and questions in the busiest
    network are some hundred a second, and after a standstill some thousand wait. A tenth of the
    core goes to a peer that sends only those."""
    link_bytes_per_s: int = 8 * 1024 * 1024
    link_burst_bytes: int = 8 * 1024 * 1024
    """Read of one link: more than an honest peer pushes and serves together at its fastest."""
    link_datagrams_per_s: int = 20_000
    link_burst_datagrams: int = 20_000
    """As many small ones; reading that many takes a core already."""
    wants_per_s: int = 2_000
    wants_burst: int = 20_000
    """Ranges of one link that are looked up; a peer that catches up by datagrams asks for some
    hundred a second."""
    authors_per_s: int = 100
    authors_burst: int = 10_000
    """Authors of whom nothing was held that one link may introduce by pushing; a whole network
    comes by reconciliation."""
    author_records_per_s: int = 200
    author_records_burst: int = 512
    """Pushed records of one author that are checked: as many as a node pushes on. The rest comes
    with the reconciliation, run by run, where one check of a signature does for many. At 1,000 a
    second a flood makes others wait for more than a second."""
    hosts: int = 1_024
    """Addresses whose handshakes are counted."""
    ban_us: int = 60 * SECOND_US
    max_ban_us: int = 3_600 * SECOND_US
    """How long a peer that was cut gets no answer, at its address and by its key: twice as long
    each time, and an hour at most, for a key may be shut out by a damaged machine of its owner."""
    ban_forgiven_us: int = 600 * SECOND_US
    """After so long without another offence one of them is forgotten."""
    bans: int = 512
    """Addresses and keys that were cut lately: two for each of 256 peers."""
    callers: int = 64
    """Addresses without a link of which is remembered what they sent, for people who ask."""
    reset_replies_per_s: int = 50
    """Answers of 21 bytes to datagrams of links that this node does not have."""

    # Liveness.
    ping_active_us: int = 1 * SECOND_US
    ping_repair_us: int = 300 * MILLISECOND_US
    """While there is something to repair, and repairing gets on; pings follow no closer."""
    ping_idle_us: int = 7 * SECOND_US
    ping_jitter_us: int = 2 * SECOND_US
    """Up to this much is added: an idle link costs each side about 13 bytes a second."""
    active_for_us: int = 5 * SECOND_US
    """A link counts as active for this long after it carried news or differed."""
    dead_us: int = 4_500_000
    """Silence after an unanswered ping: four more pings were lost as well."""
    second_look_us: int = 100 * MILLISECOND_US
    """Between noticing that a peer is silent and giving it up, the inbox has been drained."""
    lag_factor: int = 4
    """Patience grows by so many times the own lateness, which halves every second."""
    max_lag_us: int = 5 * SECOND_US
    """Lateness above this counts as this: patience stays below half a minute."""
    loss_sample: int = 16
    """Datagrams between two looks at how many were lost."""
    stall_us: int = 1 * SECOND_US
    """A gap of the own loop above this is not the peers' fault: all deadlines move by it."""

    # Addresses.
    passive_addresses: int = 64
    """Named by peers or found by discovery, and not yet proven."""
    remembered_addresses: int = 256
    """Where a node answered once."""
    kept_addresses: int = 64
    """Named by a person, never forgotten; more than anybody types."""
    named_per_source: int = 16
    """Addresses that one peer may make this node remember: one liar cannot fill the table."""
    named_per_host: int = 4
    """Unproven ports of one host at a time; this machine itself has no such bound."""
    named_per_subnet: int = 16
    """Unproven addresses of one public /24 or /64: nobody rents all that a node knows."""
    named_per_s: int = 8
    named_burst: int = 64
    """Addresses read from one link: a mesh that forms at once names each newcomer once."""
    dial_us: int = 1 * SECOND_US
    """How long a hello counts as under way."""
    pending_dials: int = 8
    first_backoff_us: int = 250 * MILLISECOND_US
    max_backoff_us: int = 10 * SECOND_US
    """Kept addresses are dialled for ever at this interval at least."""
    refused_us: int = 30 * SECOND_US
    """A node without room has some again when others have come and gone."""
    full_us: int = 960 * SECOND_US
    """The longest pause, doubled from that one, before a node without room is asked again by one
    that has some links: until links are lost, nothing has changed."""
    long_backoff_us: int = 60 * SECOND_US
    """Others slow down further after `patient_dials`."""
    patient_dials: int = 10
    lonely_backoff_us: int = 2 * SECOND_US
    """The longest pause while there is no link at all: being alone is worth 256 bytes a second."""
    named_dials: int = 3
    """Hellos to an address that only a payload names; it is forgotten without an answer."""
    first_named_backoff_us: int = 3 * SECOND_US
    named_backoff_us: int = 30 * SECOND_US
    named_dials_per_s: int = 4
    """In all: what strangers' payloads can make this node send is 2 kB/s."""
    named_dials_burst: int = 16
    """A newcomer is sent from full nodes to others some times before it finds room."""
    silent_per_host: int = 4
    silent_per_subnet: int = 32
    """Hellos to named addresses that may stay unanswered within `silent_us`: what a liar can make
    this node send to one victim is 35 bytes a second, and to its network 280."""
    silent_us: int = 60 * SECOND_US
    heal_us: int = 10 * SECOND_US
    """One known address outside the view is dialled this often, so that partitions heal."""
    lost_us: int = 4 * SECOND_US
    """Between two hellos to peers that fell silent, while that is fresh: 83 bytes a second."""
    lost_for_us: int = 600 * SECOND_US
    """Afterwards they are dialled as any other address outside the view."""
    returned_failures: int = 5
    """Hellos in vain after which an answer means that a way is open again."""
    strange_roots: int = 2
    """Answers with another root in a row after which an outsider is linked all the same."""
    mix_us: int = 250 * MILLISECOND_US
    """Before a link is exchanged for one to somebody nearer, and after each that was; and then ever
    more rarely: nodes that heard of a few neighbours only come to form one random graph."""
    max_mix_us: int = 640 * SECOND_US
    young_us: int = 3 * SECOND_US
    """After a start the view finds its shape in a hurry."""
    calm_mix_us: int = 32 * SECOND_US
    """Between two exchanges from then on: records are to meet a tree that stands."""
    settled_us: int = 15 * SECOND_US
    """After a start; who then has `needy_links` can wait for nodes that have no room."""
    choice_us: int = 1 * SECOND_US
    max_choice_us: int = 60 * SECOND_US
    """Between two hellos for links of the node's own choice while it has links enough, doubled each
    time: where all are full, all answer that they are, and a place comes free as others move."""
    refused_per_s: int = 8
    refused_burst: int = 128
    """Callers for whom there was no room, and who come again before they were asked to: from one
    host as many nodes do while they form a network. Above that somebody presses for links; to
    think so in vain, while trees take shape, makes them half as deep again."""
    pressed_us: int = 5 * SECOND_US
    """For so long after that the view looks for its place as one that has just started, and for
    addresses of which the callers do not tell."""
    pressed_links: int = 6
    """Places more in that time. Of 200 nodes, 60 of which refuse nobody, with 12 places about one
    honest node in 5,000 has no other that is near enough for both, with 18 one in 300,000."""
    ask_again_us: int = 1 * SECOND_US
    """In that time, between two hellos to one that has no room: it knows others by then."""
    pressed_ask_us: int = 250 * MILLISECOND_US
    """Between two questions for addresses meanwhile: 4 kB/s, to links of the node's own choice."""
    shuffle_us: int = 5 * SECOND_US
    """Addresses are exchanged with a random peer after this, and then after four times as long."""
    max_shuffle_us: int = 120 * SECOND_US
    shuffled_peers: int = 8
    """Addresses in a shuffle: 400 bytes each way."""
    shuffle_soon_us: int = 1 * SECOND_US
    """A node that knows nobody else to dial asks its peers this often."""
    share_fresh_us: int = 900 * SECOND_US
    """An address where nobody answered for longer is not told to others."""
    own_addresses: int = 16
    dials: int = 384
    """Addresses whose answer is waited for: as many as are known at most."""

    # Spread.
    peer_heads: int = 4_096
    """Per link, authors whose records the peer is known to have; forgetting costs an advert."""
    handles: int = 4_096
    """Per link and direction; about 1 MB. A forgotten one is named anew."""
    namings: int = 2
    """Adverts that carry a handle's name: one may be lost without a question."""
    pursuits: int = 1_024
    """Authors being fetched at once."""
    pursuits_per_link: int = 256
    """Of these, those that one link may have caused."""
    sources: int = 8
    """Advertisers remembered for one author."""
    asks_per_pursuit: int = 32
    """Ranges of one author under way at once."""
    holes: int = 64
    """Ranges of one author that an answer skipped; a window is about 32 datagrams."""
    reorder_us: int = 3 * MILLISECOND_US
    """How long what was skipped may still arrive before it counts as lost."""
    asks_per_link: int = 32
    """Ranges under way on one link: two datagrams of wants, so at most two windows at once."""
    answers: int = 256
    """Wants of which it is remembered that their answer brought news; four windows per link."""
    ahead_records: int = 128
    """How far above a gap more is asked for: as many as a log lets wait."""
    want_records: int = 1_024
    """Records in one range: more than a window ever carries."""
    attempts: int = 20
    """Questions without an answer before a pursuit is left to reconciliation."""
    first_wait_us: int = 100 * MILLISECOND_US
    min_wait_us: int = 3 * MILLISECOND_US
    max_wait_us: int = 1 * SECOND_US
    quicker: int = 4
    """An answer that comes in less than such a part of the usual time is the usual time from then
    on: what came before had waited for something else."""
    ages_waiting: int = 4_096
    """Ages of records that wait above a gap."""

    pushed_records: int = 4
    """New records of one author that are pushed as they are: about one datagram. More at once is
    a burst, or a catch-up, and is left to adverts."""
    pushed_age_ms: int = 10_000
    """An older record is no news: others have it, or lack more than this one."""
    first_eager_links: int = 3
    """Dialled links that begin eager: two each connect any number of nodes, a third makes the tree
    that the first records leave of them less deep."""
    pushes_remembered: int = 1_024
    """Records of which it is remembered who pushed them: some seconds of heavy traffic."""
    pulls_before_graft: int = 3
    graft_loss_step_permille: int = 100
    """One more pull in a row for each of these of estimated loss."""
    pulled_told_permille: int = 250
    """From this estimated loss on what was pulled on its way is advertised and not pushed: others
    pull it as well, and a copy that meets another has cost two."""
    push_bytes_per_s: int = 2 * 1024 * 1024
    push_burst_bytes: int = 128 * 1024
    """Pushed per link; what is above it is advertised, and comes at the receiver's pace."""
    pushed_per_s: int = 200
    pushed_burst: int = 64
    """Records of one author that are pushed on; an author that floods is advertised."""
    shares: int = 4_096
    """Authors whose share is kept; a forgotten one begins anew."""
    advert_us: int = 3 * MILLISECOND_US
    """Adverts are collected this long on lossy links."""
    calm_advert_us: int = 64 * MILLISECOND_US
    """On others a quarter of this and a random part of it more, so that mostly one end of a link
    advertises, and pushes come first: fifty processes on two cores push a record on for 50 ms."""
    calm_adverts: int = 3
    """Calm links that a record is advertised on: with those that advertise back, a node hears of
    it from two or three neighbours, and one is enough."""
    lossy_permille: int = 20
    """From this estimated loss on a link counts as lossy."""
    rough_permille: int = 200
    """From this smoothed share of awaited pushes that were missed on all links count as lossy, for
    each has carried little yet: after one of them, until the next new push."""
    repeat_us: int = 10 * MILLISECOND_US
    """An advert is repeated on a lossy link after twice this, doubled each time."""
    repeats: int = 4
    """Of an advert on one link, at most: for those that have few links."""
    adverts_each: int = 16
    """Adverts of a record, the repeats among them, with which a node has told it often enough: its
    peers hear of it from others as well."""
    first_patience_us: int = 5 * MILLISECOND_US
    """For an advertised record to be pushed, before it is known how long that takes here."""
    min_patience_us: int = 2 * MILLISECOND_US
    max_patience_us: int = 200 * MILLISECOND_US
    overdue: int = 1_024
    """Authors of whom it is remembered that a push was late."""
    read_ahead_us: int = 20 * MILLISECOND_US
    """Datagrams that were read while others follow wait so long for those at most."""
    relay_hold_us: int = 50 * MILLISECOND_US
    """In a full mesh the author itself has told everybody: a relay waits half to one and a half of
    this, so that it repairs losses and adds no load."""
    relays_heard: int = 2
    """Relays of others after which the own one is left out (Trickle, RFC 6206)."""
    mesh_check_us: int = 1 * SECOND_US
    outsider_failures: int = 3
    """Hellos in vain after which a known address no longer counts as a node outside the mesh."""

    # Serving.
    serve_window_bytes: int = 32 * 1024
    """Answer to one datagram of wants; the asker then asks on. It fits a socket's buffer."""
    serve_bytes_per_s: int = 4 * 1024 * 1024
    serve_burst_bytes: int = 1024 * 1024
    """Per link: catching up stays fast, and 12 links cannot take more than a fast network."""
    verified_ids: int = 16
    """Signatures checked to answer one datagram of wants by id."""

    # Bulk.
    bulk_author_records: int = 64
    """A gap of one author from which on it comes over TCP: about one window of datagrams."""
    bulk_records: int = 256
    """Smaller gaps of all authors together, from which on they do: about two windows."""
    bulk_check_us: int = 10 * MILLISECOND_US
    """How often it is looked at whether small gaps have closed; each look costs up to 256."""
    bulk_gather_us: int = 10 * MILLISECOND_US
    """How long what is missing is gathered before it is asked for: peers show it page by page."""
    bulk_fetches: int = 3
    """Streams at once, each to another peer: the next source is at work when one breaks."""
    bulk_fetch_records: int = 16_384
    """Asked of one peer at a time, but for its last author: what is left is there for whoever
    shows meanwhile that it has it too. A new stream costs milliseconds, these half a second."""
    bulk_authors: int = 16_384
    bulk_authors_per_link: int = 8_192
    """Authors being fetched; one liar can fill half of them."""
    bulk_silence_us: int = 30 * SECOND_US
    """A fetch of which nothing was heard is over: longer than any wait of the stream itself."""
    bulk_turn_us: int = 5 * SECOND_US
    """After so long a fetch gives way, if somebody idle has what it still is to bring, or others
    wait for its place; what it brought stays. At any usual speed it is over by then."""
    bulk_turn_records: int = 500
    """A peer that brought fewer in such a turn rests like one that failed."""
    bulk_useless_chunks: int = 16
    """In a row, then the fetch ends: others brought the same meanwhile, or nobody needs it."""
    bulk_rest_us: int = 1 * SECOND_US
    bulk_max_rest_us: int = 60 * SECOND_US
    """A peer whose stream failed is not asked for one, doubling; datagrams do meanwhile."""
    bulk_patience: int = 3
    """Failures in a row of a stream that has brought something, which are waited out."""
    bulk_refused: int = 1_024
    """Authors per link that its stream did not give; they come in datagrams."""
    bulk_counted_records: int = 1 << 20
    """What one author counts at most: a liar's seq must not hide how far others have come."""
    bulk_chunk_bytes: int = 64 * 1024
    """A chunk of an answer, about 250 records: some 15 ms of work for who receives it."""
    bulk_runs: int = 64
    """Authors in one chunk: each may cost its server a signature check, 7 ms in all."""
    far_behind_records: int = 1_000
    """With so many known to be missing, a node lets others claim."""
    far_behind_us: int = 30 * SECOND_US
    far_behind_rest_us: int = 300 * SECOND_US
    """For so long at most, and then not again: a liar must not silence a node."""

    # Beats and proofs.
    beats: int = 4_096
    """Latest beats kept, one an author; the longest not renewed gives way."""
    beats_on_link_up: int = 64
    """The most recent ones, told to a new link."""
    beat_fresh_us: int = 60 * SECOND_US
    """An older beat tells a new link nothing: no lease that it renews still counts on it."""
    early_beats: int = 64
    """Beats of authors whose first record is on its way: as many as a new link is told of."""
    assemblies: int = 4
    """Proofs and long runs put together per link at once; at worst 540 kB."""
    proof_retry_us: int = 1 * SECOND_US
    """A proof is sent unasked on one link at most this often."""
    proof_ask_us: int = 150 * MILLISECOND_US
    """A proof is asked for, and sent to who asks, on one link at most this often."""
    proof_tell_us: int = 50 * MILLISECOND_US
    proof_tells: int = 4
    """To peers that have not shown a new proof it is said that there is one after this time, and
    so often, each time after twice as long: the last after 750 ms, when links are asked anyway."""
    proof_marks: int = 256
    """Proofs per link of which it is remembered when they were last sent or asked for, and whether
    the peer has shown them; and those that are told again."""

    # Reconciliation.
    lasting_mismatches: int = 2
    """Roots that differ in a row before anything is asked: records in flight are no difference."""
    recent_roots: int = 64
    recent_root_us: int = 2 * SECOND_US
    """Own roots remembered, and for how long: a peer a moment behind does not differ."""
    root_us: int = 250 * MILLISECOND_US
    root_shelves: int = 16
    """How old a root may be that is told and compared, where more shelves than these changed since:
    with a thousand new records a second each ping would have most of them hashed again."""
    cursors: int = 256
    """Peers' runs of which it is remembered up to where their changes are known here."""
    few_authors: int = 16
    """Who holds no more than this asks a new peer for all it has, which is cheaper then."""
    since_frames: int = 4
    """Frames in answer to one SINCE: about 90 lines."""
    exchanges: int = 2
    """At once, over all links: what one brings, the next need not ask for."""
    exchange_us: int = 20 * SECOND_US
    """An exchange that takes longer is broken off; what it brought stays, and the next goes on."""
    rest_us: int = 300 * MILLISECOND_US
    """Between two exchanges on a link. It doubles while they bring nothing, up to the longest."""
    max_rest_us: int = 30 * SECOND_US
    turn_us: int = 500 * MILLISECOND_US
    """How long a peer that must have fewer changes gets to ask for ours, before we probe."""
    patience_us: int = 3 * SECOND_US
    """After this the accepting side probes as well, and whatever else is going on."""
    overdue_us: int = 10 * SECOND_US
    """Roots that differ for so long are reason to probe, even where news never stops."""
    vain_exchanges: int = 4
    """After more in a row, pings slow down to those of an idle link."""
    probes_under_way: int = 128
    probes_per_exchange: int = 8_192
    """Twice what 10,000 authors need that all differ."""
    probe_tries: int = 8
    """Lost eight times in a row at 30 % loss each way: one in 200; the next exchange finds it."""
    probe_pause_us: int = 50 * MILLISECOND_US
    """Before looking again whether there is room to fetch more."""
    probe_batch: int = 32
    """Prefixes that are worth a datagram while others are under way."""
    told_under_way: int = 128
    """Authors told to a peer and not asked for yet: what it can fetch by way of one link."""
    untold: int = 4_096
    """Authors that wait to be told; the next exchange finds the others."""
    tell_waits: int = 8
    """Waits for an answer before telling again: a peer asks for what it was told as it has room."""
    tell_tries: int = 3
    """A peer may fetch from somebody else what it was told."""
    compared_authors: int = 512
    """Own authors below a prefix that are compared with a peer's few."""
    answered_per_s: int = 1_024
    answered_burst: int = 8_192
    """Prefixes answered to one link: each costs up to 40 µs, so 4 % of the time."""
    secrets_per_s: int = 1
    secrets_burst: int = 4
    """Changes of the network's secret that are kept: each is written down and told to all."""
    secret_kept_us: int = 10 * SECOND_US
    """What was learned is learned again if it was not kept by then: the disk was full."""
    secret_step: int = 1_000
    """Changes that may have been missed: a higher number could leave no room for later ones."""
    answered_per_s_in_all: int = 4_096
    answered_burst_in_all: int = 16_384


DEFAULT_LIMITS: Final = Limits()

"""Join codes, the doors of their secrets, and one newcomer's talk at a door, byte by byte."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.gossip.admission import (
    Admission,
    Refusal,
    door_id,
    door_key,
    door_protection,
    encode_answer,
    join_request,
)
from antsp2p.gossip.join_code import JoinCode
from antsp2p.gossip.network_keys import KeyRing, NetworkKey
from antsp2p.gossip.protection import protect
from antsp2p.gossip.stream_cipher import StreamAnswerer, StreamCaller
from tests.vectors.common import NETWORK, Case, case, identity, verify
from tests.vectors.links import INVITATION, SECRET, Draws

if TYPE_CHECKING:
    from collections.abc import Iterable

ONE = JoinCode(INVITATION, 4_700, ("192.0.2.7",))


def _codes() -> Iterable[Case]:
    for name, why, code in (
        ("one address", "the usual code", ONE),
        ("no address", "the newcomer looks around", JoinCode(INVITATION, 65_535)),
        ("three addresses", "the bits of flags follow the order",
         JoinCode(bytes(16), 1, ("2001:db8::1", "192.0.2.7", "2001:db8::2"))),
    ):
        yield case(name, why, text=code.text, secret=code.secret, port=code.port,
                   hosts=list(code.hosts), door=door_id(code.secret))
    typed = ONE.text.upper().replace("-", " ").replace("0", "O").replace("1", "I")
    yield case("as typed", "any case, any spacing, and what looks alike", text=typed,
               secret=ONE.secret, port=ONE.port, hosts=list(ONE.hosts), door=door_id(ONE.secret))


def _no_codes() -> Iterable[Case]:
    text = ONE.text
    for name, why, wrong in (
        ("a wrong letter", "the check differs", text[:-3] + ("2" if text[-3] != "2" else "3")
         + text[-2:]),
        ("cut off", "the check differs", text[:-6]),
        ("no prefix", "it does not begin with ants", text[5:]),
        ("a letter that is none", "u is not in the alphabet", text[:-1] + "u"),
        ("another version", "the first byte is 2", text.replace("ants-0", "ants-1", 1)),
    ):
        yield case(name, why, text=wrong)


def _talk() -> Case:
    """A newcomer, whose key is new, and a member, each with random bytes that are known."""
    at_door, host, secret = Draws("newcomer"), Draws("host"), SECRET
    newcomer = door_protection(identity("eve"), INVITATION, at_door)
    member = protect(identity("ada"), NETWORK, KeyRing(NETWORK, [NetworkKey(secret)]), Draws("m"))
    door = door_protection(identity("ada"), INVITATION, host)
    calling = StreamCaller(newcomer, door_key(INVITATION), verify)
    answering = StreamAnswerer(member, verify, {door.network: door}.get)
    second = answering.first(calling.first[2:])
    third, out = calling.answered(second[2:])
    back = answering.last(third[2:])
    given = Admission("local", NETWORK, 1, secret, 3_600_000)
    request, answer = join_request(door.network, takes=True), encode_answer(given)
    requests = {"look": join_request(door.network, takes=False), "take": request}
    answers = {
        "looked": encode_answer(Admission("local", NETWORK, 1)), "given": answer,
        "used": encode_answer(Refusal.USED), "expired": encode_answer(Refusal.EXPIRED),
    }
    framed_request = len(request).to_bytes(2, "big") + request
    framed_answer = len(answer).to_bytes(2, "big") + answer
    return case(
        "a newcomer", "three messages, a request and its answer; and the other requests and "
        "answers there are", secret=INVITATION, door=door.network,
        newcomer=newcomer.author, newcomer_static_private=at_door.drawn[0],
        newcomer_ephemeral_private=at_door.drawn[1], member=door.author,
        member_static_private=host.drawn[0], member_ephemeral_private=host.drawn[1],
        first=calling.first, second=second, third=third, requests=requests, answers=answers,
        sealed_request=out.seal(framed_request), sealed_answer=back.seal(framed_answer),
        sealed_end=back.end(),
    )


def cases() -> dict[str, Any]:
    """All of them."""
    return {"codes": list(_codes()), "no_codes": list(_no_codes()), "talks": [_talk()]}

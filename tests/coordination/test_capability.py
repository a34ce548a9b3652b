from __future__ import annotations

import itertools
from random import Random
from typing import TYPE_CHECKING

from antsp2p.coordination.body import Announce, RecordType
from antsp2p.coordination.capability import CapabilityFold, configuration_digest
from tests.coordination.contests import Log, an_offer, key_of

if TYPE_CHECKING:
    from antsp2p.records.record import Record


def fold_of(records: list[Record]) -> CapabilityFold:
    fold = CapabilityFold()
    for record in records:
        fold.add(record)
    return fold


def test_the_latest_announcement_wins_in_any_order() -> None:
    log = Log(key_of("ann"))
    log.say(Announce("text.count", slots=1))
    log.say(Announce("text.count", slots=2))
    log.say(Announce("text.count", withdrawn=True))
    log.say(Announce("text.count", slots=4))
    for order in itertools.permutations(log.records):
        fold = fold_of(list(order))
        latest = fold.latest(log.author, "text.count")
        assert latest is not None
        assert latest.slots == 4
        assert fold.providers("text.count") == ((log.author, latest),)
        assert fold.snapshot() == fold_of(log.records).snapshot()


def test_a_withdrawn_capability_is_provided_by_nobody() -> None:
    log = Log(key_of("ann"))
    log.say(Announce("text.count"))
    log.say(Announce("image.scale"))
    log.say(Announce("text.count", withdrawn=True))
    fold = fold_of(log.records)
    assert fold.names() == ("image.scale",)
    assert fold.providers("text.count") == ()
    assert [announce.name for announce in fold.of(log.author)] == ["image.scale"]
    latest = fold.latest(log.author, "text.count")
    assert latest is not None
    assert latest.withdrawn


def test_add_tells_what_is_new() -> None:
    log = Log(key_of("ann"))
    old, new = log.say(Announce("text.count")), log.say(Announce("text.count", slots=3))
    fold = CapabilityFold()
    assert fold.add(new) == Announce("text.count", slots=3)
    assert fold.add(new) is None
    assert fold.add(old) is None
    assert fold.add(log.say(an_offer())) is None
    assert fold.add(log.write(RecordType.ANNOUNCE, {1: "Not A Name"})) is None
    assert len(fold.providers("text.count")) == 1


def test_remove_is_the_inverse_of_add() -> None:
    rng = Random(3)
    logs = [Log(key_of(f"{n}")) for n in range(4)]
    for _ in range(60):
        rng.choice(logs).say(Announce(
            rng.choice(("a", "b", "c")), slots=rng.randint(1, 9), withdrawn=rng.random() < 0.3))
    records = [record for log in logs for record in log.records]
    for _ in range(40):
        fold = fold_of(rng.sample(records, len(records)))
        gone = rng.sample(records, 25)
        for record in gone:
            fold.remove(record)
            fold.remove(record)
        rest = fold_of([record for record in records if record not in gone])
        assert fold.snapshot() == rest.snapshot()
        assert fold.names() == rest.names()
        for name in "abc":
            assert fold.providers(name) == rest.providers(name)
    empty = fold_of(records)
    for record in records:
        empty.remove(record)
    assert empty.snapshot() == CapabilityFold().snapshot()
    assert empty.names() == ()


def test_a_convicted_author_provides_nothing_whenever_it_comes_to_light() -> None:
    ann, bob = Log(key_of("ann")), Log(key_of("bob"))
    for log in (ann, bob):
        log.say(Announce("text.count"))
    before, after = CapabilityFold(), fold_of([*ann.records, *bob.records])
    before.convict(ann.author)
    for record in (*ann.records, *bob.records):
        before.add(record)
    after.convict(ann.author)
    after.convict(ann.author)
    assert before.snapshot() == after.snapshot() == fold_of(bob.records).snapshot()
    assert [author for author, _ in after.providers("text.count")] == [bob.author]
    assert after.of(ann.author) == ()
    after.remove(ann.records[0])
    assert before.snapshot() == after.snapshot()


def test_providers_come_by_author() -> None:
    logs = [Log(key_of(f"{n}")) for n in range(20)]
    for log in logs:
        log.say(Announce("text.count"))
    fold = fold_of([log.records[0] for log in logs])
    authors = [author for author, _ in fold.providers("text.count")]
    assert authors == sorted(log.author for log in logs)


def test_a_configuration_is_that_of_the_last_announcement_below_that_is_no_withdrawal() -> None:
    log = Log(key_of("ann"))
    first, second = (configuration_digest([part]) for part in (b"model-7", b"model-8"))
    log.say(Announce("work", config_digest=first))
    log.say(Announce("other"))
    log.say(Announce("work", config_digest=second))
    log.say(Announce("work", withdrawn=True))
    fold = fold_of(log.records)
    found = [fold.configuration(log.author, "work", seq) for seq in range(1, 6)]
    assert found == [b"", first, first, second, second]
    assert fold.configuration(log.author, "work") == second
    assert fold.configuration(log.author, "none") == b""
    assert fold.configuration(key_of("bob"), "work", 1) == b""


def test_a_configuration_is_the_same_in_any_order_and_another_with_any_change() -> None:
    digest = configuration_digest([b"model-7", b"Be brief."])
    assert digest == configuration_digest([b"Be brief.", b"model-7"])
    for other in ([b"model-7"], [b"model-7", b"Be brief"], [b"model-7Be brief."], []):
        assert configuration_digest(other) != digest

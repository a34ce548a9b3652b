"""Who may have an input that is for the holder alone."""
from __future__ import annotations

from antsp2p.coordination.body import BlobRef, Offer, Verdict, content_hash
from antsp2p.coordination.confidence import may_have
from tests.coordination.scribe import Scribe

BLOB = BlobRef(content_hash(b"secret"), 6)


class Scene:
    """A requester's task, and the question put to the node of `me`."""

    def __init__(self) -> None:
        self.scribe = Scribe()

    def offer(self, name: str = "requester", *, holder_only: bool = True) -> bytes:
        return self.scribe.write(name, Offer(
            "work", 1_000, 0, 3, blob=BLOB, holder_only=holder_only)).id

    def gives(self, me: str, asker: str) -> bool:
        author = self.scribe.author
        return may_have(self.scribe.tasks, author(me), author(asker), BLOB.hash)


def test_only_who_was_awarded_the_task_gets_its_input() -> None:
    scene = Scene()
    task = scene.offer()
    assert not scene.gives("requester", "ann")
    one = scene.scribe.claim("ann", task)
    assert not scene.gives("requester", "ann"), "a claim is not enough"
    scene.scribe.award(task, one)
    assert scene.gives("requester", "ann")
    assert not scene.gives("requester", "bob")
    scene.scribe.lapse("requester", task, one)
    assert not scene.gives("requester", "ann")
    other = scene.scribe.claim("bob", task)
    scene.scribe.award(task, other)
    assert scene.gives("requester", "bob")
    assert not scene.gives("requester", "ann")


def test_an_earlier_holder_gives_it_to_nobody_but_the_holder_and_the_requester() -> None:
    scene = Scene()
    task = scene.offer()
    scene.scribe.award(task, scene.scribe.claim("ann", task))
    scene.scribe.lapse("requester", task, scene.scribe.tasks.claims(task)[0][0])
    scene.scribe.award(task, scene.scribe.claim("bob", task))
    assert [scene.gives("ann", asker) for asker in ("bob", "requester", "cat")] == [
        True, True, False]


def test_when_the_task_has_ended_nobody_gets_it_any_more() -> None:
    scene = Scene()
    task = scene.offer()
    claim = scene.scribe.claim("ann", task)
    scene.scribe.award(task, claim)
    result = scene.scribe.result("ann", task, claim)
    scene.scribe.write("requester", Verdict(
        task, claim.id, result.id, True, content_hash(b"out")))
    assert not scene.gives("requester", "ann")


def test_naming_a_blob_neither_opens_nor_closes_it_for_others() -> None:
    scene = Scene()
    task = scene.offer()
    # Anybody can read the hash in the offer, and name it in a task of his own.
    scene.offer("thief", holder_only=False)
    own = scene.offer("thief")
    scene.scribe.award(own, scene.scribe.claim("friend", own), "thief")
    assert not scene.gives("requester", "friend")
    assert not scene.gives("requester", "thief")
    # Who has the blob from elsewhere gives it to whom it likes.
    assert scene.gives("bystander", "cat")
    scene.scribe.award(task, scene.scribe.claim("ann", task))
    assert scene.gives("requester", "ann")


def test_what_is_said_of_an_offer_goes_with_it() -> None:
    scene = Scene()
    record = scene.scribe.tasks.offer(scene.offer())
    assert record is not None
    scene.scribe.tasks.remove(record[0])
    assert scene.scribe.tasks.for_the_holder(BLOB.hash) == ()
    assert scene.gives("requester", "cat")

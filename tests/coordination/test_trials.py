from __future__ import annotations

from antsp2p.coordination.judgement import Judgement
from antsp2p.coordination.reputation import Ledger
from antsp2p.coordination.trials import Trials
from tests.coordination.scribe import Scribe


def test_each_is_tried_with_one_task_until_it_no_longer_holds_it() -> None:
    scribe = Scribe()
    judgement = Judgement(Ledger(scribe.author("requester")))
    first, second = scribe.offer().id, scribe.offer().id
    trials = Trials(scribe.tasks, judgement, lambda: (first, second))
    claim, rival = scribe.claim("a", first), scribe.claim("b", first)
    assert trials.candidates([claim, rival], "work") == [claim, rival]
    scribe.award(first, claim)
    trials.begin(claim.author, first)
    again = scribe.claim("a", second)
    assert trials.candidates([again, rival], "work") == [rival]
    # Whoever starts anew sees by its tasks who holds one.
    reborn = Trials(scribe.tasks, judgement, lambda: (first, second))
    assert reborn.candidates([again, rival], "work") == [rival]
    scribe.lapse("requester", first, claim)
    assert trials.candidates([again, rival], "work") == [again, rival]

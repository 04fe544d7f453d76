"""Exchanges that the end of a run met: a stall only where all that were answered took less."""

import pytest

from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.measure.verdict import objections


def stalls(ledger, waited):
    ledger.connected("ok", 0.1)
    ledger.interrupted("main", waited)
    with ledger.settled():
        return list(objections(ledger, {"x.talk": ["main"]}))


@pytest.mark.parametrize(
    ("waited", "told"), [(4.9, []), (5.1, ["1 exchange was unanswered at the end, after 5.10 s"])]
)
def test_who_waits_for_no_longer_than_others_were_answered_in_is_no_stall(waited, told):
    ledger = Ledger(["main"])
    ledger.exchange("main", "ok", 5.0, 0.0)
    assert stalls(ledger, waited) == told


def test_how_long_an_answer_took_in_the_warm_up_excuses_nobody_after_it():
    ledger = Ledger(["main"], counting=False)
    ledger.exchange("main", "ok", 5.0, 0.0)
    ledger.count_from_now()
    ledger.exchange("main", "ok", 0.1, 0.0)
    assert stalls(ledger, 4.9) == ["1 exchange was unanswered at the end, after 4.90 s"]

"""The ledger: what is read of it at any time, and how much it keeps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from socketscope.observe.distribution import BUCKETS, Distribution
from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.instruments import CONNECTION_OUTCOMES, INSTRUMENTS, OUTCOMES
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.play.run import Plan, Run
from socketscope.replay.script.program import Expectation, Program
from socketscope.replay.script.text import literal
from socketscope.replay.show.metrics import RunView
from tests.unit.replay.fakes import FakeLoop, FakeServer

WRONG = Failure("x.talk", 3, "hello", "hallo")


def test_what_is_read_is_complete_at_any_time():
    ledger = Ledger(["one", "two"])
    for number in range(1, 1001):
        ledger.exchange("one", "ok", 0.001, 0.5, None, number, 0.0005, 2, 3)
        if number % 7 == 0:
            ledger.exchange("two", "mismatch", 0.002, 0.0, WRONG, number, None, 1, 0)
        if number % 113 == 0:
            with ledger.settled():
                one, two = ledger.steps["one"], ledger.steps["two"]
                assert one.outcomes["ok"] == sum(one.service.counts) == number
                assert two.outcomes["mismatch"] == number // 7
                assert sum(two.service.counts) == 0
                assert (ledger.sent, ledger.received) == (2 * number + number // 7, 3 * number)
                assert sum(ledger.first_byte.counts) == number
    assert next(iter(ledger.failures.values())).first == WRONG


def test_what_it_keeps_does_not_grow_with_what_it_counts():
    ledger = Ledger(["main"])
    for number in range(10_000):
        ledger.exchange("main", "ok", 0.001, 0.0, None, number * 1e-6)
        ledger.lagged(0.001)
        assert len(ledger._entries) <= 200
    assert len(ledger.take_ended()) <= 10_000 / 200
    assert ledger.take_ended() == []
    assert len(ledger._lags) <= 200


def test_a_connection_that_was_not_made_is_not_open():
    ledger = Ledger(["main"])
    ledger.connected("ok", 0.5)
    ledger.connected("refused", 0.5)
    assert (ledger.open, sum(ledger.connect.counts)) == (1, 1)


@pytest.mark.parametrize("lateness", [0.0, 3.0])
def test_who_was_late_is_late_in_the_intended_durations_alone(lateness):
    ledger = Ledger(["main"])
    ledger.exchange("main", "ok", 1.0, 0.0)
    ledger.exchange("main", "ok", 2.0, lateness)
    ledger.exchange("main", "timeout", 4.0, lateness, WRONG)
    ledger.interrupted("main", 8.0, lateness)
    with ledger.settled():
        service, intended = ledger.service, ledger.intended
    for number, seconds in enumerate([1.0, 2.0, 4.0, 8.0]):
        share = (number + 0.5) / 4
        late = lateness if number else 0.0
        assert service.quantile(share) == pytest.approx(seconds, rel=0.001)
        assert intended.quantile(share) == pytest.approx(seconds + late, rel=0.001)
    (ended,) = ledger.take_ended()
    assert ended.figures.service.quantile(1) == pytest.approx(2.0, rel=0.05)
    assert ended.figures.intended.quantile(1) == pytest.approx(2.0 + lateness, rel=0.05)


@pytest.mark.parametrize("lateness", [0.0, 3.0])
def test_the_summary_counts_nothing_of_the_warm_up(lateness):
    ledger = Ledger(["main"], counting=False)
    ledger.exchange("main", "ok", 1.0, lateness)
    ledger.exchange("main", "reset", 1.0, lateness, WRONG)
    ledger.lagged(1.0)
    ledger.count_from_now()
    with ledger.settled():
        assert not ledger.failures
        assert (
            ledger.service.quantile(1.0) is ledger.intended.quantile(1.0) is ledger.lag.quantile(1.0) is None
        )


def test_what_has_ended_can_be_followed_by_when_and_how_it_did():
    ledger = Ledger(["main"], counting=False)
    ledger.exchange("main", "ok", 0.001, 0.5, None, 0.1)
    ledger.exchange("main", "reset", 0.001, 0.5, WRONG, 0.12)
    ledger.exchange("main", "ok", 0.001, 0.5, None, 7.0)
    ledger.count_from_now()
    ledger.exchange("main", "ok", 0.001, 0.5, None, 7.1)
    ended = ledger.take_ended()
    assert [(each.at, each.figures.outcomes, each.counted) for each in ended] == [
        (0.1, {"ok": 1, "reset": 1}, False),
        (7.0, {"ok": 1}, False),
        (7.1, {"ok": 1}, True),
    ]


@given(st.lists(st.one_of(st.floats(0, 20), st.sampled_from(BUCKETS))))
def test_durations_are_in_the_same_buckets_one_by_one_and_all_at_once(durations):
    one_by_one, at_once = Distribution(), Distribution()
    for duration in durations:
        one_by_one.observe(duration)
    at_once.observe_sorted(sorted(durations))
    assert one_by_one.counts == at_once.counts


def test_every_series_is_there_from_the_start_at_0():
    actions = (Expectation(n, step, 1.0, "any", literal("")) for n, step in enumerate(["one", "two"], 1))
    program = Program("x.talk", tuple(actions), {})
    loop = FakeLoop()
    run = Run([program], FakeServer(loop), Plan(users=1, connect="user", loops=1, seed=1), loop)
    registry = CollectorRegistry()
    registry.register(RunView(run))
    families = {family.name: family for family in registry.collect()}
    assert set(families) == {instrument.family for instrument in INSTRUMENTS}
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families.values()
        for sample in family.samples
        if "bucket" not in sample.name and family.type != "info"
    }
    assert set(values.values()) == {0.0}
    histograms = ("replay_exchange_duration_seconds", "replay_exchange_intended_duration_seconds")
    for step in ("one", "two"):
        for outcome in OUTCOMES:
            assert ("replay_exchanges_total", step, outcome) in values
        for name in histograms:
            assert (f"{name}_count", step) in values
    for outcome in CONNECTION_OUTCOMES:
        assert ("replay_connections_total", outcome) in values
    assert b"_created" not in generate_latest(registry)
    run.ledger.lagged(0.25)
    assert registry.get_sample_value("replay_schedule_lag_seconds") == 0.25
    loop.close()

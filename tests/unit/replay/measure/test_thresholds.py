"""Conditions under which a run fails: how they are written, and that none of them can never be met."""

import re

import pytest

from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.measure.summary import Summary, summarize
from socketscope.replay.measure.thresholds import parse_threshold, with_default

WRONG = Failure("x.talk", 1, "a", "b")


@pytest.fixture
def ledger() -> Ledger:
    """Return 95 exchanges of 1 ms in `get`, 5 of 100 ms in `set/slow`, and 25 passes dropped of 125."""
    ledger = Ledger(["get", "set/slow"])
    ledger.connected("ok", 0.001)
    for number in range(100):
        step, seconds = ("get", 0.001) if number < 95 else ("set/slow", 0.1)
        ledger.exchange(step, "ok", seconds, 0.5)
        ledger.passed()
    ledger.dropped_passes(25)
    return ledger


def judged(ledger: Ledger, *conditions: str, seconds: float = 10.0) -> Summary:
    return summarize(
        ledger, target="", mode="", seed=1, seconds=seconds, target_rate=12.5, with_connect=False,
        thresholds=with_default(tuple(parse_threshold(text) for text in conditions)), scripts={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("p95 > 20ms", None),
        ("p96 > 20ms", "p96 > 20ms (100 ms)"),
        ("p99.9 > 20ms", "p99.9 > 20ms (100 ms)"),
        ("p99_9 > 20ms", "p99_9 > 20ms (100 ms)"),
        ("p100 > 101ms", None),
        ("max >= 50ms", "max >= 50ms (100 ms)"),
        ("p99[get] > 20ms", None),
        ("p1[set/slow] > 20ms", "p1[set/slow] > 20ms (100 ms)"),
        ("intended_p50 > 500ms", "intended_p50 > 500ms (501 ms)"),
        ("intended_p50[get] > 1s", None),
        ("rate < 100", "rate < 100 (10.0/s)"),
        ("rate<10", None),
        ("dropped > 1%", "dropped > 1% (20.00 %)"),
        ("dropped > 20%", None),
        ("dropped > 24", "dropped > 24 (25)"),
        ("errors >= 0%", "errors >= 0% (0 %)"),
    ],
)
def test_each_kind_of_condition(ledger, condition, reason):
    assert judged(ledger, condition).reasons == (() if reason is None else (reason,))


@pytest.mark.parametrize(
    "condition",
    [
        "p99", "p0 > 1s", "p101 > 1s", "p99.9.9 > 1s", "q99 > 1s", "p99 > x", "p99 > 1%", "p99 = 1s",
        "p99[ > 1s", "errors > x", "rate < 1%", "rate[get] < 1", "dropped[get] > 1", "intended_errors > 1",
    ],
)  # fmt: skip
def test_no_conditions(condition):
    with pytest.raises(ValueError, match=r"is|are|has"):
        parse_threshold(condition)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "nan%", "1e999", "-1", "\uff11"])
def test_a_condition_that_no_run_could_meet_is_none(value):
    with pytest.raises(ValueError, match="neither a count nor a share"):
        parse_threshold(f"errors > {value}")


@pytest.mark.parametrize("condition", ["errors > 101%", "errors[get] > 100.1%", "dropped >= 200%"])
def test_a_share_of_more_than_all_is_none(condition):
    with pytest.raises(ValueError, match="the most is 100%"):
        parse_threshold(condition)


@pytest.mark.parametrize(
    "condition", ["errors < 0", "errors[get] < 0%", "dropped < 0", "rate < 0", "p99 < 0ms"]
)
def test_a_condition_below_nothing_is_none(condition):
    told = f"{condition!r} is never met: nothing is less than 0"
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_threshold(condition)


def test_a_duration_of_hours_is_told_as_it_is(ledger):
    ledger.exchange("get", "ok", 7200.0, 0.0)
    assert judged(ledger, "max >= 2h", "max > 2h").reasons == ("max >= 2h (7,200 s)",)


def test_a_condition_that_all_may_fail_can_be_meant(ledger):
    ledger.exchange("get", "mismatch", 0.001, 0.0, WRONG)
    assert judged(ledger, "errors > 100%").reasons == ()


@pytest.mark.parametrize("failed", [7, 9, 13, 26])
def test_a_share_at_its_border_is_that_and_no_more(failed):
    ledger = Ledger(["get"])
    ledger.connected("ok", 0.001)
    for number in range(1000):
        ledger.exchange("get", "mismatch" if number < failed else "ok", 0.001, 0.0, WRONG)
    assert judged(ledger, f"errors > {failed / 10}%").reasons == ()
    assert judged(ledger, f"errors >= {failed / 10}%").reasons != ()
    assert judged(ledger, f"errors < {failed / 10}%").reasons == ()


def test_a_rate_at_its_border_is_that_and_no_less():
    ledger = Ledger(["get"])
    ledger.connected("ok", 0.001)
    ledger.exchange("get", "ok", 0.001, 0.0)
    for _ in range(110):
        ledger.passed()
    assert judged(ledger, "rate < 100", seconds=1.1).reasons == ()
    assert judged(ledger, "rate <= 100", seconds=1.1).reasons != ()


@pytest.mark.parametrize("microseconds", [5, 19, 33, 1000])
def test_a_duration_at_its_border_is_that_and_no_more(microseconds):
    ledger = Ledger(["get"])
    ledger.connected("ok", 0.001)
    ledger.interrupted("get", (microseconds + 0.1) / 1e6)
    ledger.exchange("get", "ok", 1e-6, 0.0)
    assert judged(ledger, f"max > {microseconds}us").reasons == ()
    assert judged(ledger, f"max >= {microseconds}us").reasons != ()
    assert judged(ledger, f"max < {microseconds}us").reasons == ()


def test_conditions_add_to_the_default_which_another_on_errors_replaces(ledger):
    ledger.exchange("get", "mismatch", 0.001, 0.0, WRONG)
    assert judged(ledger).reasons == ("errors > 0 (1)",)
    assert judged(ledger, "p99 > 10s").reasons == ("errors > 0 (1)",)
    assert judged(ledger, "errors > 1", "p99 > 10s").reasons == ()
    # A step's errors say nothing of the others'.
    assert judged(ledger, "errors[set/slow] > 0").reasons == ("errors > 0 (1)",)
    assert judged(ledger, "errors > 2", "errors[get] > 0").reasons == ("errors[get] > 0 (1)",)


def test_what_was_not_measured_fails():
    failed = judged(Ledger(["get"]), "errors > 5", "p99[get] > 1h", "errors[get] > 5%", "dropped > 1%")
    assert failed.reasons == ("no connection ever succeeded", "p99[get] > 1h (-)", "errors[get] > 5% (-)")

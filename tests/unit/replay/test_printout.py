import pytest

from socketscope.replay.measure.ledger import Failure, Ledger
from socketscope.replay.measure.summary import Summary, summarize
from socketscope.replay.measure.thresholds import parse_threshold
from socketscope.replay.show.printout import as_text, compared


def summary_of(ledger: Ledger, *thresholds: str, target_rate: float | None = 2.0, **options) -> Summary:
    return summarize(
        ledger, target="tcp://127.0.0.1:21567", mode="open loop at 2 passes/s, 1 user, a connection a pass",
        seed=7, seconds=10.0, target_rate=target_rate,
        thresholds=tuple(parse_threshold(text) for text in thresholds or ("errors > 0",)),
        **{"with_connect": True, **options},
    )  # fmt: skip


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger(["main", "a step whose name is longer than its column"])
    ledger.connected("ok", 0.001)
    for _ in range(20):
        ledger.exchange("main", "ok", 0.002, 0.001, None)
        ledger.passed()
    return ledger


def test_a_run_that_passed(ledger):
    ledger.lagged(0.0001)
    assert (
        as_text(summary_of(ledger))
        == """\
PASS

target     tcp://127.0.0.1:21567
mode       open loop at 2 passes/s, 1 user, a connection a pass
length     10.0 s, seed 7
exchanges  20 attempted, 20 ok, 0 failed
passes     20, 2.00/s of 2.00/s asked for (100 %), 0 dropped

                    p50         p90         p99       p99.9         max
service         2.00 ms     2.00 ms     2.00 ms     2.00 ms     2.00 ms
intended        3.00 ms     3.00 ms     3.00 ms     3.00 ms     3.00 ms
service: from the connect, which is included, to the last byte of the reply
intended: the same from when it was due

step                                    ok      failed         p99
main                                    20           0     2.00 ms
a step whose name is longer …            0           0           -

the generator's own lag: p99 100 µs, max 100 µs; figures can be trusted
"""
    )


def test_a_run_that_failed_with_work_in_flight(ledger):
    ledger.lagged(0.5)
    ledger.interrupted()
    ledger.dropped_passes(3)
    for got in ("SET 11", "SET 12"):
        ledger.exchange("main", "mismatch", 0.002, 0.0, Failure("cart.talk", 7, "SET 10", got))
    text = as_text(summary_of(ledger, "errors > 5%", "p99 > 1ms", "dropped > 2"))
    assert text.startswith("FAIL: errors > 5% (9.09 %); p99 > 1ms (2.00 ms); dropped > 2 (3)\n")
    assert "exchanges  23 attempted, 20 ok, 2 failed\n" in text
    assert text.endswith("""\

failures
  mismatch                               2      9.09 %

in flight at the end: 1, no errors

the generator's own lag: p99 500 ms, max 500 ms; figures can NOT be trusted

first failure: cart.talk:7
  expected  'SET 10'
  got       'SET 11'
                  ^
""")


def test_a_closed_loop(ledger):
    text = as_text(summary_of(ledger, target_rate=None, with_connect=False))
    assert "passes     20, 2.00/s\n" in text
    assert "intended" not in text
    assert "service: from the send to the last byte of the reply\n" in text
    assert "\nclosed loop: a server that stalls is asked less" in text


def test_a_lag_that_nobody_could_measure_is_no_reason_to_trust(ledger):
    summary = summary_of(ledger)
    assert summary.trustworthy is None
    assert "the generator's own lag: unknown, as no user was free" in as_text(summary)


def test_what_the_warm_up_did_is_in_no_figure():
    ledger = Ledger(["main"], counting=False)
    ledger.connected("ok", 0.001)
    ledger.exchange("main", "reset", 0.002, 0.0, Failure("x.talk", 1, "a", "b"))
    ledger.count_from_now()
    ledger.exchange("main", "ok", 0.002, 0.0, None)
    summary = summary_of(ledger)
    assert (summary.ok, summary.failed, summary.first_failure) == (1, 0, None)
    assert summary.steps["main"]["ok"] == 1
    assert summary.steps["main"]["failed"] == 0


def test_a_server_that_nobody_reached_and_a_rate_that_was_not_held_are_failures():
    summary = summary_of(Ledger(["main"]), strict_rate=True)
    assert as_text(summary).startswith("FAIL: no connection ever succeeded; the rate was not held\n")
    assert summary.as_object()["verdict"] == "fail"


def test_no_line_is_wider_than_a_terminal(ledger):
    ledger.lagged(12.3456)
    ledger.exchange("main", "mismatch", 1.0, 0.0, Failure("x.talk", 7, "a" * 200, "a" * 150 + "b" * 50))
    for options in ({}, {"target_rate": None}):
        assert max(map(len, as_text(summary_of(ledger, **options)).splitlines())) <= 80


@pytest.mark.parametrize(
    ("expected", "got", "lines"),
    [
        ("hello", "hallo", ["expected  'hello'", "got       'hallo'", "            ^"]),
        ("a\tb", "a\tc", ["expected  'a\\tb'", "got       'a\\tc'", "              ^"]),
        ("OK", "OKAY", ["expected  'OK'", "got       'OKAY'", "             ^"]),
        ("bye", "hello", ["expected  'bye'", "got       'hello'"]),
    ],
)
def test_a_caret_is_where_two_texts_part(expected, got, lines):
    assert compared(Failure("x", 1, expected, got)) == lines


def test_a_difference_far_behind_is_shown_with_what_is_around_it():
    expected, got, caret = compared(Failure("x", 1, "a" * 200 + "b" * 60, "a" * 200 + "c" * 60))
    assert expected[10] == got[10] == "…"
    assert (expected[caret.index("^")], got[caret.index("^")]) == ("b", "c")

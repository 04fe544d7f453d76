import pytest

from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.measure.summary import Summary, summarize
from socketscope.replay.measure.thresholds import parse_threshold
from socketscope.replay.show.printout import as_text, compared, failures


def summary_of(ledger: Ledger, *thresholds: str, target_rate: float | None = 2.0, **options) -> Summary:
    return summarize(
        ledger, target="tcp://127.0.0.1:21567", mode="open loop at 2 passes/s, 1 user, a connection a pass",
        seed=7, seconds=10.0, target_rate=target_rate,
        thresholds=tuple(parse_threshold(text) for text in thresholds or ("errors > 0",)),
        **{"with_connect": True, "scripts": {}, **options},
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
…me is longer than its column            0           0           -

the generator's own lag: p99 100 µs, max 100 µs
figures can be trusted: that p99 may be at most 1 ms
"""
    )


def test_a_run_that_failed_with_work_in_flight(ledger):
    ledger.lagged(0.5)
    ledger.interrupted("main", None)
    ledger.dropped_passes(3)
    for got in ("SET 11", "SET 12"):
        ledger.exchange("main", "mismatch", 0.002, 0.0, Failure("cart.talk", 7, "SET 10", got, step="main"))
    text = as_text(summary_of(ledger, "errors > 5%", "p99 > 1ms", "dropped > 2"))
    assert text.startswith("FAIL: errors > 5% (9.09 %); p99 > 1ms (2.00 ms); dropped > 2 (3)\n")
    assert "exchanges  23 attempted, 20 ok, 2 failed\n" in text
    assert text.endswith("""\

failures
  mismatch                               2      9.09 %

in flight at the end: 1

the generator's own lag: p99 500 ms, max 500 ms
figures can NOT be trusted: that p99 may be at most 1 ms

the rate was not held, as no user was free in time: try --users 2

first failure: cart.talk:7, mismatch, 2 times, step main
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
    assert (summary.ok, summary.failed, summary.failures) == (1, 0, ())
    assert summary.steps["main"]["ok"] == 1
    assert summary.steps["main"]["failed"] == 0


def test_of_a_run_that_failed_without_a_failure_the_reasons_are_told(ledger):
    assert (
        failures(summary_of(ledger, "p99 > 1ms", "max > 1ms")) == "p99 > 1ms (2.00 ms); max > 1ms (2.00 ms)"
    )


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
        ("a\\tb", "a\\tc", ["expected  'a\\tb'", "got       'a\\tc'", "              ^"]),
        ("OK", "OKAY", ["expected  'OK'", "got       'OKAY'", "             ^"]),
        ("bye", "hello", ["expected  'bye'", "got       'hello'", "           ^"]),
        ("日本a", "日本b", ["expected  '日本a'", "got       '日本b'", "               ^"]),  # two wide each
    ],
)
def test_a_caret_is_where_two_texts_part(expected, got, lines):
    assert compared(Failure("x", 1, expected, got)) == lines


def test_a_difference_far_behind_is_shown_with_what_is_around_it():
    expected, got, caret = compared(Failure("x", 1, "a" * 200 + "b" * 60, "a" * 200 + "c" * 60))
    assert expected[10] == got[10] == "…"
    assert (expected[caret.index("^")], got[caret.index("^")]) == ("b", "c")


def test_words_are_told_whole_in_as_many_lines_as_they_need():
    failure = Failure("x", 1, f"a match of {'e' * 100}", f"'{'g' * 900}' and no end of line", is_text=False)
    lines = compared(failure)
    assert lines[:2] == [f"expected  a match of {'e' * 55}", f"{'':10}{'e' * 45}"]
    assert [line[10:14] for line in lines[2:]] == ["'ggg", "gggg", "gggg", "…", "gggg"]
    assert lines[-1].endswith("' and no end of line")
    assert max(map(len, lines)) <= 78


def test_what_was_said_before_stands_above():
    said = ("> a", f"< {'b' * 100}")
    assert compared(Failure("x", 1, "c", "d", said=said)) == [
        "> a", f"< {'b' * 73}…", "expected  'c'", "got       'd'", "           ^",
    ]  # fmt: skip


def test_each_kind_of_failure_is_told_up_to_a_number(ledger):
    for line in range(12):
        ledger.exchange("main", "mismatch", 0.002, 0.0, Failure("x.talk", line, "a", "b", step="main"))
    text = as_text(summary_of(ledger))
    assert "\nfirst failure: x.talk:0, mismatch, step main\n" in text
    assert text.count("\nanother failure: x.talk:") == 9
    assert text.endswith("\nand 2 more: --report and --summary json have all\n")


def test_durations_that_would_have_been_longer_are_told_above_them(ledger):
    ledger.exchange("main", "timeout", 5.0, 0.0, Failure("x.talk", 1, "a", "b"))
    ledger.interrupted("main", 2.0)
    text = as_text(summary_of(ledger))
    assert "\n\nlower bounds among these: 1 timed out, 1 unanswered at the end\n" in text
    assert text.startswith("FAIL: 1 exchange was unanswered at the end, after 2.00 s; errors > 0 (1)\n")


def test_one_look_at_the_replies_is_told_nothing_of_loops_and_busy_clients():
    ledger = Ledger(["main"])
    ledger.connected("ok", 0.001)
    for passes in (1, 2):
        ledger.exchange("main", "ok", 0.002, 0.0)
        ledger.passed()
        text = as_text(summary_of(ledger, target_rate=None, busy=0.99, scripts={"x.talk": ["main"]}))
        assert ("closed loop" in text, "busy" in text) == (passes > 1, passes > 1)


def test_a_lag_is_believed_up_to_a_tenth_of_what_is_measured():
    ledger = Ledger(["main"])
    ledger.connected("ok", 0.001)
    ledger.exchange("main", "ok", 0.5, 0.0)
    ledger.lagged(0.04)
    trusted = "figures can be trusted: that p99 may be at most 50.0 ms, a tenth of the service p99"
    assert f"\n{trusted}\n" in as_text(summary_of(ledger))


def test_what_would_help_to_hold_a_rate_is_told(ledger):
    assert "the rate was not held" not in as_text(summary_of(ledger))
    ledger.dropped_passes(190)
    assert "\nthe rate was not held, as no user was free in time: try --users 42\n" in as_text(
        summary_of(ledger, target_rate=21.0, users=4)
    )
    assert "share it among several" in as_text(summary_of(ledger, target_rate=21.0, busy=0.95))
    assert "try more --users" in as_text(summary_of(stalled()))


def stalled() -> Ledger:
    ledger = Ledger(["main"])
    ledger.connected("ok", 0.001)
    ledger.dropped_passes(5)
    return ledger


def test_a_script_that_was_never_played_is_no_pass(ledger):
    scripts = {"a.talk": ["main"], "b.talk": ["a step whose name is longer than its column"]}
    assert summary_of(ledger, scripts=scripts).reasons == ("b.talk was never played",)
    scripts["c.talk"] = scripts["b.talk"]
    assert summary_of(ledger, scripts=scripts).reasons == ("b.talk and 1 more were never played",)


def test_the_object_has_all_that_a_reader_needs(ledger):
    ledger.exchange(
        "main", "mismatch", 0.002, 0.0, Failure("x.talk", 7, "a", "b", step="main", said=("> q",))
    )
    told = summary_of(ledger, scripts={"x.talk": ["main"]}, users=3).as_object()
    assert list(told) == [
        "schema", "version", "verdict", "reasons", "target", "scripts", "users", "duration", "seed",
        "attempted", "ok", "failed", "in_flight", "outcomes", "passes", "dropped", "rate", "lower_bounds",
        "service_seconds", "intended_seconds", "lag_seconds", "trustworthy", "steps", "first_failure",
        "failures",
    ]  # fmt: skip
    place = {"file": "x.talk", "line": 7, "step": "main", "expected": "a", "got": "b", "said": ("> q",)}
    assert told["first_failure"] == place
    assert told["failures"] == [{"outcome": "mismatch", "count": 1, **place}]
    assert (told["schema"], told["users"], told["duration"], told["scripts"]) == (1, 3, 10.0, ("x.talk",))


def test_steps_of_long_paths_are_told_apart_wide_characters_keep_their_columns_and_a_terminal_obeys_none():
    names = [f"/home/me/project/scripts/redis.talk/{name}" for name in ("set", "get")]
    names += ["日本", "x" * 29, "日" * 12 + "本" * 14, "a\x1b[2J"]
    rows = as_text(summary_of(Ledger(names))).split("\n")
    at = next(number for number, row in enumerate(rows) if row.startswith("step "))
    zeros = f"{0:>12}{0:>12}{'-':>12}"
    shown = [row.removesuffix(zeros) for row in rows[at + 1 : at + 7]]
    ends = [f"…oject/scripts/redis.talk/{name} " for name in ("set", "get")]
    wide, obeyed = "…" + "本" * 14 + " ", r"a\x1b[2J"
    assert shown == [*ends, "日本" + " " * 26, "x" * 29 + " ", wide, f"{obeyed:30}"]
    assert all(map(str.isprintable, rows))

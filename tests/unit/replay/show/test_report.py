import re

import pytest

from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.measure.summary import summarize
from socketscope.replay.measure.thresholds import parse_threshold
from socketscope.replay.measure.timeline import Timeline
from socketscope.replay.show.report import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Report

WRONG = Failure("<x>.talk", 3, "<b>hello</b>", "<b>hallo</b>\udcff")


def report(
    ledger: Ledger, *, target_rate: float | None = 1.0, warmup: float = 0.0, length: float = 10.0
) -> str:
    timeline = Timeline()
    timeline.follow(ledger.take_ended(), 0.0)
    summary = summarize(
        ledger, target="tcp://127.0.0.1:1", mode="open loop", seed=7, seconds=10.0, target_rate=target_rate,
        thresholds=(parse_threshold("errors > 0"),), with_connect=True, scripts={},
    )  # fmt: skip
    return Report(
        summary=summary,
        timeline=timeline,
        began=0.0,
        length=length + warmup,
        warmup=warmup,
    ).render()


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger(["main"])
    ledger.connected("ok", 0.001)
    for n in range(10):
        ledger.exchange("main", "ok", 0.002 * (n + 1), 0.1, None, ended=n * 0.9)
    return ledger


def paths(page: str) -> list[str]:
    return re.findall(r'<path class="([^"]+)"', page)


def test_a_run_that_passed_is_told_in_figures_and_charts(ledger):
    page = report(ledger)
    assert '<div class="verdict pass">PASS</div>' in page
    assert "<h1>tcp://127.0.0.1:1</h1>" in page
    assert "1970-01-01 00:00:00 UTC, 10 s" in page
    assert "service: p50 2.00 ms, p99 2.00 ms" in page
    assert paths(page) == [
        "all", "line service-p50", "line service-p99", "line intended-p99", "fill-service", "fill-intended",
    ]  # fmt: skip
    assert ">10 %</text>" in page
    tops = [
        float(top) for path in re.findall(r' d="([^"]+)"', page) for top in re.findall(r"V([\d.]+)", path)
    ]
    assert TOP <= min(tops) < max(tops) <= HEIGHT - BOTTOM
    assert '<p class="quiet">None.</p>' in page


def test_failures_have_a_chart_and_are_shown_as_they_came(ledger):
    for _ in range(3):
        ledger.exchange("main", "mismatch", 0.002, 0.0, WRONG, ended=9.0)
    page = report(ledger)
    assert '<div class="verdict fail">FAIL</div>' in page
    assert "errors &gt; 0 (3)" in page
    assert "bad" in paths(page)
    assert '&lt;x&gt;.talk:3: <span class="bad">mismatch</span>, 3 times, the first 9 s after' in page
    assert "expected  &#39;&lt;b&gt;hello&lt;/b&gt;&#39;" in page
    assert "<b>hallo" not in page


def test_the_share_of_failures_is_the_one_that_conditions_are_about(ledger):
    ledger.exchange("main", "mismatch", 0.002, 0.0, WRONG, ended=9.0)
    for _ in range(9):
        ledger.interrupted("main", None)
    assert "<span>9.09 % of all that ended</span>" in report(ledger)


@pytest.mark.parametrize(("seconds", "told"), [(0.5, "500 ms"), (1.5, "1 s"), (90, "1:30 min")])
def test_a_warm_up_of_less_than_a_second_is_told(ledger, seconds, told):
    assert f"of which {told} of warm-up do not count" in report(ledger, warmup=seconds)


def test_a_closed_loop_has_nothing_intended(ledger):
    page = report(ledger, target_rate=None)
    assert not [path for path in paths(page) if "intended" in path]
    assert "closed loop" in page


def test_the_warm_up_is_marked(ledger):
    assert width_of_warmup(report(ledger, warmup=2.0)) == pytest.approx((WIDTH - LEFT - RIGHT) / 6, abs=0.01)
    assert width_of_warmup(report(ledger)) is None


def width_of_warmup(page: str) -> float | None:
    found = re.search(r'<rect class="warmup" .*?width="([\d.]+)"', page)
    return None if found is None else float(found[1])


def test_a_run_of_which_nothing_is_known_has_a_page_too():
    page = report(Ledger(["main"]))
    assert "no connection ever succeeded" in page
    assert "No exchange that counts ended ok." in page


def test_it_needs_nothing_but_itself(ledger):
    page = report(ledger)
    assert not re.search(r"(src=|href=|@import|url\()", page)
    assert len(page) < 100_000


def test_a_short_run_has_slots_that_fit_it_and_a_steady_rate_looks_steady():
    ledger = Ledger(["main"])
    ledger.connected("ok", 0.001)
    for n in range(194):
        ledger.exchange("main", "ok", 0.002, 0.1, None, ended=n / 100)
    page = report(ledger, length=1.94)  # amid the last slot
    of_both_charts = re.findall(r'<rect class="slot"', page)
    assert len(of_both_charts) == 2 * 16
    assert "0.125 s to 0.25 s\nok 1" in page
    (outline,) = re.findall(r'<path class="all" d="([^"]+)"', page)
    heights = [HEIGHT - BOTTOM - float(top) for top in re.findall(r"V([\d.]+)H", outline)]
    assert len(heights) == 16
    assert min(heights) > 0.85 * max(heights)
    (first,) = re.findall(r'<path class="line service-p50" d="M([\d.]+) ', page)
    half_a_slot = (WIDTH - LEFT - RIGHT) * 0.125 / 1.94 / 2
    assert float(first) == pytest.approx(LEFT + half_a_slot, abs=0.01)
    assert "1970-01-01 00:00:00 UTC, 1 s" in page
    assert "UTC, 70.0 ms" in report(Ledger(["main"]), length=0.07)


def test_what_was_said_before_a_failure_and_what_nobody_answered_are_told(ledger):
    late = Failure("x.talk", 3, "'b'", "nothing in 5 s", is_text=False, step="main", said=("> a", "< a"))
    ledger.exchange("main", "timeout", 5.0, 0.0, late, ended=9.0)
    page = report(ledger)
    assert '<p class="warn" style="margin-top: 12px">lower bounds among these: 1 timed out</p>' in page
    assert "<pre>&gt; a\n&lt; a\nexpected  &#39;b&#39;\ngot       nothing in 5 s</pre>" in page

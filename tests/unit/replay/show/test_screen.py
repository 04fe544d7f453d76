import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from socketscope.replay.measure.timeline import Slot, Timeline
from socketscope.replay.show.screen import LATELY, Moment, Screen, draw
from tests.unit.replay.slots import slot


def moment(counted: Slot | None = None) -> Moment:
    timeline = Timeline()
    timeline.counted = counted or slot("ok", 0.002, 0.1)
    for second in range(4):
        timeline.add(second, slot("ok", 0.002, 0.1))
    return Moment(
        heading="tcp://127.0.0.1:1, open loop at 100 passes/s, 4 users, a connection a message",
        elapsed=65.2, done=0.5, ends="of 2:10 min", passes_per_second=99.2, target_rate=100.0,
        passes=6512, users=4, open=3, warming_up=False, timeline=timeline, failure=(),
    )  # fmt: skip


def drawn(shown: Moment, width: int = 80, height: int = 24) -> str:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        console.print(draw(shown, (width, height)))
    text = capture.get()
    lines = text.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    # The last line is the cursor's: with one more the terminal would scroll at each redraw.
    assert len(lines) < height
    return text


def test_it_says_how_far_the_run_is_and_how_it_goes():
    text = drawn(moment())
    assert "1:05 min of 2:10 min" in text
    assert "passes       99.2/s of 100/s           6,512" in text
    assert "failed       0                         0" in text
    assert "service      p50 2.00 ms  p99 2.00 ms" in text
    assert "intended     p50 102 ms  p99 102 ms" in text
    assert "users        4 at work                 3 connections open" in text
    assert "exchanges a second, each 125 ms" in text
    assert "8.00/s┤" in text
    assert "2.10 ms┤" in text
    assert "┴-2 s" in text


def test_the_charts_end_with_what_is_over():
    timeline = Timeline()
    for number, seconds in enumerate((0.001, 0.004, 0.032)):
        timeline.add(number / 32, slot("ok", seconds, 0.1))
    assert "4.10 ms┤" in drawn(replace(moment(), timeline=timeline))


def test_a_closed_loop_has_no_intended_durations_and_no_rate_to_hold():
    text = drawn(replace(moment(), target_rate=None, done=None, ends="until Ctrl-C"))
    assert "intended" not in text
    assert "99.2/s  " in text
    assert "1:05 min until Ctrl-C" in text


def test_failures_are_told_by_outcome():
    failed = slot("reset")
    failed.merge(slot("timeout"))
    text = drawn(replace(moment(failed), warming_up=True))
    assert "reset 1  timeout 1" in text
    assert "warming up" in text
    assert "p50 -  p99 -" in text


def test_it_fits_a_narrow_terminal():
    assert "passes" in drawn(moment(), width=40)


FAILURE = (
    "first failure: cart.talk:7, mismatch, 3 times",
    "expected  '+OK'",
    "got       '-ERR'",
    "           ^",
)


@pytest.mark.parametrize("size", [(80, 24), (200, 50), (60, 16), (40, 12)])
def test_the_first_failure_is_shown_while_the_run_lasts(size):
    text = drawn(replace(moment(), failure=FAILURE), *size)
    if size[1] >= 16:
        assert "first failure: cart.talk:7, mismatch, 3 times" in text
        assert "  expected  '+OK'\n  got       '-ERR'\n" in re.sub(" +\n", "\n", text)


def test_a_terminal_that_is_too_small_has_one_line():
    failed = slot("ok")
    failed.merge(slot("reset"))
    assert drawn(replace(moment(failed), elapsed=12.0), 20, 6) == "12 s 1 failed 1 ok\n"
    assert drawn(replace(moment(), elapsed=12.0), 20, 6) == "12 s 1 ok\n"


NOW: dict[str, Any] = {"target_rate": None, "users": 1, "open": 1, "warming_up": False, "failure": []}


@pytest.mark.parametrize(
    ("plan", "done", "ends"),
    [
        ({"duration": 20.0, "passes": None}, 0.25, "of 20 s"),
        ({"duration": None, "passes": 40}, 0.25, "10 of 40 passes"),
        ({"duration": None, "passes": None}, None, "until Ctrl-C"),
    ],
)
def test_how_much_is_over_is_known_by_the_time_or_the_passes(plan, done, ends):
    moment = Screen({"heading": "x", **plan})._moment({**NOW, "elapsed": 5.0, "passes": 10})
    assert (moment.done, moment.ends) == (done, ends)


def test_the_rate_is_that_of_the_last_seconds():
    screen = Screen({"heading": "x", "duration": None, "passes": None})
    passes = [0, 900, 900, 900, 900, 900, 900, 900, 920]
    rates = [
        screen._moment({**NOW, "elapsed": float(second), "passes": number}).passes_per_second
        for second, number in enumerate(passes)
    ]
    assert rates[1] == 900
    assert rates[-1] == 20 / LATELY

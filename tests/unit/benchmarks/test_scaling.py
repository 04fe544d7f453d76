"""The model of docs/scaling.md: lines, their error at a point held back, and what so many clients take."""

import json

import pytest

from benchmarks.page.report import into_page
from benchmarks.scaling.model import DAY, Behaviour, Choice, Model, fit, medians
from benchmarks.scaling.page import MARKS, render
from docs.reference import FOLDER

MODEL = Model(
    message=fit([(1000, 0.11), (2000, 0.21), (4000, 0.41)]),
    exchange=fit([(1000, 0.03), (2000, 0.05), (4000, 0.09)]),
    memory=fit([(0, 30e6), (1000, 70e6), (2000, 110e6)]),
    series=fit([(1, 90), (2, 160), (4, 300)]),
    log=fit([(100, 25_000), (200, 50_000), (400, 100_000)]),
    scraped=fit([(1000, 60e6), (2000, 70e6), (4000, 90e6)]),
    sample=2.0,
)


def test_the_last_point_has_no_part_in_the_line_and_tells_its_error():
    line = fit([(1, 12.0), (2, 14.0), (3, 16.0), (10, 15.0)])
    assert (line.base, line.slope) == pytest.approx((10.0, 2.0))
    assert line.error == pytest.approx(30 / 15 - 1)
    assert (line.last, line.held) == (3, (10, 15.0))


def test_a_small_point_counts_as_much_as_a_large_one():
    # By absolute errors the line would be 1 off at the small end, which is all of it.
    line = fit([(1, 1.0), (2, 2.0), (1000, 1100.0), (1, 1.0)])
    assert line.at(1) == pytest.approx(1.0, rel=0.05)


def test_two_points_are_no_line_with_one_held_back():
    with pytest.raises(ValueError, match="three points"):
        fit([(1, 1.0), (2, 2.0)])


def test_the_point_of_a_setting_is_the_median_of_its_rounds():
    assert medians({20: [(19, 2.0)], 10: [(10, 1.0), (9, 5.0), (11, 1.5)]}) == [(10, 1.5), (19, 2.0)]


def test_short_connections_are_bound_by_the_one_core_that_a_replica_uses():
    plan = MODEL.plan(10_000, Behaviour("", kept=False, every=1), Choice(load=0.61))
    # 10,000 a second at 100 µs is a core; of each replica 0.61 less its base of 0.01 is for them.
    assert (plan.messages, plan.bound_by, plan.replicas) == (10_000, "CPU", 3)
    assert plan.memory == pytest.approx(3 * 30e6)
    assert plan.log == pytest.approx(10_000 * DAY * 250)


def test_kept_connections_are_bound_by_how_many_a_replica_may_hold():
    plan = MODEL.plan(20_000, Behaviour("", kept=True, every=100, lasts=1000), Choice(connections=4_000))
    assert (plan.bound_by, plan.replicas) == ("connections", 6)
    assert plan.memory == pytest.approx(6 * 30e6 + 20_000 * 40e3)
    assert plan.log == pytest.approx(20 * DAY * 250)  # 20 connections end in a second


def test_prometheus_grows_with_series_interval_and_retention():
    plan = MODEL.plan(10_000, Behaviour("", kept=False, every=1), Choice(load=0.61, interval=10, retention=1))
    assert plan.series == 3 * 90
    assert plan.disk == pytest.approx(27 * DAY * 2.0)  # 27 samples a second
    assert plan.prometheus == pytest.approx(50e6 + 270 * 10e3)


def test_the_committed_page_shows_the_committed_figures():
    stored = json.loads((FOLDER / "scaling.json").read_text(encoding="utf-8"))
    page = (FOLDER / "scaling.md").read_text(encoding="utf-8")
    assert into_page(page, render(stored), MARKS) == page, "run: python -m benchmarks.scaling"

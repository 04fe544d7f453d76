import json

import pytest

from benchmarks.page.goals import Goal
from benchmarks.page.report import into_page, render
from benchmarks.ratios import Spread, ratio, spread
from docs.reference import FOLDER


def test_a_ratio_is_taken_round_by_round():
    # A round in which the machine was slow was slow for both.
    assert ratio([100, 50, 120], [50, 25, 40]) == Spread(2.0, 2.0, 3.0)


def test_rounds_that_do_not_match_are_no_ratio():
    with pytest.raises(ValueError, match="argument 2"):
        ratio([1, 2], [1])


def test_a_spread_is_the_median_and_the_ends():
    assert spread([3, 1, 7]) == Spread(3, 1, 7)


@pytest.mark.parametrize(
    ("sign", "median", "met"),
    [("≥", 0.9, False), ("≥", 1, True), ("≤", 1, True), ("≤", 1.1, False)],
)
def test_a_goal_is_met_by_the_median(sign, median, met):
    goal = Goal("speed", sign, 1, "times", lambda _: Spread(median, 0, 9))
    assert goal.is_met(goal.figure({})) is met


def test_what_an_author_wrote_around_the_measured_part_stays():
    page = "before\n<!-- measured: make bench writes from here -->\nold\n<!-- measured: to here -->\nafter\n"
    assert into_page(page, "new\n") == (
        "before\n<!-- measured: make bench writes from here -->\n\nnew\n\n<!-- measured: to here -->\nafter\n"
    )


def test_a_page_without_a_place_for_it_is_refused():
    with pytest.raises(ValueError, match="there is no"):
        into_page("a page", "new")


def test_the_committed_page_shows_the_committed_figures():
    stored = json.loads((FOLDER / "performance.json").read_text(encoding="utf-8"))
    page = (FOLDER / "performance.md").read_text(encoding="utf-8")
    assert into_page(page, render(stored["results"], stored["machine"])) == page, "run: make bench"

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.show.plots import Scale, columns, durations, from_zero, line, round_step


def test_a_value_stands_between_the_ends_and_never_beyond():
    scale = Scale(0, 10, 100, 0)
    assert [scale.at(value) for value in (-1, 0, 5, 10, 11)] == [100, 100, 50, 0, 0]
    logarithmic = Scale(0.001, 10, 0, 40, logarithmic=True)
    assert [logarithmic.at(value) for value in (0, 0.001, 0.01, 10, 99)] == [0, 0, 10, 40, 40]


@given(st.floats(min_value=1e-3, max_value=1e7))
def test_a_scale_from_zero_has_few_and_round_ticks_and_room_for_the_highest(highest):
    scale = from_zero(highest, 0, 1)
    assert scale.high >= highest * (1 - 1e-9)
    assert 2 <= len(scale.ticks) <= 7
    assert scale.ticks[-1] == pytest.approx(scale.high)


def test_steps_are_1_2_or_5_of_a_power_of_ten():
    assert [round_step(length) for length in (0, 4, 7, 20, 30)] == [1, 1, 2, 5, 10]
    assert from_zero(0, 0, 1).ticks == [0, 0.2, 0.4, pytest.approx(0.6), 0.8, 1]


def test_a_scale_of_durations_has_decades_or_where_these_are_few_their_parts():
    assert durations([1e-4, 1], 0, 1).ticks == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert durations([2e-4, 1.5e-3], 0, 1).ticks == pytest.approx([2e-4, 5e-4, 1e-3])
    assert durations([], 0, 1).ticks == pytest.approx([1e-3])


def test_a_line_has_gaps_where_nothing_is_known_and_dots_between_them():
    assert line([(0, None), (1, 5.5), (2, 0.0), (3, None), (4, 7)]) == "M1 5.5h0L2 0M4 7h0"
    assert line([]) == ""


def test_columns_stand_side_by_side_on_their_base():
    assert columns([0, 1, 2.5], [3, 4], 10) == "M0 10V3H1V4H2.5V10Z"
    assert columns([0], [], 10) == ""

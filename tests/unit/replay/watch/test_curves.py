from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.watch.board import Board, Curve
from socketscope.replay.watch.curves import Curves
from socketscope.replay.watch.keys import SPANS


def board(value: float | None) -> Board:
    return Board("server", [], [], [Curve("open", value, str, "blue")], {}, [])


def went(*values: float | None, looks: int = 1, columns: int = 100) -> list[float | None]:
    curves = Curves(1.0)
    for value in values:
        curves.add([board(value)])
    shown = board(None)
    return curves.of(shown, shown.curves[0], columns, looks)


def test_values_come_back_from_old_to_new():
    assert went(1.0, None, 3.0) == [1.0, None, 3.0]


def test_of_several_looks_the_highest_is_shown():
    assert went(1.0, 9.0, 1.0, 1.0, None, None, 2.0, looks=2) == [9.0, 1.0, None, 2.0]


def test_what_belongs_together_does_not_change_as_more_comes():
    values = [1.0, 9.0, 1.0, 2.0, 1.0]
    assert went(*values, looks=2) == [9.0, 2.0, 1.0]
    assert went(*values, 0.0, looks=2) == [9.0, 2.0, 1.0]
    assert went(*values, 0.0, 5.0, looks=2) == [9.0, 2.0, 1.0, 5.0]


def test_of_a_long_time_the_latest_columns_are_shown():
    assert went(1.0, 9.0, 1.0, 2.0, 5.0, columns=2) == [2.0, 5.0]
    assert went(1.0, 9.0, 1.0, 2.0, 5.0, looks=2, columns=2) == [2.0, 5.0]


def test_a_wide_chart_is_filled_at_the_longest_span():
    assert len(went(*[1.0] * (200 * SPANS[-1]), looks=SPANS[-1], columns=200)) == 200


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100), st.integers(1, 30))
def test_no_spike_is_lost_at_any_span(values, looks):
    shown = went(*values, looks=looks)
    assert max(value for value in shown if value is not None) == max(values)
    assert len(shown) == -(-len(values) // looks)

import pytest

from socketscope.replay.measure import figures
from socketscope.replay.show.charts import chart, columns


def test_the_highest_value_fills_the_height():
    assert columns([0, 1, 4, 8], width=4, height=1, highest=8) == [" ▁▄█"]
    assert columns([8, 12, 16], width=3, height=2, highest=16) == [" ▄█", "███"]


def test_fewer_values_than_columns_stand_to_the_right_and_more_lose_the_oldest():
    assert columns([8], width=3, height=1, highest=8) == ["  █"]
    assert columns([8, 1, 8], width=2, height=1, highest=8) == ["▁█"]


def test_a_little_is_not_nothing_and_nothing_known_is_blank():
    assert columns([0.001, None, 0, 8], width=4, height=1, highest=8) == ["▁  █"]
    assert columns([], width=2, height=2, highest=0) == ["  ", "  "]
    assert columns([0, 0], width=2, height=1, highest=0) == ["  "]


def test_a_fixed_scale_cuts_what_is_above():
    assert columns([1, 4], width=2, height=1, highest=2) == ["▄█"]


def test_a_chart_has_an_axis_upward_and_one_along():
    values = [1.0] * 39 + [99.3]
    drawn = chart(values, width=50, height=7, show=figures.rate, seconds=1.0, style="green").plain
    assert drawn.splitlines() == [
        "    100/s┤" + " " * 39 + "█",
        *["         │" + " " * 39 + "█"] * 2,
        "   50.0/s┤" + " " * 39 + "█",
        "         │" + " " * 39 + "█",
        "         │" + "▁" * 39 + "█",
        "        0└─────────┴-30 s────┴-20 s────┴-10 s──now",
    ]


@pytest.mark.parametrize("rows", range(6, 30))
def test_the_second_figure_upward_is_half_of_the_first(rows):
    drawn = chart([2.0], 30, rows + 1, lambda v: f"{v:,.10g}", seconds=1.0, style="").plain.splitlines()
    assert [line[:10] for line in drawn if "┤" in line] == ["        2┤", "        1┤"]
    assert drawn[rows // 2].startswith("        1┤")


def test_the_times_along_it_are_round_and_apart():
    def axis(width: int, seconds: float) -> str:
        return chart([], width, 2, figures.rate, seconds, "").plain.splitlines()[-1].partition("└")[2]

    assert axis(39, 1.0) == "────────┴-20 s────┴-10 s──now"
    assert axis(39, 0.2) == "────────┴-4 s─────┴-2 s───now"
    assert axis(39, 10.0) == "──────────┴-3:00 min──────now"
    assert axis(13, 1.0) == "now"


def test_where_nothing_is_known_a_chart_is_empty():
    (above, along) = chart([None, None], 14, 2, figures.rate, 1.0, "").plain.splitlines()
    assert above == "         │    "
    assert along == "        0└─now"

from socketscope.replay.show.charts import columns


def test_the_highest_value_fills_the_height():
    assert columns([0, 1, 4, 8], width=4, height=1) == [" ▁▄█"]
    assert columns([8, 12, 16], width=3, height=2) == [" ▄█", "███"]


def test_fewer_values_than_columns_stand_to_the_right_and_more_lose_the_oldest():
    assert columns([8], width=3, height=1) == ["  █"]
    assert columns([8, 1, 8], width=2, height=1) == ["▁█"]


def test_a_little_is_not_nothing_and_nothing_known_is_blank():
    assert columns([0.001, None, 0, 8], width=4, height=1) == ["▁  █"]
    assert columns([], width=2, height=2) == ["  ", "  "]
    assert columns([0, 0], width=2, height=1) == ["  "]


def test_a_fixed_scale_cuts_what_is_above():
    assert columns([1, 4], width=2, height=1, highest=2) == ["▄█"]

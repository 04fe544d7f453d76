from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.measure.timeline import FIRST_LENGTH, SLOTS, Ended, Timeline
from tests.unit.replay.slots import slot


def test_the_warm_up_shows_in_time_and_does_not_count():
    timeline = Timeline()
    timeline.follow([Ended(10.0, slot("closed"), False), Ended(11.0, slot("ok"), True)], 10.0)
    assert timeline.counted.outcomes == {"ok": 1}
    assert sum(each.ok + each.failed for each in timeline.slots) == 2


def test_exchanges_go_where_they_ended():
    timeline = Timeline()
    timeline.add(0.4 * FIRST_LENGTH, slot("ok", 0.01, 0.0))
    timeline.add(1.2 * FIRST_LENGTH, slot("ok", 0.02, 0.5))
    timeline.add(1.2 * FIRST_LENGTH, slot("timeout", 5.0, 0.0))
    timeline.add(4.4 * FIRST_LENGTH, slot("reset", 0.1, 0.0))
    assert [each.outcomes for each in timeline.slots] == [
        {"ok": 1}, {"ok": 1, "timeout": 1}, {}, {}, {"reset": 1},
    ]  # fmt: skip
    assert timeline.slots[1].service.total == 1
    assert 0.5 < timeline.slots[1].intended.quantile(0.5) < 0.53


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=50))
def test_nothing_is_lost_and_the_number_of_slots_is_bounded_for_any_length(times):
    timeline = Timeline()
    for at in times:
        timeline.add(at, slot("ok", 0.001, 0.0))
    assert sum(each.ok for each in timeline.slots) == len(times)
    assert sum(each.service.total for each in timeline.slots) == len(times)
    assert len(timeline.slots) <= SLOTS


def test_slots_grow_longer_and_keep_their_order():
    timeline = Timeline()
    for second in range(1000):
        timeline.add(second, slot("ok" if second < 500 else "closed", 0.001, 0.0))
    assert timeline.seconds == 8
    assert [each.failed > 0 for each in timeline.slots] == sorted(each.failed > 0 for each in timeline.slots)
    assert {each.ok + each.failed for each in timeline.slots[:-1]} == {8}


def test_a_time_in_which_nothing_ends_has_slots_too():
    timeline = Timeline()
    timeline.reach(8 * FIRST_LENGTH)
    assert [each.outcomes for each in timeline.slots] == [{}] * 9


def test_the_latest_of_a_long_run_are_of_no_longer_than_was_asked_for():
    timeline = Timeline()
    for second in range(3600):
        timeline.add(second, slot("ok" if second < 3594 else "timeout"))
    timeline.reach(3600.0)
    assert timeline.last(5).outcomes == {"timeout": 5}
    assert timeline.last(10).outcomes == {"ok": 4, "timeout": 6}
    timeline.reach(3606.0)
    assert timeline.last(5).outcomes == {}
    timeline.add(1e6, slot("ok"))
    timeline.reach(1e6 + 1)
    assert timeline.last(10).outcomes == {"ok": 1}


def test_the_latest_are_those_that_are_over():
    timeline = Timeline()
    assert timeline.last(5).ok == 0
    timeline.add(0.4 * FIRST_LENGTH, slot("ok", 0.001, 0.0))
    assert timeline.last(5).ok == 1
    timeline.add(1.0, slot("ok", 0.001, 0.0))
    timeline.add(1.3, slot("ok", 0.001, 0.0))
    assert timeline.last(0.4).outcomes == {"ok": 1}
    assert timeline.last(60).outcomes == {"ok": 2}


def test_it_can_be_shown_in_fewer_slots_and_stays_as_it_is():
    timeline = Timeline()
    for number in range(100):
        timeline.add(number * FIRST_LENGTH, slot("ok", 0.001, 0.0))
    shown = timeline.coarser(30)
    assert (len(shown.slots), shown.seconds) == (25, 4 * FIRST_LENGTH)
    assert [each.ok for each in shown.slots] == [4] * 25
    assert (len(timeline.slots), timeline.seconds) == (100, FIRST_LENGTH)
    assert [each.ok for each in timeline.slots] == [1] * 100
    assert timeline.coarser(100).seconds == FIRST_LENGTH


def test_a_run_of_a_second_has_slots_that_fit_it():
    timeline = Timeline()
    timeline.reach(0.99)
    assert len(timeline.slots) == 32

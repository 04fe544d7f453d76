import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.measure.sketch import GROWTH, Sketch

durations = st.lists(st.floats(min_value=1e-6, max_value=3600), min_size=1)


@given(durations, st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_right_to_half_a_percent(seconds, share):
    exact = sorted(seconds)[max(-int(-share * len(seconds) // 1), 1) - 1]
    assert Sketch(seconds).quantile(share) == pytest.approx(exact, rel=0.00501)


@given(durations, durations)
def test_two_sketches_merge_into_that_of_all_durations(some, others):
    merged = Sketch(some)
    merged.merge(Sketch(others))
    assert merged.bins == Sketch(some + others).bins
    assert merged.total == len(some) + len(others)


def test_an_empty_one_has_no_quantiles():
    assert Sketch().quantile(0.5) is None
    assert Sketch().bins == {}


def test_a_bin_is_between_two_powers_of_what_it_grows_by():
    bins = Sketch([0.5, 0.001, 0.5]).bins
    assert [bins[number] for number in sorted(bins)] == [1, 2]
    for number, seconds in zip(sorted(bins), (0.001, 0.5), strict=True):
        assert GROWTH ** (number - 1) <= seconds <= GROWTH**number


def test_what_took_no_time_at_all_is_counted():
    sketch = Sketch([0.0, -1e-9])
    assert sketch.total == 2
    assert sketch.quantile(1.0) == pytest.approx(1e-6, rel=0.01)

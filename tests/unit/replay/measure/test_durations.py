import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.measure.sketch import Durations, merged


@given(st.lists(st.floats(1e-6, 100), min_size=1))
def test_no_quantile_lies_above_the_longest(values):
    durations = Durations()
    durations.add(values)
    assert durations.quantile(0.5) <= durations.quantile(0.99) <= durations.quantile(1.0)
    assert durations.quantile(1.0) == pytest.approx(max(values), rel=2e-3, abs=2e-6)


@pytest.mark.parametrize(
    ("share", "slow", "number", "is_slow"),
    [
        pytest.param(0.99, 1, 60, True, id="98.3 % are quick"),
        pytest.param(0.99, 1, 100, False, id="exactly 99 % are quick"),
        pytest.param(0.9, 1, 6, True, id="83 % are quick"),
        pytest.param(0.9, 3, 30, False, id="exactly 90 % are quick"),
        pytest.param(0.999, 2, 1600, True, id="99.88 % are quick"),
        pytest.param(0.999, 3, 3000, False, id="exactly 99.9 % are quick"),
        pytest.param(0.07, 93, 100, False, id="exactly 7 % are quick, which floats hold as somewhat more"),
    ],
)
def test_as_many_as_a_quantile_says_are_within_it(share, slow, number, is_slow):
    durations = Durations()
    durations.add([0.001] * (number - slow) + [1.0] * slow)
    assert durations.quantile(share) == pytest.approx(1.0 if is_slow else 0.001, rel=2e-3)


@pytest.mark.parametrize("seconds", [1.0, 3600, 7200])
def test_the_longest_is_the_one_that_came(seconds):
    durations = Durations()
    durations.add([seconds])
    assert merged([durations]).quantile(1.0) == seconds


def test_of_nothing_there_is_no_quantile():
    assert Durations().quantile(1.0) is None

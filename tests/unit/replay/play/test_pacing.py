from itertools import islice, pairwise
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.play.pacing import due_times, parse_shape
from socketscope.replay.play.schedule import Schedule
from socketscope.units import YEAR

SHAPES = [
    "constant",
    "ramp:from=0,over=30s",
    "ramp:from=0.5,over=5s",
    "wave:period=3m,low=0.2",
    "steps:count=5,every=2s",
]


@pytest.mark.parametrize("text", SHAPES)
@given(at=st.floats(0, 400))
def test_the_integral_is_the_factors(text, at):
    shape, step = parse_shape(text), at / 1000
    factors = [shape.factor((number + 0.5) * step) for number in range(1000)]
    assert shape.integral(at) == pytest.approx(sum(factors) * step, rel=2e-3, abs=1e-6)
    assert all(0 <= factor <= 1 for factor in factors)


@pytest.mark.parametrize("text", [*SHAPES, "wave:period=2s,low=0", "ramp:from=1,over=1s"])
@given(rate=st.floats(0.5, 1e5), skip=st.integers(0, 300))
def test_as_many_passes_are_due_by_a_time_as_the_rates_integral_says(text, rate, skip):
    shape = parse_shape(text)
    times = list(islice(due_times(rate, shape), skip, skip + 20))
    assert times == sorted(times)
    for number, time in enumerate(times, start=skip):
        # Solved to a tenth of a microsecond, in which so many passes are due at most.
        assert rate * shape.integral(time) == pytest.approx(number, abs=2e-7 * rate + 1e-6)


@given(rate=st.floats(0.5, 1e5), seed=st.integers(), text=st.sampled_from(SHAPES))
def test_a_random_pace_never_goes_back_and_its_seed_repeats_it(rate, seed, text):
    shape = parse_shape(text)
    times = list(islice(due_times(rate, shape, Random(seed)), 50))
    assert times == sorted(times)
    assert times == list(islice(due_times(rate, shape, Random(seed)), 50))


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("wave:period=3m,low=0.2", 1e-9),
        ("steps:count=5,every=30s", 1e-9),
        ("wave:period=8000h,low=0", 1e-9),
        ("ramp:from=0,over=8000h", 1e-9),
        ("steps:count=999999999,every=8000h", 5),
    ],
)
def test_what_is_due_so_late_that_floats_are_coarse_is_solved_as_well_as_they_can(text, rate):
    shape = parse_shape(text)
    for number, time in enumerate(islice(due_times(rate, shape), 20)):
        assert rate * shape.integral(time) == pytest.approx(number, rel=1e-3)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("rate", [1e-100, 1e-300, 5e-324])
@pytest.mark.parametrize("shape", ["constant", "ramp", "wave", "wave:low=0", "wave:period=1us", "steps"])
@pytest.mark.parametrize("random", [None, Random(1)], ids=["even", "poisson"])
def test_what_is_never_due_is_due_in_no_persons_time(shape, rate, random):
    first, *others = islice(due_times(rate, parse_shape(shape), random), 20)
    assert first == 0
    assert all(YEAR < due < inf for due in others)
    assert others == sorted(others)


def test_an_even_pace_is_even():
    assert list(islice(due_times(10, parse_shape("constant")), 4)) == pytest.approx(
        [0, 0.1, 0.2, 0.3], abs=1e-5
    )


def test_a_ramp_ends_at_the_rate():
    times = list(islice(due_times(100, parse_shape("ramp:from=0,over=10s")), 1000))
    assert sum(time < 10 for time in times) == pytest.approx(500, abs=2)
    assert times[-1] - times[-2] == pytest.approx(0.01, abs=1e-4)


def test_a_poisson_pace_has_the_rate_and_not_its_gaps():
    times = list(islice(due_times(100, parse_shape("constant"), Random(1)), 5000))
    assert times[-1] == pytest.approx(50, rel=0.1)
    assert times == sorted(times)
    assert len({round(b - a, 4) for a, b in pairwise(times)}) > 50


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("spiral", "'spiral' is not one of constant, ramp, wave, steps"),
        ("wave:high=1", "wave has no 'high'; it has period, low"),
        ("ramp:from=0,over=1s,from=1", "'from=0,over=1s,from=1' has an argument twice"),
        ("ramp:from=2", "'2' is not a share from 0 to 1"),
        ("steps:count=0", "'0' is not a number of steps"),
        ("steps:count=99999999999,every=1s", "'99999999999' is not a number of steps"),
        pytest.param(f"steps:count={'9' * 5000}", "9' is not a number of steps", id="too many digits"),
        ("steps:count=5,every=99999999999999h", "99999999999999h is longer than a year"),
        pytest.param(f"ramp:over={'9' * 200}h", "longer than a year", id="no float"),
        ("wave:period=0", "must be more than 0"),
        pytest.param(f"wave:period=0.{'0' * 320}1s", "must be more than 0.1 us", id="no float but 0"),
        pytest.param(f"wave:period=0.{'0' * 308}1s", "must be more than 0.1 us", id="no float for its turns"),
        pytest.param(f"steps:every=0.{'0' * 308}1s", "must be more than 0.1 us", id="no float for its count"),
    ],
)
def test_no_shapes(text, told):
    with pytest.raises(ValueError, match=told):
        parse_shape(text)


@pytest.mark.parametrize(
    ("shape", "end"),
    [
        ("wave:period=2s,low=0.2", 2.0),
        ("ramp:from=0,over=2s", 2.0),
        # At the ends of its periods nothing is due for a while, so that many times are as good a solution.
        ("wave:period=2s,low=0", 2.0),
        ("wave:period=60s,low=0", 120.0),
    ],
)
def test_a_pass_that_is_due_when_the_time_is_over_was_not_dropped(shape, end):
    schedule = Schedule(100, parse_shape(shape), inf, None, end)
    due = 0.0
    while due < end - 1e-3:
        taken = schedule.take()
        assert taken is not None
        _, due = taken
    # Its time is solved, and would be a little less than the end.
    schedule.give_back(due)
    assert schedule.dropped(0.0, end) == 0
    assert schedule.dropped(end, end + 1.0) >= 1

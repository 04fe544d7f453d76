"""When a thread tries to serve alone, on a clock of the tests' own."""

import itertools

import pytest

from socketscope.serve.threads import tries as module
from socketscope.serve.threads.tries import GROWTH, LONG, LONGEST, SHORTEST, WORTH, Tries

QUICK, SLOW = 0.001, 2 * LONG
STEP = 0.001
"""Seconds from one client to the next."""


class Clock:
    def __init__(self, monkeypatch):
        self.now = 0.0
        self.tries = Tries()
        monkeypatch.setattr(module, "monotonic", lambda: self.now)

    def pause(self, client: float) -> float:
        """Have clients handed over, each of whom takes so long, until a try is due; return the seconds."""
        began, at_work = self.now, []
        while not self.tries.due(self.now):
            job = self.tries.seen(lambda: None, self.now)
            at_work.append((self.now + client, job))
            self.now += STEP
            while at_work and at_work[0][0] <= self.now:
                at_work.pop(0)[1]()
            assert self.now - began < 1000, "no try is made"
        return self.now - began

    def slow_for(self, seconds: float) -> int:
        """Have slow ones handed over, of whom none has left yet; return how many were looked at."""
        looked_at, end = 0, self.now + seconds
        while self.now < end:
            assert not self.tries.due(self.now)
            looked_at += self.tries.seen(print, self.now) is not print
            self.now += STEP
        return looked_at

    def have_try(self, lasting: float) -> None:
        assert self.tries.due(self.now)
        began, self.now = self.now, self.now + lasting
        self.tries.note(began, self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_the_first_try_needs_no_client(clock):
    assert clock.tries.due(0.0)


def test_after_a_try_that_failed_a_quick_client_brings_the_next(clock):
    clock.have_try(QUICK)
    assert clock.pause(QUICK) == pytest.approx(GROWTH * SHORTEST + QUICK, abs=2 * STEP)


def test_where_nobody_comes_there_is_no_try(clock):
    clock.have_try(QUICK)
    assert not clock.tries.due(clock.now + 1000)


def test_each_try_that_fails_lengthens_the_pause_up_to_a_bound(clock):
    pauses = []
    for _ in range(6):
        clock.have_try(QUICK)
        pauses.append(clock.pause(QUICK) - QUICK)
    for before, after in itertools.pairwise(pauses):
        assert after == pytest.approx(min(GROWTH * before, LONGEST), abs=GROWTH * 2 * STEP)
    assert pauses[-1] == pytest.approx(LONGEST, abs=2 * STEP)


def test_a_try_that_lasted_begins_anew(clock):
    for _ in range(4):
        clock.have_try(QUICK)
        clock.pause(QUICK)
    clock.have_try(WORTH * LONGEST)
    assert clock.pause(QUICK) == pytest.approx(SHORTEST + QUICK, abs=2 * STEP)


def test_while_clients_are_slow_there_is_no_try_however_long(clock):
    clock.have_try(QUICK)
    assert clock.slow_for(20.0) == pytest.approx(20.0 / (GROWTH * SHORTEST + LONG), rel=0.05)


def test_who_took_long_is_not_quick_though_nobody_looked_meanwhile(clock):
    clock.have_try(QUICK)
    clock.now += LONGEST
    job = clock.tries.seen(lambda: None, clock.now)
    clock.now += SLOW
    job()
    assert not clock.tries.due(clock.now)


def test_slow_ones_lengthen_no_pause_so_when_they_have_become_quick_a_try_comes_soon(clock):
    clock.have_try(QUICK)
    clock.slow_for(20.0)
    assert clock.pause(QUICK) <= GROWTH * SHORTEST + LONG + 2 * STEP


def test_a_job_that_raises_has_ended_as_well(clock):
    clock.have_try(QUICK)
    clock.now += LONGEST

    def fail():
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it is the job's
        clock.tries.seen(fail, clock.now)()
    assert clock.tries.due(clock.now)

"""When others have waited too long for a thread that serves alone, by what looks at it tell."""

import itertools
import threading

import pytest

from socketscope.interpreter import AT_ONCE
from socketscope.serve.threads import impatience
from socketscope.serve.threads.impatience import (
    ASLEEP,
    LOOK,
    LOOK_AT_QUICK,
    SHORT,
    WINDOW,
    Impatience,
    Seen,
    _look_at,
    _ran,
)
from tests.threads import in_a_thread
from tests.unit.socketscope.patience import PATIENCE, until

NUMBER = -1
"""The kernel's of the thread that is looked at; it is not the one that looks."""


class Thread:
    """One that is looked at as often as it should be, while others wait."""

    impatience: Impatience

    def __init__(self):
        self.now = self.delay = 0.0
        self.ran = 1.0
        self.served = self.idle = 0.0
        self.threads = 1
        self.ready = False

    def serve(self, clients: float, *, off_core: float = 0.0):
        """Serve so many until the next look, off the core for so many seconds for each."""
        self.served += clients
        self.ran += self.threads * self.impatience.pause - off_core * clients

    def serve_quick_ones(self, *, off_core: float, idle: float = 0.0):
        """Serve as many as are quick until the next look; `idle` of the time off the core nobody is there."""
        clients = self.threads * self.impatience.pause / (4 * ASLEEP)
        self.serve(clients, off_core=off_core + idle)
        self.idle += idle * clients

    def grows(self, *, waiting=True):
        self.now += self.impatience.pause
        return self.impatience.grows(
            [NUMBER] * self.threads, self.served, self.idle, lambda: self.told(waiting)
        )

    def look_at(self, number):
        if number != NUMBER:
            return Seen(1.0, 0.0, ready=True)
        return Seen(self.ran, self.delay, ready=self.ready)

    @staticmethod
    def told(waiting):
        assert waiting is not None, "asked whether others wait"
        return waiting


@pytest.fixture
def thread(monkeypatch):
    """A thread that sleeps, until told what else."""
    thread = Thread()
    monkeypatch.setattr(impatience, "monotonic", lambda: thread.now)
    monkeypatch.setattr(impatience, "_look_at", thread.look_at)
    monkeypatch.setattr(impatience, "_ran", lambda _: thread.ran)
    thread.impatience = Impatience(ASLEEP)
    return thread


def looks_until_it_grows(thread, does, most=100):
    for look in range(1, most + 1):
        does(thread)
        if thread.grows():
            return look
    return None


def sleeps(_):
    pass


def computes(thread):
    thread.ready = True
    thread.ran += LOOK


def waits_for_a_core(thread):
    thread.ready = True


def had_to_wait_for_a_core(thread):
    thread.ready = False
    thread.delay += LOOK * 0.75


@pytest.mark.parametrize("does", [sleeps, computes])
def test_one_client_that_three_looks_see_is_slow(thread, does):
    assert looks_until_it_grows(thread, does) == 3


@pytest.mark.parametrize("does", [waits_for_a_core, had_to_wait_for_a_core])
def test_who_wants_for_a_core_is_not(thread, does):
    assert looks_until_it_grows(thread, does) is None


@pytest.mark.parametrize("does", [sleeps, computes, waits_for_a_core, had_to_wait_for_a_core])
def test_clients_who_stay_with_several_are_slow_whoever_wants_for_a_core(thread, does):
    thread.threads = AT_ONCE + 1
    assert looks_until_it_grows(thread, does) == 3


def test_what_a_thread_does_once_it_has_its_core_again_counts_from_then(thread):
    assert looks_until_it_grows(thread, waits_for_a_core, most=5) is None
    assert looks_until_it_grows(thread, computes) == 1


@pytest.mark.parametrize(("threads", "at_once"), [(1, 1), (2, 2), (1, 2), (8, 1), (8, 2)])
@pytest.mark.parametrize(("each", "slow"), [(SHORT * 1.1, True), (SHORT * 0.9, False)])
def test_clients_are_judged_by_their_average_over_a_window(thread, each, slow, threads, at_once, monkeypatch):
    monkeypatch.setattr(impatience, "AT_ONCE", at_once)
    thread.threads = threads

    def serves(thread):
        thread.serve(min(threads, at_once) * thread.impatience.pause / each)

    looks = looks_until_it_grows(thread, serves)
    assert looks == (pytest.approx(WINDOW / LOOK, abs=2) if slow else None)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("asleep", "slow"), [(ASLEEP * 1.1, True), (ASLEEP * 0.9, False)])
def test_quick_clients_who_have_a_thread_sleep_are_not_served_alone(
    thread, asleep, slow, threads, monkeypatch
):
    monkeypatch.setattr(impatience, "AT_ONCE", threads)
    thread.threads = threads

    def serves(thread):
        thread.serve_quick_ones(off_core=threads * asleep)

    looks = looks_until_it_grows(thread, serves)
    assert looks == (pytest.approx(WINDOW / LOOK_AT_QUICK, abs=2) if slow else None)


@pytest.mark.parametrize(("asleep", "slow"), [(ASLEEP * 1.1, True), (ASLEEP * 0.9, False)])
def test_threads_that_take_turns_sleep_while_none_of_them_runs(thread, asleep, slow, monkeypatch):
    monkeypatch.setattr(impatience, "AT_ONCE", 1)
    thread.threads = 8

    def serves(thread):
        clients = thread.impatience.pause / (4 * ASLEEP)
        thread.served += clients
        thread.ran += thread.impatience.pause - clients * asleep  # of all of them together

    assert (looks_until_it_grows(thread, serves) is not None) is slow


def test_for_how_long_clients_may_have_threads_sleep_is_said_beforehand(thread):
    def serves(thread):
        thread.serve_quick_ones(off_core=ASLEEP * 1.1)

    thread.impatience = Impatience(ASLEEP * 1.2)
    assert looks_until_it_grows(thread, serves) is None


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("idle", [0.0, 2 * ASLEEP])
def test_they_are_where_it_sleeps_less_on_average_and_what_it_waits_for_them_is_no_sleep(
    thread, idle, threads, monkeypatch
):
    monkeypatch.setattr(impatience, "AT_ONCE", threads)
    thread.threads = threads
    asleep = itertools.cycle([ASLEEP * 0.4, ASLEEP * 1.3])

    def serves(thread):
        thread.serve_quick_ones(off_core=threads * next(asleep), idle=idle)

    assert looks_until_it_grows(thread, serves) is None


def test_while_a_thread_waits_for_clients_nobody_is_asked(thread):
    thread.serve(1)
    assert not thread.grows()
    for _ in range(100):
        thread.serve_quick_ones(off_core=0.0, idle=2 * ASLEEP)
        assert not thread.grows(waiting=None)  # which nobody may ask for


def test_where_the_kernel_tells_nothing_of_a_thread_it_is_not_taken_for_asleep(thread):
    thread.ran = 0.0

    def serves(thread):
        thread.served += thread.impatience.pause / (4 * ASLEEP)

    assert looks_until_it_grows(thread, serves) is None


def test_what_a_thread_of_quick_clients_waited_for_a_core_is_no_sleep(thread):
    def serves(thread):
        before = thread.served
        thread.serve_quick_ones(off_core=2 * ASLEEP)
        thread.delay += 2 * ASLEEP * (thread.served - before)

    assert looks_until_it_grows(thread, serves) is None


def test_a_wait_for_a_core_that_goes_on_is_no_sleep(thread):
    thread.ready = True

    def serves(thread):
        thread.serve_quick_ones(off_core=2 * ASLEEP)

    assert looks_until_it_grows(thread, serves) is None
    thread.ready = False
    assert looks_until_it_grows(thread, serves) is not None


def test_a_look_that_finds_them_quick_ends_no_window(thread):
    served = itertools.cycle([0.5, 0.5, 0.5, 1.1])  # as many as are just quick, in a look

    def serves(thread):
        thread.serve(next(served) * thread.impatience.pause / SHORT)

    assert looks_until_it_grows(thread, serves) is not None
    assert thread.now < 2 * WINDOW


def test_a_window_of_quick_clients_is_over_in_its_time(thread):
    def serves(thread):
        thread.serve(2 * thread.impatience.pause / SHORT)

    assert not thread.grows()
    assert looks_until_it_grows(thread, serves) is None
    began = thread.now
    assert looks_until_it_grows(thread, lambda _: setattr(thread, "served", thread.served + 1)) is not None
    assert thread.now - began < 2 * WINDOW


def test_what_it_waited_for_a_core_is_no_time_of_its_clients(thread):
    def serves(thread):
        thread.serve(1, off_core=LOOK - SHORT / 2)
        thread.delay += LOOK - SHORT / 2

    assert looks_until_it_grows(thread, serves) is None


def test_while_nobody_waits_nothing_is_remembered(thread):
    for _ in range(10):
        assert not thread.grows()
        assert not thread.grows()
        assert not thread.grows(waiting=False)


def test_who_serves_quick_clients_is_asked_nothing_and_looked_at_less(thread):
    thread.serve(2 * LOOK / SHORT)
    assert not thread.grows(waiting=None)  # which nobody may ask for
    assert thread.impatience.pause == LOOK_AT_QUICK


def test_a_slow_client_after_quick_ones_is_seen_by_three_looks_as_well(thread):
    thread.serve(2 * LOOK / SHORT)
    assert not thread.grows()
    began = thread.now
    assert looks_until_it_grows(thread, sleeps) == 3
    assert thread.now - began == pytest.approx(LOOK_AT_QUICK + 2 * LOOK)
    assert thread.now - began <= 0.01


def test_a_thread_that_computes_is_seen_to_run():
    number = threading.get_native_id()
    before = _look_at(number).ran
    until(lambda: _look_at(number).ran > before + LOOK)
    assert _look_at(number).ready


def test_a_thread_that_sleeps_is_seen_to_do_nothing():
    going = threading.Event()
    thread = in_a_thread(going.wait, PATIENCE)
    until(lambda: not _look_at(thread.native_id).ready)
    before = _look_at(thread.native_id)
    until(lambda: _look_at(threading.get_native_id()).ran > LOOK)
    assert not _look_at(thread.native_id).wanted_for_a_core(before)
    going.set()
    thread.join(PATIENCE)


def test_a_thread_that_has_not_begun_has_not_run():
    assert _ran([0]) == 0.0 < _ran([threading.get_native_id()])


def test_of_a_thread_that_is_gone_nothing_is_told():
    thread = in_a_thread(int)
    thread.join(PATIENCE)
    until(lambda: _look_at(thread.native_id) == Seen(0.0, 0.0, ready=False))

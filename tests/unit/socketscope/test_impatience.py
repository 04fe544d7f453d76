"""When others have waited too long for a thread that serves alone, by what looks at it tell."""

import os
import threading

import pytest

from socketscope.serve import impatience
from socketscope.serve.impatience import LOOK, LOOK_AT_QUICK, OWN, SHORT, WINDOW, Impatience, Seen, _look_at

from .patience import PATIENCE, until


class Thread:
    """One that is looked at each `LOOK`, while others wait."""

    impatience: Impatience

    def __init__(self):
        self.now = self.ran = self.delay = self.process_ran = 0.0
        self.served = 0
        self.ready = False

    def grows(self, *, waiting=True):
        self.now += LOOK
        return self.impatience.grows([1], self.served, lambda: self.told(waiting))

    @staticmethod
    def told(waiting):
        assert waiting is not None, "asked whether others wait"
        return waiting


@pytest.fixture
def thread(monkeypatch):
    """A thread that sleeps, until told what else."""
    thread = Thread()
    monkeypatch.setattr(impatience, "monotonic", lambda: thread.now)
    monkeypatch.setattr(impatience, "process_time", lambda: thread.process_ran)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(impatience, "_look_at", lambda _: Seen(thread.ran, thread.delay, ready=thread.ready))
    thread.impatience = Impatience()
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


@pytest.mark.parametrize(("own", "slow"), [(OWN * 1.05, True), (OWN * 0.95, False)])
def test_who_wants_for_a_core_that_the_process_itself_has_is_slow_after_a_window(thread, own, slow):
    def waits(thread):
        waits_for_a_core(thread)
        thread.process_ran += own * 2 * LOOK  # of two cores

    looks = looks_until_it_grows(thread, waits)
    assert looks == (pytest.approx(WINDOW / LOOK, abs=3) if slow else None)


def test_what_a_thread_does_once_it_has_its_core_again_counts_from_then(thread):
    assert looks_until_it_grows(thread, waits_for_a_core, most=5) is None
    assert looks_until_it_grows(thread, computes) == 1


@pytest.mark.parametrize(("each", "slow"), [(SHORT * 2, True), (SHORT / 2, False)])
def test_clients_are_judged_by_their_average_over_a_window(thread, each, slow):
    def serves(thread):
        thread.served += LOOK / each

    looks = looks_until_it_grows(thread, serves)
    assert looks == (pytest.approx(WINDOW / LOOK, abs=2) if slow else None)


def test_what_it_waited_for_a_core_is_no_time_of_its_clients(thread):
    def serves(thread):
        thread.served += 1
        thread.delay += LOOK - SHORT / 2

    assert looks_until_it_grows(thread, serves) is None


def test_while_nobody_waits_nothing_is_remembered(thread):
    for _ in range(10):
        assert not thread.grows()
        assert not thread.grows()
        assert not thread.grows(waiting=False)


def test_who_serves_quick_clients_is_asked_nothing_and_looked_at_less(thread):
    thread.served += 2 * LOOK / SHORT
    assert not thread.grows(waiting=None)  # which nobody may ask for
    assert thread.impatience.pause == LOOK_AT_QUICK


def test_a_slow_client_after_quick_ones_is_seen_as_soon_as_any(thread):
    thread.served += 2 * LOOK / SHORT
    assert not thread.grows()
    assert looks_until_it_grows(thread, sleeps) == 2
    assert thread.impatience.pause == LOOK


def test_a_thread_that_computes_is_seen_to_run():
    number = threading.get_native_id()
    before = _look_at(number).ran
    until(lambda: _look_at(number).ran > before + LOOK)
    assert _look_at(number).ready


def test_a_thread_that_sleeps_is_seen_to_do_nothing():
    going = threading.Event()
    thread = threading.Thread(target=going.wait, args=(PATIENCE,))
    thread.start()
    until(lambda: not _look_at(thread.native_id).ready)
    before = _look_at(thread.native_id)
    until(lambda: _look_at(threading.get_native_id()).ran > LOOK)
    assert not _look_at(thread.native_id).wanted_for_a_core(before)
    going.set()
    thread.join(PATIENCE)


def test_of_a_thread_that_is_gone_nothing_is_told():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join(PATIENCE)
    until(lambda: _look_at(thread.native_id) == Seen(0.0, 0.0, ready=False))

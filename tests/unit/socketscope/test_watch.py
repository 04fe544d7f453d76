from types import SimpleNamespace

import pytest

from socketscope.serve import watch
from socketscope.serve.watch import RESERVE, Watch

WINDOW = 0.25


class Threads:
    """A pool's figures, and what it is told; a machine whose clock moves when told to."""

    def __init__(self) -> None:
        self.now = self.spent = 0.0
        self.ran: dict[str, float] = {}
        self.delayed: dict[str, float] = {}
        self.waiting = True
        self.idle = 0
        self.served = 0
        self.turned: set[str] = set()
        self.workers = ["a"]
        self.told: list[tuple[str, int]] = []

    def grow(self, wanted: int) -> None:
        self.told.append(("grow", wanted))

    def shrink(self, excess: int) -> None:
        self.told.append(("shrink", excess))

    def pass_time(self, seconds: float, *turning: str, ran: float, delayed: float = 0.0) -> None:
        """Let threads turn over, with these shares of the time on a core and in want of one, each."""
        self.now += seconds
        self.served += len(turning)
        self.turned |= set(turning)
        for thread in turning:
            self.spent += ran * seconds
            self.ran[thread] = self.ran.get(thread, 0.0) + ran * seconds
            self.delayed[thread] = self.delayed.get(thread, 0.0) + delayed * seconds


@pytest.fixture
def threads(monkeypatch):
    threads = Threads()
    clock = SimpleNamespace(monotonic=lambda: threads.now, process_time=lambda: threads.spent)
    monkeypatch.setattr(watch, "time", clock)
    monkeypatch.setattr(watch, "waits", lambda _: threads.waiting)
    monkeypatch.setattr(watch, "queue_length", lambda _: 40)
    monkeypatch.setattr(
        watch, "_times", lambda thread: (threads.ran.get(thread, 0.0), threads.delayed.get(thread, 0.0))
    )
    return threads


def settled(threads, *turning, **shares):
    """Return a watch that has seen these threads for a window, with what it decided then forgotten."""
    seen = Watch(threads)
    threads.pass_time(WINDOW, *turning, **shares)
    seen.look(None)
    threads.told.clear()
    return seen


def decided(threads, seen, *turning, **shares):
    """Return what is decided after another window of this."""
    threads.told.clear()
    threads.pass_time(WINDOW, *turning, **shares)
    seen.look(None)
    return threads.told


def test_of_threads_that_contend_for_the_interpreter_one_stays(threads):
    seen = settled(threads, "a", "b", "c", ran=0.3)
    assert decided(threads, seen, "a", "b", "c", ran=0.3)[-1] == ("shrink", 2)


@pytest.mark.parametrize("shares", [{"ran": 0.95}, {"ran": 0.65, "delayed": 0.3}])
def test_a_single_thread_that_always_wants_a_core_stays_alone(threads, shares):
    seen = settled(threads, "a", **shares)
    assert decided(threads, seen, "a", **shares)[-1] == ("shrink", 0)


def test_a_single_thread_that_waits_for_its_clients_gets_others_and_is_tried_again_later(threads):
    seen = settled(threads, "a", ran=0.7)
    assert ("grow", 7) in decided(threads, seen, "a", ran=0.7)
    several = [f"t{number}" for number in range(10)]
    assert decided(threads, seen, *several, ran=0.1)[-1] == ("shrink", 2)
    for _ in range(120):
        told = decided(threads, seen, *several, ran=0.1)
    assert told[-1] == ("shrink", 9)


def test_a_single_thread_that_nobody_waited_for_stays_alone_however_busy_the_rest_is(threads):
    seen = settled(threads, "a", ran=0.1)
    for _ in range(3):
        threads.told.clear()
        threads.spent += WINDOW
        threads.pass_time(WINDOW, "a", ran=0.1)
        seen.look_at_rest()
        assert threads.told == [("shrink", 0)]


def test_a_single_thread_that_has_nothing_to_do_at_times_stays_alone(threads):
    seen = settled(threads, "a", ran=0.95)
    threads.waiting = False
    seen.look(None)
    threads.waiting = True
    assert decided(threads, seen, "a", ran=0.7)[-1] == ("shrink", 0)


def test_where_nothing_is_busy_what_waits_gets_a_thread_each(threads):
    seen = Watch(threads)
    for _ in range(3):
        threads.pass_time(0.01, "a", ran=0.1)
        seen.look(None)
    assert threads.told == [("grow", 40)]


def test_after_a_rest_a_thread_that_gets_no_core_gets_no_company(threads):
    seen = Watch(threads)
    for _ in range(3):
        threads.delayed["a"] = threads.delayed.get("a", 0.0) + 0.007
        threads.now += 0.01
        threads.spent += 0.003
        threads.served += 1
        seen.look(None)
    assert threads.told == []


def test_the_same_threads_are_asked_again_where_there_are_too_many_to_ask_all(threads):
    many = [f"t{number}" for number in range(300)]
    seen = settled(threads, *many, ran=0.0, delayed=0.003)
    assert decided(threads, seen, *many, ran=0.0, delayed=0.01)[-1] == ("shrink", 299)


def test_where_all_are_held_and_busy_a_few_more_start(threads):
    seen = Watch(threads)
    for _ in range(3):
        threads.now += 0.01
        threads.spent += 0.01
        seen.look(None)
    assert threads.told == [("grow", RESERVE)]


def test_where_nobody_waits_the_reserve_is_filled(threads):
    threads.waiting, threads.idle = False, 1
    seen = Watch(threads)
    assert decided(threads, seen, "a", ran=0.1) == [("shrink", 0), ("grow", RESERVE - 1)]

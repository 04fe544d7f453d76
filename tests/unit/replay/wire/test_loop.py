"""Tasks of a loop: what wakes them, when, and how they end. Time is the loop's own where none may pass."""

import socket
import threading
from collections.abc import Iterator
from math import inf

import pytest

from socketscope.replay.wire.loop import HANGUP, NEXT_TURN, Loop, Task, Until
from tests.threads import ends, in_a_thread
from tests.unit.replay.fakes import FakeLoop


@pytest.fixture
def loop() -> Iterator[FakeLoop]:
    loop = FakeLoop()
    yield loop
    loop.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    here.setblocking(False)
    with here, there:
        yield here, there


def test_tasks_sleep_as_long_as_they_ask_and_wake_in_the_order_of_their_times(loop):
    woken = []

    def sleep(seconds: float) -> Task:
        yield Until(loop.now() + seconds)
        woken.append((seconds, loop.now()))

    for seconds in (3.0, 1.0, 2.0):
        loop.start(sleep(seconds))
    loop.run()
    assert woken == [(1.0, 101.0), (2.0, 102.0), (3.0, 103.0)]
    assert loop.waited == 3.0


def test_what_happens_on_a_connection_wakes_its_task_and_nothing_else_does(loop, pair):
    here, there = pair

    def read() -> Task:
        loop.watch(here)
        assert (yield loop.now() + 9)  # it can be written to
        assert (yield loop.now() + 9)
        return here.recv(10), loop.now()

    def write() -> Task:
        yield Until(loop.now() + 5)
        there.send(b"x")

    loop.start(write())
    assert loop.complete(read()) == (b"x", 105.0)


def test_a_deadline_is_answered_by_nothing_at_its_time_although_an_earlier_one_was_met(loop, pair):
    here, there = pair

    def read() -> Task:
        loop.watch(here)
        answers = [(yield loop.now() + 1)]
        there.send(b"x")
        answers.append((yield loop.now() + 1))
        for seconds in (5.0, 0.5, 3.0):
            began = loop.now()
            answers += [(yield began + seconds), round(loop.now() - began, 6)]
        return [answer if isinstance(answer, float) else bool(answer) for answer in answers]

    assert loop.complete(read()) == [True, True, False, 5.0, False, 0.5, False, 3.0]


def test_a_deadline_that_moves_on_with_each_exchange_is_kept_once(loop, pair):
    here, there = pair

    def read() -> Task:
        loop.watch(here)
        yield loop.now() + 9  # it can be written to
        for exchange in range(100):
            there.send(b"x")
            assert (yield loop.now() + 10 + exchange)
            here.recv(10)
        return len(loop._deadlines)

    assert loop.complete(read()) == 1


def test_what_happened_during_a_pause_is_told_after_it(loop, pair):
    here, there = pair

    def read() -> Task:
        loop.watch(here)
        yield loop.now() + 9
        there.sendall(b"last words")
        there.close()
        yield Until(loop.now() + 5)
        happened = yield loop.now() + 9
        return happened & HANGUP > 0, loop.now()

    assert loop.complete(read()) == (True, 105.0)


def test_a_task_that_never_waits_lets_the_others_have_their_turn(loop):
    order = []

    def talk(name: str) -> Task:
        for number in range(3):
            order.append(f"{name}{number}")
            yield NEXT_TURN

    loop.start(talk("a"))
    loop.start(talk("b"))
    loop.run()
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert loop.now() == 100.0


def test_a_task_that_never_waits_keeps_nobody_from_what_has_come(loop):
    heard = []

    def listen() -> Task:
        here, there = socket.socketpair()
        with here, there:
            loop.watch(here)
            there.send(b"x")
            heard.append((yield loop.now() + 10.0))

    def talk() -> Task:
        turns = 0
        while not heard and turns < 100:
            turns += 1
            yield NEXT_TURN
        return turns

    loop.start(listen())
    assert loop.complete(talk()) < 100


def test_a_task_that_never_waits_ends_with_the_loop(loop):
    turns: list[int] = []

    def talk() -> Task:
        while len(turns) < 100:
            turns.append(loop.turns)
            if len(turns) == 10:
                loop.stop()
            yield NEXT_TURN

    loop.start(talk())
    loop.run()
    assert len(turns) == 10


def test_it_ends_at_its_time_and_tells_the_tasks_when_it_is_closed(loop):
    ended = []

    def wait() -> Task:
        try:
            yield Until(inf)
        finally:
            ended.append(loop.now())

    loop.start(wait())
    loop.run(107.0)
    assert ended == []
    loop.close()
    assert ended == [107.0]


def test_what_a_task_raises_ends_the_loop(loop):
    def fail() -> Task:
        yield NEXT_TURN
        raise RuntimeError("a bug")

    loop.start(fail())
    with pytest.raises(RuntimeError, match="a bug"):
        loop.run()


def test_another_thread_can_stop_it():
    loop = Loop()

    def wait() -> Task:
        in_a_thread(loop.stop)
        yield Until(inf)

    loop.start(wait())
    loop.run()
    loop.close()


def test_what_blocks_is_called_in_a_thread_and_returned_or_raised():
    loop = Loop()

    def ask() -> Task:
        until = loop.now() + 60
        name = yield from loop.call(
            lambda: threading.current_thread() is threading.main_thread(), until=until
        )
        with pytest.raises(OSError, match="away"):
            yield from loop.call(_fail, until=until)
        return name

    def _fail() -> None:
        raise OSError("away")

    assert loop.complete(ask()) is False
    loop.close()


def test_what_blocks_too_long_is_left_alone():
    loop = Loop()
    ready = threading.Event()

    def ask() -> Task:
        with pytest.raises(TimeoutError):
            yield from loop.call(ready.wait, until=loop.now() + 0.01)
        # Its answer comes when nobody waits for it any more, and disturbs nobody.
        ready.set()
        return (yield from loop.call(lambda: 7, until=loop.now() + 60))

    assert loop.complete(ask()) == 7
    loop.close()


def test_a_stop_that_wakes_nobody_is_seen_soon(monkeypatch):
    monkeypatch.setattr("socketscope.replay.wire.loop._LONGEST", 0.01)
    loop = Loop()

    def wait() -> Task:
        yield inf

    loop.start(wait())
    runs = in_a_thread(loop.run)
    loop._stopped = True  # as by a signal that came right before the wait
    ends(runs, 10)
    loop.close()

"""The threads that serve, with what starts and ends them; nothing is waited for but events."""

import queue
import threading
import weakref
from concurrent.futures import Future

import pytest

from socketscope.serve import threads
from socketscope.serve.threads import RESERVE, Elastic, PerClient

from .patience import PATIENCE, until

COMING = 2


class Held:
    """A job that is at work until it is let go."""

    def __init__(self, then=None):
        self.thread: Future[threading.Thread] = Future()
        self._let_go, self._done = threading.Event(), threading.Event()
        self._then = then

    def __call__(self):
        self.thread.set_result(threading.current_thread())
        self._let_go.wait(PATIENCE)
        if self._then is not None:
            self._then()
        self._done.set()

    def begun(self):
        return self.thread.result(PATIENCE)

    def end(self):
        self._let_go.set()
        assert self._done.wait(PATIENCE)


@pytest.fixture(autouse=True)
def two_may_come(monkeypatch):
    monkeypatch.setattr(threads, "COMING", COMING)


@pytest.fixture
def pool():
    pool = Elastic("test")
    yield pool
    pool.close()


def serve(pool, number):
    """Have so many jobs done at once; return their threads once these are idle, or have left."""
    jobs = [Held() for _ in range(number)]
    for job in jobs:
        pool.run(job)
    workers = [job.begun() for job in jobs]
    for job in jobs:
        job.end()
    until(lambda: pool.counts[1] == 0)
    return workers


def test_jobs_at_once_have_a_thread_each_and_the_next_ones_find_those(pool):
    first = serve(pool, 3)
    assert len(set(first)) == 3
    assert pool.counts == (3, 0)
    assert set(serve(pool, 3)) == set(first)
    assert {thread.name.rpartition("-")[0] for thread in first} == {"test"}
    assert all(thread.daemon for thread in first)


def test_busy_threads_are_told_from_idle_ones(pool):
    serve(pool, 2)
    job = Held()
    pool.run(job)
    job.begun()
    assert pool.counts == (1, 1)
    job.end()


def test_of_many_threads_without_work_a_reserve_stays(pool):
    workers = serve(pool, 4 * RESERVE)
    assert RESERVE <= pool.counts[0] <= 2 * RESERVE + 1
    until(lambda: sum(thread.is_alive() for thread in workers) == pool.counts[0])


def test_beside_busy_threads_as_many_stay_as_are_at_work(pool):
    held = [Held() for _ in range(2 * RESERVE)]
    for job in held:
        pool.run(job)
    for job in held:
        job.begun()
    others = [Held() for _ in range(2 * RESERVE)]
    for job in others:
        pool.run(job)
    for job in others:
        job.end()
    until(lambda: pool.counts == (2 * RESERVE, 2 * RESERVE))
    for job in held:
        job.end()


def test_a_thread_that_has_no_work_for_long_leaves(pool, monkeypatch):
    monkeypatch.setattr(threads, "STAY", 0.01)
    (worker,) = serve(pool, 1)
    worker.join(PATIENCE)
    assert not worker.is_alive()
    assert pool.counts == (0, 0)
    assert serve(pool, 1) != [worker]


def test_a_job_that_comes_as_its_thread_wants_to_leave_is_done(pool, monkeypatch):
    monkeypatch.setattr(threads, "STAY", 0.0)
    for _ in range(500):
        done = threading.Event()
        pool.run(done.set)
        assert done.wait(PATIENCE)


def test_who_is_given_a_job_waits_until_most_of_the_threads_before_have_begun(pool, monkeypatch):
    serve(pool, COMING + 1)
    wait, may_begin = threads._Worker.wait, threading.Event()

    def hold_back(worker, seconds):
        job = wait(worker, seconds)
        may_begin.wait(PATIENCE)
        return job

    monkeypatch.setattr(threads._Worker, "wait", hold_back)
    serve(pool, COMING + 1)  # those that had been waiting before that
    may_begin.clear()
    asked: list[float] = []
    given: list[threads.Job | None] = []
    give = threads._Worker.give
    turns = pool._turns

    class Turns:
        put, qsize = turns.put, turns.qsize

        def get(self, timeout):
            asked.append(timeout)
            turns.get(timeout=PATIENCE)

    monkeypatch.setattr(pool, "_turns", Turns())

    def note_and_give(worker, job):
        given.append(job)
        give(worker, job)

    monkeypatch.setattr(threads._Worker, "give", note_and_give)
    jobs = [Held() for _ in range(COMING + 1)]
    for job in jobs[:-1]:
        pool.run(job)
    giver = threading.Thread(target=pool.run, args=(jobs[-1],))
    giver.start()
    until(lambda: len(asked) == COMING + 1)
    assert len(given) == COMING
    may_begin.set()
    giver.join(PATIENCE)
    assert not giver.is_alive()
    for job in jobs:
        job.end()


class Turns:
    """What no turn can be had of."""

    def __init__(self, error: BaseException):
        self.error, self.left = error, 0

    def get(self, timeout):  # noqa: ARG002
        raise self.error

    def put(self, _):
        self.left += 1

    def qsize(self):
        return self.left


def test_an_interrupt_while_threads_are_waited_for_costs_no_job(pool, monkeypatch):
    serve(pool, 1)
    monkeypatch.setattr(pool, "_turns", Turns(KeyboardInterrupt()))
    job = Held()
    with pytest.raises(KeyboardInterrupt):
        pool.run(job)
    job.begun()
    job.end()


def test_a_thread_that_does_not_begin_is_not_waited_for_for_ever_and_turns_become_no_more(pool, monkeypatch):
    serve(pool, 1)
    turns = Turns(queue.Empty())
    monkeypatch.setattr(pool, "_turns", turns)
    for _ in range(2 * COMING):
        serve(pool, 1)
    assert turns.left == COMING


def test_closing_sends_idle_threads_away_and_busy_ones_when_they_are_done(pool):
    (idle,) = serve(pool, 1)
    jobs = [Held(), Held()]
    for job in jobs:
        pool.run(job)
    busy = [job.begun() for job in jobs]
    jobs[0].end()
    until(lambda: pool.counts == (1, 1))
    pool.close()
    jobs[1].end()
    for thread in (idle, *busy):
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert pool.counts == (0, 0)


def test_after_closing_jobs_are_done_and_after_opening_threads_stay(pool):
    pool.close()
    (worker,) = serve(pool, 1)
    worker.join(PATIENCE)
    assert not worker.is_alive()
    pool.open()
    serve(pool, 1)
    assert pool.counts == (1, 0)


def test_what_a_job_holds_does_not_outlive_it(pool):
    class Job(Held):
        pass

    job, gone = Job(), threading.Event()
    weakref.finalize(job, gone.set)
    pool.run(job)
    job.end()
    del job
    assert gone.wait(PATIENCE)


@pytest.fixture
def exhausted():
    """A process in which no thread can be started, from the time that it is called."""

    def fail(_):
        raise RuntimeError("can't start new thread")

    with pytest.MonkeyPatch.context() as patch:
        yield lambda: patch.setattr(threading.Thread, "start", fail)


def test_where_no_thread_can_be_started_the_next_free_one_does_it(pool, exhausted):
    held = Held()
    pool.run(held)
    worker = held.begun()
    exhausted()
    late = [Held() for _ in range(3)]
    for job in late:
        pool.run(job)
        job._let_go.set()
    assert pool.counts == (0, 1)
    held.end()
    assert [job.begun() for job in late] == [worker] * 3


def test_where_there_is_no_thread_at_all_that_is_an_error(pool, exhausted):
    exhausted()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="can't start new thread"):
            pool.run(lambda: None)
    assert pool.counts == (0, 0)


@pytest.mark.parametrize("daemon", [True, False])
def test_a_thread_for_each_client(daemon):
    each = PerClient("test", daemon=daemon)
    jobs = [Held() for _ in range(3)]
    for job in jobs:
        each.run(job)
    workers = [job.begun() for job in jobs]
    assert len(set(workers)) == 3
    assert each.counts == (0, 3)
    assert {(thread.name.rpartition("-")[0], thread.daemon) for thread in workers} == {("test", daemon)}
    for job in jobs:
        job.end()
    for worker in workers:
        worker.join(PATIENCE)
    assert each.counts == (0, 0)


def test_a_thread_for_each_client_that_cannot_be_started_is_an_error(exhausted):
    each = PerClient("test")
    exhausted()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        each.run(lambda: None)
    assert each.counts == (0, 0)

"""The threads that serve, with what starts and ends them; nothing is waited for but events."""

import threading
import weakref
from concurrent.futures import Future

import pytest

from socketscope.serve.threads import executors
from socketscope.serve.threads.executors import COMING, RESERVE, Elastic, PerClient
from tests.threads import ends, in_a_thread
from tests.unit.socketscope.patience import PATIENCE, until


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


@pytest.fixture
def pool():
    pool = Elastic("test")
    yield pool
    pool.close()


def begun(pool, number):
    """Return so many jobs that are at work."""
    jobs = [Held() for _ in range(number)]
    for job in jobs:
        pool.run(job)
    for job in jobs:
        job.begun()
    return jobs


def serve(pool, number):
    """Have so many jobs done at once; return their threads once these are idle, or have left."""
    jobs = begun(pool, number)
    for job in jobs:
        job.end()
    until(lambda: pool.counts[1] == 0)
    return [job.begun() for job in jobs]


def test_jobs_at_once_have_a_thread_each_and_the_next_ones_find_those(pool):
    first = serve(pool, 3)
    assert len(set(first)) == 3
    assert pool.counts == (3, 0)
    assert set(serve(pool, 3)) == set(first)
    assert {thread.name.rpartition("-")[0] for thread in first} == {"test"}
    assert all(thread.daemon for thread in first)


def test_busy_threads_are_told_from_idle_ones(pool):
    serve(pool, 2)
    (job,) = begun(pool, 1)
    assert pool.counts == (1, 1)
    job.end()


def test_of_many_threads_without_work_a_reserve_stays(pool):
    workers = serve(pool, 4 * RESERVE)
    assert RESERVE <= pool.counts[0] <= 2 * RESERVE + 1
    until(lambda: sum(thread.is_alive() for thread in workers) == pool.counts[0])


def test_beside_busy_threads_as_many_stay_as_are_at_work(pool):
    held, others = begun(pool, 2 * RESERVE), begun(pool, 2 * RESERVE)
    for job in others:
        job.end()
    until(lambda: pool.counts == (2 * RESERVE, 2 * RESERVE))
    for job in held:
        job.end()


def test_a_thread_that_has_no_work_for_long_leaves(pool, monkeypatch):
    monkeypatch.setattr(executors, "STAY", 0.01)
    (worker,) = serve(pool, 1)
    ends(worker)
    assert pool.counts == (0, 0)
    assert serve(pool, 1) != [worker]


def test_a_job_that_comes_as_its_thread_wants_to_leave_is_done(pool, monkeypatch):
    monkeypatch.setattr(executors, "STAY", 0.0)
    for _ in range(500):
        done = threading.Event()
        pool.run(done.set)
        assert done.wait(PATIENCE)


class Coming:
    """Threads of a pool that are given jobs and begin when they are let.

    Attributes:
        given: How many were.
        waits: For how many seconds each giver waits at most.
    """

    def __init__(self, pool, monkeypatch):
        self.given = 0
        self.waits: list[float] = []
        self._may_begin = threading.Semaphore(0)
        wait, give, wait_for = executors._Worker.wait, executors._Worker.give, pool._begun.wait_for

        def wait_and_be_held_back(worker, seconds):
            job = wait(worker, seconds)
            assert job is None or self._may_begin.acquire(timeout=PATIENCE)
            return job

        def note_and_give(worker, job):
            self.given += job is not None
            give(worker, job)

        def note_and_wait(may_give, seconds):
            if not may_give():
                self.waits.append(seconds)
            return wait_for(may_give, seconds)

        monkeypatch.setattr(executors._Worker, "wait", wait_and_be_held_back)
        serve(pool, COMING + 2)
        monkeypatch.setattr(executors._Worker, "give", note_and_give)
        monkeypatch.setattr(pool._begun, "wait_for", note_and_wait)

    def see_a_wait(self, number: int) -> None:
        """Return when the giver has begun to wait, by now so many times."""
        until(lambda: len(self.waits) == number)

    def let(self, number: int) -> None:
        """Let so many begin."""
        self._may_begin.release(number)


@pytest.fixture
def coming(pool, monkeypatch):
    monkeypatch.setattr(executors, "LATE", PATIENCE)
    return Coming(pool, monkeypatch)


@pytest.mark.parametrize(("soon", "at_once"), [(PATIENCE, COMING), (0.0, 1)])
def test_a_job_is_given_when_threads_have_begun_with_the_ones_before_or_do_so_soon(
    pool, coming, monkeypatch, soon, at_once
):
    monkeypatch.setattr(executors, "SOON", soon)
    jobs = [Held() for _ in range(COMING + 2)]

    def give_all():
        for job in jobs:
            pool.run(job)

    giver = in_a_thread(give_all)
    for begun in range(len(jobs) - at_once):
        coming.see_a_wait(begun + 1)
        assert coming.given == begun + at_once
        coming.let(1)
    ends(giver)
    coming.let(at_once)
    for job in jobs:
        job.begun()
        job.end()


def test_an_interrupt_while_threads_are_waited_for_costs_no_job(pool, monkeypatch):
    serve(pool, 1)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pool._begun, "wait_for", interrupt)
    job = Held()
    with pytest.raises(KeyboardInterrupt):
        pool.run(job)
    job.begun()
    job.end()


def test_threads_that_do_not_begin_are_waited_for_no_more_in_the_end(pool, coming, monkeypatch):
    monkeypatch.setattr(executors, "SOON", PATIENCE)
    monkeypatch.setattr(executors, "LATE", late := 0.01)
    jobs = [Held() for _ in range(COMING + 2)]
    for job in jobs:
        pool.run(job)
    assert coming.given == len(jobs)
    assert coming.waits == [late]  # of who came after the first two, and no more of who came after it
    coming.let(len(jobs))
    for job in jobs:
        job.begun()
        job.end()


def test_closing_sends_idle_threads_away_and_busy_ones_when_they_are_done(pool):
    (idle,) = serve(pool, 1)
    jobs = begun(pool, 2)
    busy = [job.begun() for job in jobs]
    jobs[0].end()
    until(lambda: pool.counts == (1, 1))
    pool.close()
    jobs[1].end()
    for thread in (idle, *busy):
        ends(thread)
    assert pool.counts == (0, 0)


def test_after_closing_jobs_are_done_and_after_opening_threads_stay(pool):
    pool.close()
    (worker,) = serve(pool, 1)
    ends(worker)
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


def test_a_thread_that_ends_by_what_its_job_raises_is_counted_no_more(pool, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda raised: seen.append(raised.exc_type))

    def fail():
        raise KeyboardInterrupt

    pool.run(fail)
    until(lambda: seen)
    assert pool.counts == (0, 0)


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


def test_one_that_becomes_free_as_no_thread_can_be_started_does_it_at_once(pool, monkeypatch):
    held, late = Held(), Held()
    pool.run(held)
    worker = held.begun()

    def fail(_):
        held.end()
        until(lambda: pool.counts[0] == 1)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    pool.run(late)
    assert late.begun() is worker
    late.end()


def test_where_there_is_no_thread_at_all_that_is_an_error(pool, exhausted):
    exhausted()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="can't start new thread"):
            pool.run(lambda: None)
    assert pool.counts == (0, 0)


@pytest.mark.parametrize("daemon", [True, False])
def test_a_thread_for_each_client(daemon):
    each = PerClient("test", lambda: daemon)
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
    each = PerClient("test", lambda: True)
    exhausted()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        each.run(lambda: None)
    assert each.counts == (0, 0)


def test_a_thread_that_was_given_a_job_just_now_does_not_leave():
    pool = Elastic("test")
    given = executors._Worker(pool, "test", print)
    assert not pool.leave(given)
    assert pool.counts == (0, 0)

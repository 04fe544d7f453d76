"""Who takes and who serves, over a socket pair: each byte is a client, which a fake receives and serves."""

import itertools
import socket
import threading
import weakref
from concurrent.futures import Future
from functools import partial

import pytest

from socketscope.serve.threads import impatience, tries
from socketscope.serve.threads import loop as loops
from socketscope.serve.threads.impatience import ASLEEP, Seen
from socketscope.serve.threads.loop import SEVERAL, Loop
from socketscope.serve.threads.stint import Stint
from socketscope.serve.threads.waker import Waker
from tests.threads import ends
from tests.unit.socketscope.patience import PATIENCE, until


class Threads:
    """An executor that knows what it was given; a thread for each."""

    def __init__(self):
        self.started: list[threading.Thread] = []
        self.exhausted = False

    def run(self, job):
        if self.exhausted:
            raise RuntimeError("can't start new thread")
        thread = threading.Thread(target=job, daemon=True)
        self.started.append(thread)
        thread.start()
        return True


class Service:
    """A loop and its listener; `come` brings a client, `served` has who served each and tells it."""

    def __init__(self):
        self.listener, self._clients = socket.socketpair()
        self.threads = Threads()
        self.served: dict[bytes, Future[threading.Thread]] = {}
        self.held: dict[bytes, threading.Event] = {}
        self.ticks: list[None] = []
        self.asked_for_next = 0
        self.loop = Loop(self.listener, self.receive, self.try_to_receive, self.threads.run)

    def come(self, name: bytes, *, slow: bool = False) -> "Future[threading.Thread]":
        self.served[name] = Future()
        if slow:
            self.held[name] = threading.Event()
        self._clients.send(name)
        return self.served[name]

    def receive(self):
        name = self.listener.recv(1)
        return None if name == b"-" else lambda: self.serve(name)

    def try_to_receive(self):
        self.asked_for_next += 1
        try:
            name = self.listener.recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        return lambda: self.serve(name)

    def serve(self, name: bytes):
        self.served[name].set_result(threading.current_thread())
        if name in self.held:
            self.held[name].wait(PATIENCE)

    def run(self, *, alone: bool = True, interval: float = PATIENCE):
        executor = self.threads if alone else None
        tick = partial(self.ticks.append, None)
        self.thread = threading.Thread(target=self.loop.run, args=(interval, tick, executor))
        self.thread.start()
        return self

    def stop(self):
        self.loop.stopping = True
        self.loop.wake()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()

    def close(self):
        for held in self.held.values():
            held.set()
        if hasattr(self, "thread"):
            self.stop()
        for thread in self.threads.started:
            thread.join(PATIENCE)
        self.listener.close()
        self._clients.close()


@pytest.fixture
def service():
    service = Service()
    yield service
    service.close()


@pytest.fixture(autouse=True)
def no_delay(monkeypatch):
    """Threads that take turns and never want for a core, whatever interpreter and machine this is."""
    monkeypatch.setattr(loops, "AT_ONCE", 1)
    monkeypatch.setattr(impatience, "_look_at", lambda _: Seen(0.0, 0.0, ready=False))
    monkeypatch.setattr(impatience, "_ran", lambda _: 0.0)


def names():
    return [bytes([number]) for number in range(64, 96)]


def test_while_clients_are_quick_one_thread_takes_and_serves_them(service, monkeypatch):
    monkeypatch.setattr(impatience, "LOOK", PATIENCE)  # how quick this machine is, is not what is asked
    service.run()
    threads = {service.come(name).result(PATIENCE) for name in names()}
    assert threads == set(service.threads.started)
    assert len(threads) == 1
    assert service.thread not in threads


def test_for_how_long_clients_were_waited_for_is_known(service):
    service.run()
    until(lambda: service.come(b"n").result(PATIENCE) and service.loop._idle > 0.001)


def test_without_a_pool_each_client_is_handed_over(service):
    service.run(alone=False)
    for name in names():
        service.come(name)
    threads = {service.served[name].result(PATIENCE) for name in names()}
    assert len(threads) == len(names()) == len(service.threads.started)


def test_who_is_slow_does_not_keep_others_waiting(service):
    service.run()
    slow = service.come(b"s", slow=True).result(PATIENCE)
    waiting = service.come(b"w").result(PATIENCE)
    assert waiting is not slow
    assert slow.is_alive()


def test_who_is_slow_may_be_while_nobody_waits(service):
    class Nobody:
        looks = 0

        def poll(self, _):
            Nobody.looks += 1
            if Nobody.looks == 10:
                service.held[b"s"].set()
            return []

    service.loop._look = Nobody()
    service.run()
    slow = service.come(b"s", slow=True).result(PATIENCE)
    until(service.held[b"s"].is_set)
    assert service.come(b"n").result(PATIENCE) is slow
    assert service.threads.started == [slow]


def test_many_slow_ones_have_a_thread_each(service):
    service.run()
    futures = [service.come(name, slow=True) for name in names()]
    assert len({future.result(PATIENCE) for future in futures}) == len(names())


def test_a_thread_that_wants_for_a_core_gets_no_company(service, monkeypatch):
    looks = itertools.count()

    def look_at(_):
        if (look := next(looks)) == 20:
            service.held[b"s"].set()
        return Seen(0.0, look * impatience.LOOK, ready=False)

    monkeypatch.setattr(impatience, "_look_at", look_at)
    service.run()
    slow = service.come(b"s", slow=True)
    waiting = service.come(b"w")
    assert waiting.result(PATIENCE) is slow.result(PATIENCE)
    assert len(service.threads.started) == 1


@pytest.fixture
def two_at_once(monkeypatch):
    """An interpreter without a lock, on two cores."""
    monkeypatch.setattr(loops, "AT_ONCE", 2)


@pytest.mark.usefixtures("two_at_once")
def test_where_threads_take_no_turns_two_are_served_at_once_and_nobody_is_handed_over(service, monkeypatch):
    monkeypatch.setattr(impatience, "LOOK", PATIENCE)  # how quick this machine is, is not what is asked
    service.run()
    first = service.come(b"1", slow=True).result(PATIENCE)
    second = service.come(b"2", slow=True).result(PATIENCE)
    assert {first, second} == set(service.threads.started)
    assert service.loop.waiting == 0
    service.held[b"1"].set()
    assert service.come(b"3").result(PATIENCE) is first
    until(lambda: service.loop.waiting == 1)


@pytest.mark.usefixtures("two_at_once")
def test_who_waits_beside_two_slow_ones_has_a_thread_of_its_own(service):
    service.run()
    slow = [service.come(name, slow=True).result(PATIENCE) for name in (b"1", b"2")]
    assert service.come(b"w").result(PATIENCE) not in slow


@pytest.mark.usefixtures("two_at_once")
def test_both_end_when_it_stops_also_the_one_beside_a_slow_client(service):
    service.run()
    slow = service.come(b"s", slow=True).result(PATIENCE)
    service.stop()
    (other,) = set(service.threads.started) - {slow}
    ends(other)
    service.held[b"s"].set()
    ends(slow)


@pytest.mark.usefixtures("two_at_once")
def test_one_serves_where_no_second_thread_can_be_started(service, monkeypatch):
    monkeypatch.setattr(impatience, "LOOK", PATIENCE)  # the same
    run = service.threads.run

    def run_one(job):
        service.threads.exhausted = bool(service.threads.started)
        return run(job)

    service.threads.run = run_one
    service.run()
    threads = {service.come(name).result(PATIENCE) for name in names()[:3]}
    assert threads == set(service.threads.started)


class Scripted:
    """What the loop judges by: for one thread as `one` tells, for several as `several` does."""

    one = several = stays_one = False
    pause = 0.001

    def __init__(self, asleep):
        self._of_one = asleep == ASLEEP

    def grows(self, *_):
        Scripted.stays_one = self._of_one and not Scripted.one
        return Scripted.one if self._of_one else Scripted.several


@pytest.fixture
def scripted(monkeypatch):
    """A judgement that the test gives; until it says something else, one is not enough and several are."""
    monkeypatch.setattr(loops, "Impatience", Scripted)
    monkeypatch.setattr(Scripted, "one", True)
    monkeypatch.setattr(Scripted, "several", False)
    monkeypatch.setattr(Scripted, "stays_one", False)
    return Scripted


def turns(service):
    return len(stint.turns) if (stint := service.loop._stint) else 0


@pytest.mark.usefixtures("scripted")
def test_where_others_wait_for_one_several_take_and_serve_and_nobody_is_handed_over(service, monkeypatch):
    monkeypatch.setattr(loops, "SPELL", PATIENCE)
    service.run()
    until(lambda: turns(service) == SEVERAL)
    futures = [service.come(name, slow=True) for name in names()[:SEVERAL]]
    assert len({future.result(PATIENCE) for future in futures}) == SEVERAL
    assert len(service.threads.started) == 1 + SEVERAL
    ninth = service.come(b"9")
    service.held[names()[0]].set()
    assert ninth.result(PATIENCE) is service.served[names()[0]].result(0)


def test_when_several_are_not_enough_each_has_a_thread_of_its_own(service, monkeypatch, scripted):
    monkeypatch.setattr(loops, "SPELL", PATIENCE)
    service.run()
    until(lambda: turns(service) == SEVERAL)
    futures = [service.come(name, slow=True) for name in names()[:SEVERAL]]
    for future in futures:
        future.result(PATIENCE)
    scripted.several = True
    assert service.come(b"w").result(PATIENCE) not in {future.result(0) for future in futures}
    until(lambda: service.loop._stint is None)


def test_now_and_then_one_tries_to_be_enough_and_stays_alone_if_it_is(service, monkeypatch, scripted):
    monkeypatch.setattr(loops, "SPELL", 0.001)
    service.run()
    until(lambda: turns(service) == SEVERAL)
    until(lambda: turns(service) == 1)
    scripted.one = False
    until(lambda: scripted.stays_one)  # who was found not to be enough just before gives way to several
    until(lambda: service.loop.waiting == 1)
    assert {service.come(name).result(PATIENCE) for name in names()} == {service.threads.started[-1]}


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("leave", [0, 2])
def test_where_more_clients_stay_with_several_than_leave_nobody_tries_to_be_enough(
    service, monkeypatch, leave
):
    spells, watch = [], Loop._watch

    def note(loop, threads, *args):
        spells.append(threads)
        return watch(loop, threads, *args)

    monkeypatch.setattr(Loop, "_watch", note)
    monkeypatch.setattr(loops, "SPELL", 1.0)  # in which the clients below come, on a busy machine too
    service.run()
    until(lambda: turns(service) == SEVERAL)
    for name in names()[:leave]:
        service.come(name).result(PATIENCE)
    service.come(b"s", slow=True).result(PATIENCE)
    until(lambda: service.loop._stint is None or len(spells) > 2)
    assert spells[:3] == [1, SEVERAL, 1][: 3 if leave else 2]


@pytest.mark.usefixtures("scripted")
def test_all_of_several_end_when_it_stops_but_for_those_who_are_with_a_client(service, monkeypatch):
    monkeypatch.setattr(loops, "SPELL", PATIENCE)
    monkeypatch.setattr(loops, "STUCK", 2 * PATIENCE)  # for which nobody who is with a client is waited for
    service.run()
    until(lambda: turns(service) == SEVERAL)
    slow = service.come(b"s", slow=True).result(PATIENCE)
    service.stop()
    for thread in set(service.threads.started) - {slow}:
        thread.join(PATIENCE)
    assert {thread for thread in service.threads.started if thread.is_alive()} == {slow}


@pytest.mark.usefixtures("scripted")
def test_where_no_thread_can_be_started_for_several_clients_are_handed_over(service, monkeypatch):
    asked, run = [], service.threads.run

    def run_one(job):
        asked.append(job)
        if len(asked) > 1:
            raise RuntimeError("can't start new thread")
        return run(job)

    monkeypatch.setattr(service.threads, "run", run_one)
    service.run()
    until(lambda: len(asked) > 1)
    assert service.come(b"n").result(PATIENCE)


def test_a_client_that_was_gone_before_it_was_taken_is_no_client(service):
    service.run()
    service.come(b"-")
    service.come(b"n").result(PATIENCE)
    assert not service.served[b"-"].done()


def test_when_who_is_handed_over_is_quick_one_thread_serves_again(service, monkeypatch):
    monkeypatch.setattr(loops, "SEVERAL", 1)
    service.run()
    slow = service.come(b"s", slow=True).result(PATIENCE)
    assert service.come(b"w").result(PATIENCE) is not slow
    monkeypatch.setattr(impatience, "LOOK", PATIENCE)  # how quick this machine is, is not what is asked
    until(lambda: service.come(b"q").result(PATIENCE) and service.loop._stint)
    assert len({service.come(name).result(PATIENCE) for name in names()}) == 1
    assert slow.is_alive()


def test_while_who_is_handed_over_is_slow_nobody_tries_to_serve_alone(service, monkeypatch):
    monkeypatch.setattr(loops, "SEVERAL", 1)
    monkeypatch.setattr(tries, "LONGEST", 0.0)  # the next client is looked at, and the next
    service.run()
    service.come(b"s", slow=True).result(PATIENCE)
    for name in names():
        service.come(name, slow=True).result(PATIENCE)
        assert service.loop._stint is None


def test_the_tick_comes_at_intervals_beside_a_slow_client(service):
    service.run(interval=0.001)
    service.come(b"s", slow=True).result(PATIENCE)
    before = len(service.ticks)
    until(lambda: len(service.ticks) > before + 20)


@pytest.mark.parametrize("alone", [True, False])
def test_it_stops_though_nobody_comes(service, alone):
    service.run(alone=alone)
    service.stop()
    assert not any(thread.join(PATIENCE) or thread.is_alive() for thread in service.threads.started)


@pytest.fixture
def sleeps(monkeypatch):
    """What the supervisor, which soon goes to sleep, has seen then: whether all are with a client."""
    monkeypatch.setattr(loops, "CALM", 1)
    sleeps, sleep = [], Loop._sleep

    def note_and_sleep(loop, until):
        sleeps.append(loop._stint.busy)
        return sleep(loop, until)

    monkeypatch.setattr(loops.Loop, "_sleep", note_and_sleep)
    return sleeps


def test_it_stops_when_the_thread_that_takes_has_been_calm_for_long(service, sleeps):
    service.run()
    until(lambda: sleeps)
    service.stop()


def test_who_looks_sleeps_beside_a_client_who_does_nothing_until_another_comes(service, sleeps):
    service.run()
    slow = service.come(b"s", slow=True).result(PATIENCE)
    until(lambda: any(sleeps))
    assert service.come(b"w").result(PATIENCE) is not slow


def test_a_thread_that_takes_sees_a_stop_before_who_looks_does(service):
    may = threading.Event()

    def tick():
        if service.loop.stopping:
            may.wait(PATIENCE)

    service.thread = threading.Thread(target=service.loop.run, args=(0.001, tick, service.threads))
    service.thread.start()
    service.come(b"a").result(PATIENCE)
    service.loop.stopping = True
    service.loop._waker.wake()
    service.threads.started[0].join(PATIENCE)
    assert not service.threads.started[0].is_alive()
    may.set()


@pytest.mark.usefixtures("two_at_once")
def test_a_turn_that_has_had_to_wait_for_its_thread_is_one_of_those_who_take(service, monkeypatch):
    queued, run = [], service.threads.run

    def run_one(job):
        if not service.threads.started:
            return run(job)
        queued.append(job)
        return False

    monkeypatch.setattr(service.threads, "run", run_one)
    service.run()
    until(lambda: queued)
    until(lambda: turns(service) == 1)
    run(queued[0])
    until(lambda: turns(service) == 2)
    service.stop()
    for thread in service.threads.started:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in service.threads.started)


def test_it_stops_beside_a_slow_client_which_is_served_to_its_end(service):
    service.run()
    slow = service.come(b"s", slow=True).result(PATIENCE)
    service.stop()
    assert slow.is_alive()
    service.held[b"s"].set()
    ends(slow)


@pytest.mark.parametrize("alone", [True, False])
def test_what_a_client_has_left_does_not_outlive_it_though_nobody_else_comes(service, alone):
    class Left:
        def __call__(self):
            pass

    left: list[weakref.ref[Left]] = []

    def receive():
        service.listener.recv(1)
        job = Left()
        left.append(weakref.ref(job))
        return job

    service.loop._receive = receive
    service.run(alone=alone)
    service.come(b"x")
    until(lambda: left and left[0]() is None)


def test_who_waits_in_the_queue_when_it_stops_stays_there(service):
    service.run()
    slow = service.come(b"s", slow=True).result(PATIENCE)
    service.stop()
    service.come(b"w")
    service.held[b"s"].set()
    slow.join(PATIENCE)
    assert service.listener.recv(1) == b"w"


def test_it_stops_before_it_has_begun(service):
    service.loop.stopping = True
    service.run().thread.join(PATIENCE)
    assert not service.thread.is_alive()
    assert service.threads.started == []


def test_a_thread_that_does_not_come_back_from_accepting_is_given_up(service, monkeypatch):
    monkeypatch.setattr(loops, "STUCK", 0.01)
    stuck, free = threading.Event(), threading.Event()

    def receive():
        service.listener.recv(1)
        stuck.set()
        free.wait(PATIENCE)  # another process took the client, and nobody else comes

    service.loop._receive = receive
    service.run()
    service.come(b"x")
    assert stuck.wait(PATIENCE)
    service.stop()
    free.set()


def test_it_has_not_stopped_before_who_is_being_taken_is_taken(service, monkeypatch):
    monkeypatch.setattr(loops, "PROMPT", PATIENCE)
    monkeypatch.setattr(loops, "STUCK", 2 * PATIENCE)
    taking, may = threading.Event(), threading.Event()

    def try_to_receive():
        taking.set()
        may.wait(PATIENCE)
        return service.receive()

    service.loop._try_to_receive = try_to_receive
    service.run()
    service.come(b"a").result(PATIENCE)
    assert taking.wait(PATIENCE)
    service.come(b"b", slow=True)
    service.loop.stopping = True
    service.loop.wake()
    service.thread.join(0.1)
    assert service.thread.is_alive()
    may.set()
    service.thread.join(PATIENCE)
    assert not service.thread.is_alive()
    assert service.served[b"b"].result(PATIENCE)


@pytest.mark.parametrize("alone", [True, False])
def test_where_no_thread_can_be_started_at_the_start_that_is_an_error(service, alone):
    service.threads.exhausted = True
    service.come(b"x")
    with pytest.raises(RuntimeError, match="can't start new thread"):
        service.loop.run(PATIENCE, lambda: None, service.threads if alone else None)


def test_that_is_an_error_though_nobody_comes(service):
    service.threads.exhausted = True

    def stop():
        service.loop.stopping = True

    with pytest.raises(RuntimeError, match="can't start new thread"):
        service.loop.run(PATIENCE, stop, service.threads)


def test_where_no_thread_can_be_started_for_another_try_clients_are_handed_over(service, monkeypatch):
    monkeypatch.setattr(loops, "SPELL", 0.01)

    asked = []

    def run(job):
        asked.append(job)
        raise RuntimeError("can't start new thread")

    service.run()
    service.come(b"s", slow=True).result(PATIENCE)
    service.come(b"w").result(PATIENCE)
    monkeypatch.setattr(service.threads, "run", run)  # who are handed over have the one from before
    until(lambda: service.come(b"q").result(PATIENCE) and asked)
    assert service.come(b"n").result(PATIENCE)


def test_a_closed_listener_is_an_error():
    near, far = socket.socketpair()
    loop = Loop(near, lambda: None, lambda: None, Threads().run)
    near.close()
    far.close()
    with pytest.raises(OSError, match="the listener was closed"):
        loop.run(PATIENCE, lambda: None, None)


def test_one_client_can_be_taken_without_a_loop(service):
    assert service.loop._take(0) is None
    service.come(b"x")
    job = service.loop._take(0)
    assert job is not None
    job()
    assert service.served[b"x"].result(0) is threading.current_thread()


class Uncalled:
    def poll(self, _):
        raise AssertionError("the kernel was asked")


def test_after_who_was_there_before_the_next_is_asked_for_at_once(service, monkeypatch):
    monkeypatch.setattr(loops, "PROMPT", PATIENCE)
    for name in (b"a", b"b", b"c"):
        service.come(name)
    service.loop._take(0)
    with monkeypatch.context() as unasked:
        unasked.setattr(service.loop, "_arrivals", Uncalled())
        for name in (b"b", b"c"):
            service.loop._take(0)()
            assert service.served[name].done()
    assert service.loop._take(0) is None
    service.come(b"d")
    assert service.loop._take(0) is not None


def test_after_who_was_waited_for_nobody_is_asked_for(service, monkeypatch):
    monkeypatch.setattr(loops, "PROMPT", 0.0)
    for name in (b"a", b"b"):
        service.come(name)
        assert service.loop._take(0) is not None
    assert not service.asked_for_next


def test_after_who_could_not_be_taken_nobody_is_asked_for(service, monkeypatch):
    monkeypatch.setattr(loops, "PROMPT", PATIENCE)
    for name in (b"-", b"-", b"a"):
        service.come(name)
        service.loop._take(0)
    assert not service.asked_for_next


def test_who_was_asked_for_in_vain_is_asked_for_once(service, monkeypatch):
    monkeypatch.setattr(loops, "PROMPT", PATIENCE)
    service.come(b"a")
    for _ in range(3):
        service.loop._take(0)
    assert service.asked_for_next == 1


def test_at_a_stop_the_next_stays_where_it_is(service, monkeypatch):
    monkeypatch.setattr(loops, "PROMPT", PATIENCE)
    for name in (b"a", b"b"):
        service.come(name)
    service.loop._take(0)
    service.loop.stopping = True
    assert service.loop._take(0) is None
    assert service.listener.recv(1) == b"b"


def test_a_thread_that_is_ended_right_before_it_takes_does_not_take(service, monkeypatch):
    take, about_to, may = Loop._take, threading.Event(), threading.Event()

    def interrupted(loop, seconds, *stint):
        if stint:
            about_to.set()
            may.wait(PATIENCE)
        return take(loop, seconds, *stint)

    monkeypatch.setattr(Loop, "_take", interrupted)
    service.run(interval=0.001)  # after which who waits for a client lets go of the lock
    assert about_to.wait(PATIENCE)
    until(lambda: service.loop._stint)
    service.loop._stint.ended = True  # as the supervisor does, which then takes by itself
    until(service.loop._taking.locked)
    may.set()
    service.threads.started[0].join(PATIENCE)
    assert not service.threads.started[0].is_alive()


def test_a_turn_that_has_begun_before_its_thread_was_known_to_be_late_stays_one():
    class Freed:
        """Says that there is no thread for a job, which another has begun with just now."""

        def run(self, job):
            threads.append(threading.Thread(target=job))
            threads[-1].start()
            while len(stint.turns) > sum(turn.takes for turn in stint.turns):
                pass
            return len(threads) < 2

    def take(_stint):
        ends.wait(PATIENCE)

    ends, threads = threading.Event(), list[threading.Thread]()
    stint = Stint(take, Waker())
    stint.begin(Freed(), 3)
    try:
        assert [turn.takes for turn in stint.turns] == [True, True]
    finally:
        stint.ended = True
        ends.set()
        for thread in threads:
            thread.join()

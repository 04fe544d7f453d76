"""The stop of a program's servers, with time that passes only where somebody waits."""

import socketserver
import threading
from functools import partial
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from socketscope import Limits, ThreadingTCPServer, draining, observe
from socketscope.draining import Running, drain
from socketscope.serve.mixin import service_of
from tests.threads import in_a_thread

from .patience import PATIENCE


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """The time, which a `stop` of these tests sets forward."""
    time = [0.0]
    monkeypatch.setattr(draining, "monotonic", lambda: time[0])
    return time


def stop(now, *, insists):
    def wait(seconds):
        now[0] += seconds
        assert now[0] < 10

    return SimpleNamespace(insists=insists, wait=wait)


def make(**limits):
    class Server(ThreadingTCPServer, registry=CollectorRegistry(), limits=Limits(**limits)):
        pass

    return Server(("127.0.0.1", 0), socketserver.BaseRequestHandler)


def running(server, target):
    thread = in_a_thread(target)
    return Running(server, service_of(server), [thread])


def ended(server):
    each = running(server, int)
    each.thread.join()  # the clock of these tests gives it no time
    return each


def test_all_servers_take_clients_until_the_longest_delay_is_over(now):
    with make(drain_delay=2.0) as slow, make() as quick:
        servers = [ended(slow), ended(quick)]
        assert drain(servers, stop(now, insists=False), None) == 0
    assert now[0] >= 2.0


def test_a_shutdown_of_the_programs_own_is_called_though_its_server_ends_before_it_could_be(monkeypatch):
    may_end, called = threading.Event(), []

    def shutdown(server):
        called.append(server)

    with make() as server:
        monkeypatch.setattr(type(server), "shutdown", shutdown)
        each = running(server, partial(may_end.wait, PATIENCE))

        def end():
            may_end.set()
            each.thread.join()

        def wait(_):
            for thread in each.ends:
                thread.join()

        monkeypatch.setattr(each.service, "stop", end)
        assert drain([each], SimpleNamespace(insists=False, wait=wait), None) == 0
        assert called == [server]


def test_the_idle_client_of_a_server_without_threads_is_hung_up_on(monkeypatch):
    hung_up = threading.Event()
    plain = socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
    with observe(plain, registry=CollectorRegistry()) as server:
        each = running(server, partial(hung_up.wait, PATIENCE))
        monkeypatch.setattr(each.service, "stop", int)
        monkeypatch.setattr(each.service, "release_idle", lambda _: hung_up.set())
        assert drain([each], SimpleNamespace(insists=False, wait=each.thread.join), None) == 0
        assert hung_up.is_set()


@pytest.mark.parametrize(
    ("in_our_loop", "waits"), [(True, draining._GIVE_UP), (False, 0.0)], ids=["a hook", "a loop of its own"]
)
def test_after_a_second_signal_what_stays_is_not_waited_for_until_the_deadline(now, in_our_loop, waits):
    may_end = threading.Event()
    with make() as server:
        stuck = running(server, partial(may_end.wait, PATIENCE))
        if in_our_loop:
            stuck.service.serving.set()
        assert drain([stuck], stop(now, insists=True), None) == 1
        may_end.set()
        stuck.thread.join()
    assert waits <= now[0] < waits + 1

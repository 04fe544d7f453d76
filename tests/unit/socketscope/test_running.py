"""Calls of `run` that cannot be meant are refused before anything is touched; it tells where servers are."""

import os
import re
import signal
import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry

from socketscope import ThreadingTCPServer, ThreadingUnixStreamServer, run
from socketscope.running import listening_on
from socketscope.signals import STOP_SIGNALS


def make(**options):
    class Server(ThreadingTCPServer, **options):
        pass

    return Server(("127.0.0.1", 0), socketserver.BaseRequestHandler)


def refused(*servers, **options) -> str:
    """Return what a call is refused with; nothing of it is left."""
    handlers, threads = [signal.getsignal(number) for number in STOP_SIGNALS], set(threading.enumerate())
    with pytest.raises(ValueError, match=".") as raised:
        run(*servers, **{"metrics": None, "log": None, **options})
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == handlers
    assert set(threading.enumerate()) <= threads  # one of another test may have ended meanwhile
    return str(raised.value)


def test_it_needs_a_server():
    assert refused() == "run() needs a server"


def test_a_server_cannot_be_run_twice_at_once():
    with make(registry=CollectorRegistry()) as server:
        assert refused(server, server) == "run() was given one server twice"


def test_an_endpoint_shows_one_registry():
    with make(registry=CollectorRegistry()) as one, make(registry=CollectorRegistry()) as other:
        assert "more than one registry" in refused(one, other)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"log": "xml"}, "log is 'xml': it must be 'json' or 'console'"),
        ({"log": "json", "log_level": "loud"}, "log_level is 'loud': it must be one of debug, info, warning"),
        ({"metrics": "9464"}, "'9464' is not HOST:PORT"),
        ({"metrics": 9464}, "9464 is not HOST:PORT"),
        ({"metrics": ("127.0.0.1", 9464)}, "('127.0.0.1', 9464) is not HOST:PORT"),
    ],
)
def test_what_there_is_not_is_told(wrong, told):
    with make(registry=CollectorRegistry()) as server:
        assert re.match(re.escape(told), refused(server, **wrong))
        assert server.fileno() >= 0


def test_another_thread_than_the_main_one_cannot_have_the_signals():
    with make(registry=CollectorRegistry()) as server, ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run, server, metrics=None, log=None)
        assert str(ended.exception()) == "signals are handled in the main thread: call run() there"


def test_an_abstract_name_is_told_as_that_of_a_peer_is():
    class Server(ThreadingUnixStreamServer, registry=CollectorRegistry()):
        pass

    name = f"socketscope-{os.getpid()}"
    with Server(f"\0{name}", socketserver.BaseRequestHandler) as server:
        assert listening_on(server) == f"unix://@{name}"


def test_where_a_server_is_that_has_an_address_of_its_own_kind_is_told_as_python_shows_it():
    class Server(ThreadingTCPServer, registry=CollectorRegistry()):
        pass

    with Server(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        vars(server)["server_address"] = "ttyS0", "a line"
        assert listening_on(server) == "tcp://ttyS0:a line"
        vars(server)["server_address"] = None
        assert listening_on(server) == "tcp://"

"""Listeners of any origin, and those that others have a share of."""

import gc
import os
import signal
import socket
import socketserver
import threading
import time
import warnings
import weakref
from contextlib import contextmanager, suppress

import pytest
from prometheus_client import CollectorRegistry

import socketscope
from socketscope.serve.mixin import service_of
from socketscope.serve.threads import loop
from tests.threads import in_a_thread

from .running import (
    HOST,
    PATIENCE,
    Echo,
    Reply,
    ask,
    connect,
    count,
    descriptors,
    ended,
    figures,
    make,
    running,
    serving,
    subclass,
    threads,
    wait_for,
)


def replaced(listener, base=socketscope.ThreadingTCPServer, handler=Echo):
    """Return a server whose listener is somebody else's."""
    server = subclass(base)(listener.getsockname(), handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_activate()
    return server


class Mine(socket.socket):
    pass


@pytest.mark.parametrize("kind", [socket.socket, Mine])
def test_a_listener_that_somebody_else_made_is_served_as_long_as_its_clients_like(kind):
    listener = kind(fileno=socket.create_server(HOST).detach())
    with running(replaced(listener)) as server, connect(server) as client:
        for part in (b"one", b"three"):
            with suppress(TimeoutError):  # it takes its time
                client.settimeout(0.3)
                client.recv(1)
            client.sendall(part)
            client.settimeout(PATIENCE)
            assert client.recv(100) == part
        # Who has the reply may be faster than who counts it.
        wait_for(lambda: count(server, "sent_bytes_total") == 8, "the count")
        assert count(server, "received_bytes_total") == 8


def next_job(server):
    return service_of(server).try_to_receive(server)


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_of_a_listener_that_blocks_nobody_is_taken_who_is_not_known_to_be_there(timeout):
    with make() as server, connect(server):
        server.socket.settimeout(timeout)
        assert next_job(server) is None


def test_of_one_that_does_not_block_the_next_is_taken_if_there_is_one():
    with make() as server:
        server.socket.setblocking(False)
        assert next_job(server) is None
        with connect(server) as client:
            in_a_thread(next_job(server))
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        ended(server, "ok")
        assert next_job(server) is None
        assert not any(figures(server).accept_errors.values())


def test_where_clients_queue_nobody_is_taken_who_may_have_to_be_held():
    with make(when_full="queue") as server, connect(server):
        server.socket.setblocking(False)
        assert next_job(server) is None


@pytest.mark.parametrize("own", ["class", "object"])
def test_a_get_request_of_the_users_own_is_called_for_who_is_there_alone(own):
    def get_request(*_):
        pytest.fail("nobody has come")

    members = {"get_request": get_request} if own == "class" else {}
    with make(Echo, type("Own", (socketscope.ThreadingTCPServer,), members)) as server:
        server.socket.setblocking(False)
        if own == "object":
            assert next_job(server) is None
            server.get_request = get_request
        assert next_job(server) is None


class Wrapped:
    """A listener that is no socket, and has no more of one than socketserver asks for."""

    def __init__(self, listener):
        self._listener = listener

    def fileno(self):
        return self._listener.fileno()

    def accept(self):
        return self._listener.accept()

    def close(self):
        self._listener.close()


def test_a_listener_that_is_no_socket_is_waited_for():
    with make() as server, connect(server):
        server.socket = Wrapped(server.socket)
        assert next_job(server) is None


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_a_listener_that_is_no_socket_is_served_to_the_last_in_its_queue(base):
    server = base(HOST, Echo)
    server.socket = Wrapped(server.socket)
    socketscope.observe(server, registry=CollectorRegistry())
    with running(server):
        assert ask(server) == b"x"
        server.shutdown()
        with connect(server) as client:
            client.sendall(b"x")
            client.shutdown(socket.SHUT_WR)
            server.server_close()
            assert client.recv(1) == b"x"


def test_one_that_does_not_block_is_served_as_any(monkeypatch):
    monkeypatch.setattr(loop, "PROMPT", PATIENCE)
    server = make()
    server.socket.setblocking(False)
    with running(server):
        for _ in range(10):
            assert ask(server) == b"x"
        ended(server, "ok", 10)


@pytest.mark.parametrize(
    "base",
    [socketscope.ThreadingTCPServer, socketscope.ThreadingUDPServer, socketscope.ThreadingUnixStreamServer],
)
def test_one_that_was_never_bound_can_be_closed(base, tmp_path):
    address = str(tmp_path / "socket") if "Unix" in base.__name__ else HOST
    server = subclass(base)(address, Echo, bind_and_activate=False)
    server.server_close()
    assert server.socket.fileno() == -1


@contextmanager
def child_that_serves(server):
    """A process that serves with the parent's listener, told to end by a signal."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # a fork among threads, which other tests may have left
        child = os.fork()
    if not child:
        status = 1
        try:
            signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
            server.service_actions = lambda: os.write(writer, b".")
            server.serve_forever(0.05)
            server.server_close()
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    try:
        assert os.read(reader, 1)  # it serves
        yield child
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)


def test_of_processes_that_serve_one_listener_one_may_end_and_the_others_have_its_clients():
    with make() as server, child_that_serves(server) as first, child_that_serves(server):
        os.kill(first, signal.SIGTERM)
        assert os.waitpid(first, 0)[1] == 0
        assert [ask(server) for _ in range(10)] == [b"x"] * 10


def test_a_parent_that_ends_leaves_its_children_their_clients():
    server = make()
    address = server.server_address
    with child_that_serves(server):
        with running(server):
            assert ask(server) == b"x"
        with socket.create_connection(address, timeout=PATIENCE) as client:
            client.sendall(b"child")
            assert client.recv(10) == b"child"


@pytest.mark.parametrize(
    ("base", "handler"),
    [(socketscope.ThreadingTCPServer, Echo), (socketscope.ThreadingUDPServer, Reply)],
    ids=["connections", "datagrams"],
)
def test_a_duplicate_that_the_program_has_kept_is_served_by_the_next_server(base, handler):
    with serving(handler, base) as server:
        kept = server.socket.dup()
        address = server.server_address
    with running(replaced(kept, base, handler)), socket.socket(type=base.socket_type) as client:
        client.settimeout(PATIENCE)
        client.connect(address)
        client.send(b"x")
        assert client.recv(10) == b"x"


def test_who_waits_for_a_service_managers_listener_waits_for_the_next_process(monkeypatch):
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    with socket.create_server(HOST) as kept:
        server = replaced(kept.dup())
        with running(server):
            assert ask(server) == b"x"
        with socket.create_connection(kept.getsockname(), timeout=PATIENCE):
            kept.settimeout(PATIENCE)
            kept.accept()[0].close()


def test_options_of_a_shared_listener_stay_as_they_are():
    with socket.create_server(HOST) as kept:
        kept.settimeout(5)
        with running(replaced(kept.dup())) as server:
            assert ask(server) == b"x"
        assert kept.gettimeout() == 5
        assert type(kept) is socket.socket
        assert os.get_blocking(kept.fileno()) is False  # as settimeout has it


def test_a_unix_path_that_is_bound_and_not_listened_at_yet_is_not_taken_away(tmp_path):
    path = str(tmp_path / "socket")
    first = subclass(socketscope.ThreadingUnixStreamServer)(path, Echo, bind_and_activate=False)
    first.server_bind()
    with pytest.raises(OSError, match="in use"):
        make(Echo, socketscope.ThreadingUnixStreamServer, path)
    first.server_activate()
    with running(first):
        assert ask(first) == b"x"
    assert not list(tmp_path.iterdir())


def test_a_unix_server_may_serve_a_second_time(tmp_path):
    server = make(Echo, socketscope.ThreadingUnixStreamServer, str(tmp_path / "socket"))
    for _ in range(2):
        thread = in_a_thread(server.serve_forever)
        assert ask(server) == b"x"
        server.shutdown()
        thread.join(PATIENCE)
    server.server_close()
    assert not list(tmp_path.iterdir())


def test_a_unix_server_that_is_observed_leaves_its_path_as_ever(tmp_path):
    path = tmp_path / "socket"
    server = socketscope.observe(socketserver.UnixStreamServer(str(path), Echo))
    with running(server):
        assert ask(server) == b"x"
    assert path.exists()


@pytest.mark.parametrize("options", [{}, {"threads": "per-connection"}])
def test_many_servers_made_and_closed_leave_nothing(options):
    def once():
        with running(subclass(socketscope.ThreadingTCPServer, **options)(HOST, Echo)) as server:
            assert ask(server) == b"x"

    others = threads()
    once()
    wait_for(lambda: not threads(others), "threads have left")
    before = descriptors()
    for _ in range(20):
        once()
    wait_for(lambda: not threads(others), "threads have left")
    # There may be fewer: what tests before this one have left goes meanwhile.
    assert descriptors() <= before


def test_a_server_and_its_series_go_when_the_program_lets_it_go():
    registry = CollectorRegistry()

    class Server(socketscope.ThreadingTCPServer, registry=registry):
        pass

    def sample():
        return registry.get_sample_value("socketserver_connections_accepted_total", {"listener": "tcp"})

    with running(Server(HOST, Echo)) as server:
        assert ask(server) == b"x"
    assert sample() == 1
    gone = weakref.ref(server)
    del server
    wait_for(lambda: (gc.collect(), gone())[1] is None, "it is gone")
    assert sample() is None


def test_a_server_of_the_same_name_goes_on_from_the_figures_of_one_that_closed():
    kind = subclass(socketscope.ThreadingTCPServer)
    for number in (1, 2):
        with running(kind(HOST, Echo)) as server:
            assert ask(server) == b"x"
            wait_for(lambda: count(server, "connections_closed_total", outcome="ok") == number, "the end")  # noqa: B023


@pytest.mark.parametrize("idle", [0, 0.1])
def test_a_listener_that_is_closed_while_it_serves_is_told_of_within_the_interval(idle):
    server = make()

    def close():
        ask(server)
        time.sleep(idle)
        server.socket.close()

    closing = in_a_thread(close)
    with pytest.raises(OSError, match="the listener was closed"):
        server.serve_forever(0.05)
    closing.join()
    server.server_close()


class Anew(socketscope.ThreadingTCPServer):
    """As roundup's under TLS: it has listened, and does so again at the same address by another socket."""

    def __init__(self, *args):
        super().__init__(*args)
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            self.socket = socket.socket(self.address_family, self.socket_type)
            self.server_bind()
        self.server_activate()


def test_a_listener_that_is_replaced_leaves_its_address_to_the_next():
    with running(make(base=Anew)) as server:
        assert ask(server) == b"x"

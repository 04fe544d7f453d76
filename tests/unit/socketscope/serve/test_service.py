"""Which service a server has, and where that cannot do what it is for."""

import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import Context
from math import inf
from types import ModuleType, new_class
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import socketscope
from socketscope.serve import datagrams, mixin, streams
from socketscope.serve import service as service_module
from socketscope.serve.listeners import arrivals, queue
from socketscope.serve.mixin import service_of
from socketscope.serve.service import LOOK
from socketscope.serve.threads.deadlines import Deadlines
from socketscope.serve.threads.executors import PerClient
from socketscope.serve.threads.linger import Linger
from tests.threads import in_a_thread
from tests.unit.socketscope.patience import PATIENCE


def make():
    class Server(socketscope.ThreadingTCPServer, registry=CollectorRegistry()):
        pass

    return Server(("127.0.0.1", 0), socketserver.BaseRequestHandler)


def test_a_server_that_is_observed_has_its_series_before_it_serves():
    registry = CollectorRegistry()
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        socketscope.observe(server, registry=registry)
        accepted = registry.get_sample_value("socketserver_connections_accepted_total", {"listener": "tcp"})
        assert accepted == 0


def test_who_asks_while_another_thread_makes_it_has_the_same(monkeypatch):
    server = socketscope.ThreadingTCPServer(("127.0.0.1", 0), None, bind_and_activate=False)
    meanwhile: list[Any] = []

    def make_meanwhile(*asked: Any) -> Any:
        made = make_service(*asked)
        if not meanwhile:
            meanwhile.append(None)
            meanwhile[0] = service_of(server)
        return made

    make_service = mixin.make_service
    monkeypatch.setattr(mixin, "make_service", make_meanwhile)
    with server:
        assert service_of(server) is meanwhile[0]
        assert service_of(server) is meanwhile[0]


def green(monkeypatch, library, *patched):
    """Have gevent or eventlet be imported, and have replaced these modules."""
    module, asked = {
        "gevent": ("gevent.monkey", "is_module_patched"),
        "eventlet": ("eventlet.patcher", "is_monkey_patched"),
    }[library]
    patcher = ModuleType(module)
    setattr(patcher, asked, lambda name: name in patched)
    monkeypatch.setitem(sys.modules, module, patcher)
    if library == "eventlet" and patched:
        monkeypatch.delattr("selectors.PollSelector")


@pytest.mark.parametrize(
    ("library", "patched"),
    [
        ("gevent", "threading"), ("gevent", "select"), ("gevent", "socket"),
        ("eventlet", "thread"), ("eventlet", "select"), ("eventlet", "socket"),
    ],
)  # fmt: skip
def test_where_either_has_replaced_what_it_stands_on_it_refuses_in_one_line(monkeypatch, library, patched):
    green(monkeypatch, library, patched)
    with make() as server:
        with pytest.raises(RuntimeError, match=f"^{library} has replaced {patched}: [^\n]*$"):
            server.serve_forever()
        server.shutdown()


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_where_either_is_imported_and_has_replaced_nothing_it_serves(monkeypatch, library):
    green(monkeypatch, library)
    with make() as server:
        server.shutdown()
        server.serve_forever()


@pytest.mark.parametrize(
    ("base", "left"),
    [
        (socketscope.ThreadingTCPServer, []), (socketscope.ThreadingUnixStreamServer, [2, 1, 0]),
        (socketscope.ThreadingUDPServer, [2, 1, 0]), (socketscope.ThreadingUnixDatagramServer, [2, 1, 0]),
    ],
)  # fmt: skip
def test_at_its_end_handshakes_are_waited_for_where_there_are_any(monkeypatch, tmp_path, base, left):
    address = str(tmp_path / "s") if "Unix" in base.__name__ else ("127.0.0.1", 0)
    server = socketscope.observe(base(address, socketserver.BaseRequestHandler), registry=CollectorRegistry())
    server.shutdown()
    server.serve_forever()
    counts = iter([2, 1, 0])
    monkeypatch.setattr(queue, "handshakes", lambda _: next(counts))
    server.server_close()
    assert list(counts) == left


@pytest.mark.parametrize(("stopped", "seconds"), [(True, [0, 0]), (False, [LOOK, 0])])
def test_where_nobody_is_about_to_come_it_looks_twice_and_waits_only_where_some_still_may(
    monkeypatch, stopped, seconds
):
    looked = []

    def waits(_, seconds=0):
        looked.append(seconds)
        return False

    with make() as server:
        server.shutdown()
        server.serve_forever()
        monkeypatch.setattr(arrivals, "stop", lambda _: stopped)
        monkeypatch.setattr(queue, "waits", waits)
    assert looked == seconds


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
@pytest.mark.parametrize(("way", "seconds"), [("path", 0), ("renamed path", LOOK), ("abstract name", LOOK)])
def test_whoever_may_still_come_to_a_unix_listener_is_waited_for(monkeypatch, tmp_path, kind, way, seconds):
    class Server(socketscope.ThreadingUnixStreamServer, registry=CollectorRegistry()):
        socket_type = kind

    looked = []

    def waits(_, seconds=0):
        looked.append(seconds)
        return False

    path = tmp_path / "socket"
    with Server(f"\0{path}" if way == "abstract name" else str(path), None) as server:
        if way == "renamed path":
            path.rename(tmp_path / "renamed")
        server.shutdown()
        server.serve_forever()
        monkeypatch.setattr(queue, "waits", waits)
    assert looked == [seconds, 0]


def test_a_path_is_gone_before_a_filter_drops_datagrams_of_which_no_sender_is_told(monkeypatch, tmp_path):
    path, there = tmp_path / "socket", []
    server = socketscope.observe(
        socketscope.ThreadingUnixDatagramServer(str(path), socketserver.BaseRequestHandler),
        registry=CollectorRegistry(),
    )
    server.shutdown()
    server.serve_forever()
    monkeypatch.setattr(arrivals, "stop", lambda _: there.append(path.exists()))
    server.server_close()
    assert there == [False]


def test_where_the_kernel_tells_of_no_handshakes_they_have_some_time(monkeypatch):
    asked = []

    def untold(listener):
        asked.append(listener)
        raise PermissionError

    monkeypatch.setattr(queue, "handshakes", untold)
    with make() as server:
        server.shutdown()
        server.serve_forever()
    assert len(asked) > 1


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # by who was interrupted
@pytest.mark.parametrize(
    ("base", "outcome"),
    [(socketscope.ThreadingTCPServer, "empty"), (socketscope.ThreadingUDPServer, "no_reply")],
)
def test_nobody_waits_for_a_client_whose_thread_an_interrupt_has_prevented(monkeypatch, base, outcome):
    def interrupted(*_):
        raise KeyboardInterrupt

    kind = new_class("Server", (base,), {"registry": CollectorRegistry(), "threads": "per-connection"})
    monkeypatch.setattr(PerClient, "run", interrupted)
    with kind(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server, say(server):
        service = service_of(server)
        with pytest.raises(KeyboardInterrupt):
            server.serve_forever()
    figures: Any = service.totals.snapshot()
    assert (service.forced, ways(figures)[outcome], sum(ways(figures).values())) == (0, 1, 1)
    assert figures.handle.sum < 1


def ways(figures):
    """Return how many have ended in which way."""
    return figures.outcomes if hasattr(figures, "outcomes") else figures.closed


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.UDPServer])
def test_without_threads_nobody_waits_for_who_was_about_to_be_served_at_an_interrupt(monkeypatch, base):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Deadlines, "watch", interrupted)
    monkeypatch.setattr(datagrams, "enter", interrupted)
    made = base(("127.0.0.1", 0), socketserver.BaseRequestHandler)
    with socketscope.observe(made, registry=CollectorRegistry()) as server, say(server):
        service = service_of(server)
        with pytest.raises(KeyboardInterrupt):
            server.serve_forever()
        monkeypatch.undo()
    figures: Any = service.totals.snapshot()
    assert (service.forced, ways(figures)["handler_error"], sum(ways(figures).values())) == (0, 1, 1)


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.UDPServer])
def test_without_threads_a_handler_that_closes_its_server_serves_who_waits_for_it(base):
    asked, closed = [], []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.server.server_close()
            closed.append(self.server)

    def process(*request):
        asked.append(request)
        type(server).process_request(server, *request)

    made = base(("127.0.0.1", 0), Handler)
    server = socketscope.observe(made, registry=CollectorRegistry())
    server.process_request = process
    with say(server), say(server):
        pass  # who stayed, with something unread, would be waited for
    serving = in_a_thread(serve_until_closed, server)
    serving.join(PATIENCE)
    assert (len(asked), len(closed), serving.is_alive()) == (2, 2, False)


def serve_until_closed(server):
    with suppress(OSError):
        server.serve_forever()


@contextmanager
def say(server: socketserver.TCPServer) -> Iterator[None]:
    """Say something to a server, and stay."""
    with socket.socket(server.address_family, server.socket_type) as client:
        client.connect(server.server_address)
        client.send(b"x")
        yield


def test_what_a_hook_has_handed_on_is_closed_where_it_cannot_be_served():
    handed = []

    class Server(socketscope.ThreadingTCPServer, registry=CollectorRegistry()):
        def process_request(self, request, client_address):
            with request:
                handed.append(request.dup())
            super().process_request(handed[0], client_address)

        def process_request_thread(self, *_):
            raise ValueError

        def handle_error(self, *_):
            self.shutdown()

    with (
        Server(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server,
        socket.create_connection(server.server_address) as client,
    ):
        server.serve_forever()
        client.settimeout(PATIENCE)
        assert client.recv(1) == b""
    assert handed[0].fileno() < 0


def test_a_serving_that_begins_amid_a_close_leaves_it_its_deadline(monkeypatch):
    server = make()
    service = service_of(server)

    def begin_to_serve():
        server.shutdown()
        server.serve_forever()  # and comes back
        return False

    monkeypatch.setattr(service, "_is_shared", begin_to_serve)
    server.server_close()
    assert service.drain_by < inf


def test_a_deadline_that_has_passed_is_not_put_off_by_a_close():
    server, handling = make(), threading.Event()

    def handle(request, _):
        handling.set()
        request.recv(1)

    server.finish_request = handle
    service = service_of(server)
    thread = in_a_thread(server.serve_forever)
    with socket.create_connection(server.server_address):
        assert handling.wait(PATIENCE)
        service.drain_by = 0.0
        server.server_close()
    thread.join(PATIENCE)
    assert service.forced == 1


def test_a_server_without_threads_has_none():
    with socketscope.observe(
        socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler),
        registry=CollectorRegistry(),
    ) as server:
        assert service_of(server).thread_counts == (0, 0)


def test_what_the_kernel_dropped_since_the_last_scrape_is_counted_at_the_close():
    class Server(socketscope.ThreadingUDPServer, registry=CollectorRegistry()):
        pass

    with Server(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # the kernel's least
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(100):
                client.sendto(bytes(1000), server.server_address)
        dropped = queue.lost(server.socket)
    figures: Any = service_of(server).totals.snapshot()
    assert (figures.lost > 0, figures.lost) == (True, dropped)


def test_a_hook_of_a_clients_end_has_as_long_as_the_drain(monkeypatch):
    begun, may_end = threading.Event(), threading.Event()

    class Server(socketscope.ThreadingTCPServer, registry=CollectorRegistry()):
        def shutdown_request(self, request):
            begun.set()
            may_end.wait(PATIENCE)
            super().shutdown_request(request)

    monkeypatch.setattr(service_module, "TELL", 0.0)
    monkeypatch.setattr(service_module, "sleep", lambda _: may_end.set())
    with Server(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        serving = in_a_thread(server.serve_forever)
        with socket.create_connection(server.server_address):
            assert begun.wait(PATIENCE)
            server.server_close()
            assert may_end.is_set()
        serving.join(PATIENCE)
    assert service_of(server).forced == 0


@pytest.mark.parametrize("base", [socketscope.ThreadingTCPServer, socketscope.ThreadingUDPServer])
def test_whose_line_is_not_made_by_the_drains_deadline_counts_as_forced(monkeypatch, base):
    begun, may_end = threading.Event(), threading.Event()
    at_once = socketscope.Limits(drain_timeout=0)
    options = {"registry": CollectorRegistry(), "limits": at_once}

    class Stuck:
        def served(self, *_: Any) -> None:
            begun.set()
            may_end.wait(PATIENCE)

    monkeypatch.setattr(service_module, "TELL", 0.0)
    server: Any = new_class("Server", (base,), options)(("127.0.0.1", 0), socketserver.BaseRequestHandler)
    service: Any = service_of(server)
    service.log = Stuck()
    with server, socket.socket(type=server.socket_type) as client:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        client.connect(server.server_address)
        client.send(b"x")
        assert begun.wait(PATIENCE)
        server.server_close()
        assert service.forced == 1
        may_end.set()
        serving.join(PATIENCE)


def test_what_is_shut_down_twice_is_read_away_once(monkeypatch):
    monkeypatch.setattr(Linger, "_has_thread", lambda _: True)  # which has not begun to read
    with make() as server, socket.create_connection(server.server_address) as client:
        client.send(b"x")
        request, _ = server.get_request()
        with request:
            assert queue.waits(request, PATIENCE)
            server.shutdown_request(request)
            server.shutdown_request(request)
        service: Any = service_of(server)
        assert len(service._linger._new) == 1


@pytest.mark.parametrize("kind", [socketserver.UDPServer, socketserver.ThreadingUDPServer])
def test_what_a_datagrams_handler_raises_is_described_once(monkeypatch, kind):
    described: list[BaseException] = []
    monkeypatch.setattr(datagrams, "describe", described.append)

    class Raising(socketserver.BaseRequestHandler):
        def handle(self):
            raise ValueError

    with socketscope.observe(kind(("127.0.0.1", 0), Raising), registry=CollectorRegistry()) as server:
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.sendto(b"x", server.server_address)
        server.handle_request()
    assert len(described) == 1


@pytest.fixture
def full():
    """A server of one place, which is taken, and whose clients queue; one has come."""
    options = {
        "registry": CollectorRegistry(),
        "limits": socketscope.Limits(max_connections=1, when_full="queue"),
    }
    kind: Any = new_class("Server", (socketscope.ThreadingTCPServer,), options)
    server = kind(("127.0.0.1", 0), socketserver.BaseRequestHandler)
    with server, socket.create_connection(server.server_address):
        assert queue.waits(server, PATIENCE)
        capacity = service_of(server).capacity
        with capacity.lock:
            assert capacity.take()
        yield server


def test_who_queues_is_not_taken_without_a_place(monkeypatch, full):
    monkeypatch.setattr(streams, "FULL_LOOK", 0.0)
    assert service_of(full).receive(full) is None
    assert queue.waits(full, PATIENCE)


def test_who_was_taken_as_another_got_the_place_waits_for_the_next(monkeypatch, full):
    service: Any = service_of(full)
    looks = []

    def wait(_: float) -> bool:
        looks.append(True)
        if len(looks) == 2:
            with service.capacity.lock:
                service.capacity.free()
        return True

    monkeypatch.setattr(service.capacity, "wait", wait)
    serve_client = service.receive(full)
    assert len(looks) == 2
    Context().run(serve_client)
    assert service.capacity.taken == 0

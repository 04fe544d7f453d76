"""What tells of a client is bound in its handler and in its hooks, whoever serves it, and gone after."""

import socketserver
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from structlog.contextvars import get_contextvars

from socketscope import ThreadingTCPServer, ThreadingUDPServer
from tests.faults.library.running import (
    HOST,
    connect,
    logged,
    make,
    observed,
    running,
    subclass,
    udp_client,
    wait_for,
)


class Bound:
    """A log that keeps of whom it is told, and what was bound where."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def served(self, _event: str, record: Any, _outcome: str, _seconds: float) -> None:
        self.ids.append(record.connection_id)

    def repeated(self, *_: Any, **__: Any) -> None:
        pass

    def note(self, where: str) -> None:
        self.seen.append((where, get_contextvars()))


bound = Bound()


class Handler(socketserver.BaseRequestHandler):
    def setup(self):
        bound.note("setup")

    def handle(self):
        bound.note("handle")
        data = self.request.recv(100)
        if data.startswith(b"fail"):
            raise ValueError("as asked")
        self.request.sendall(data)

    def finish(self):
        bound.note("finish")


class Datagrams(socketserver.DatagramRequestHandler):
    def handle(self):
        bound.note("handle")
        self.wfile.write(self.rfile.read())


class Hooked(ThreadingTCPServer):
    """Notes in each hook that runs for one client."""

    def verify_request(self, request, client_address):
        bound.note("verify_request")
        return super().verify_request(request, client_address)

    def process_request(self, request, client_address):
        bound.note("process_request")
        super().process_request(request, client_address)

    def handle_error(self, *_):
        bound.note("handle_error")

    def shutdown_request(self, request):
        bound.note("shutdown_request")
        super().shutdown_request(request)

    def close_request(self, request):
        bound.note("close_request")
        super().close_request(request)


class Pooled(socketserver.TCPServer):
    """Hands each client to a pool of its own, whose threads live on."""

    pool = ThreadPoolExecutor(1)

    def process_request(self, request, client_address):
        self.pool.submit(self._handle, request, client_address)

    def _handle(self, request, client_address):
        self.finish_request(request, client_address)
        self.shutdown_request(request)


class PooledThreading(ThreadingTCPServer):
    pool = ThreadPoolExecutor(1)

    def process_request(self, request, client_address):
        self.pool.submit(super().process_request, request, client_address)


SERVERS = {
    "pooled threads": lambda: make(Handler),
    "a thread a connection": lambda: subclass(ThreadingTCPServer, threads="per-connection")(HOST, Handler),
    "no threads": lambda: observed(socketserver.TCPServer(HOST, Handler), listener="tcp"),
    "threads of the program's": lambda: observed(Pooled(HOST, Handler)),
    "threads of the program's, which hand it on": lambda: make(Handler, PooledThreading),
}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "bound", Bound())


def expected(client: Any, number: int = 0) -> dict[str, Any]:
    wait_for(lambda: len(bound.ids) > number, "the end")
    return {"connection_id": bound.ids[number], "listener": "tcp", "peer": f"127.0.0.1:{client}"}


@pytest.mark.parametrize("kind", SERVERS)
def test_it_is_bound_in_all_of_a_handler(kind):
    with running(SERVERS[kind]()) as server:
        logged(server, bound)
        for number in range(3):
            with connect(server) as client:
                port = client.getsockname()[1]
                client.sendall(b"x")
                assert client.recv(10) == b"x"
            own = expected(port, number)
            wait_for(lambda: bound.seen[-1][0] == "finish" and bound.seen[-1][1] == own, "its end")  # noqa: B023
            assert bound.seen[-3:] == [(where, own) for where in ("setup", "handle", "finish")]
        assert len(set(bound.ids)) == 3
    for pool in (Pooled.pool, PooledThreading.pool):
        assert pool.submit(get_contextvars).result() == {}
    assert get_contextvars() == {}


class PooledDatagrams(ThreadingUDPServer):
    pool = ThreadPoolExecutor(1)

    def process_request(self, request, client_address):
        self.pool.submit(super().process_request, request, client_address)


@pytest.mark.parametrize("base", [ThreadingUDPServer, PooledDatagrams])
def test_it_is_bound_in_a_datagrams_handler(base):
    with running(make(Datagrams, base)) as server, udp_client() as client:
        logged(server, bound)
        client.connect(server.server_address)
        client.send(b"x")
        assert client.recv(10) == b"x"
        own = {**expected(client.getsockname()[1]), "listener": "udp"}
    assert bound.seen == [("handle", own)]
    assert PooledDatagrams.pool.submit(get_contextvars).result() == {}


@pytest.mark.parametrize("unread", [b"", b"y" * 200_000], ids=["at once", "lingering"])
def test_it_is_bound_in_the_hooks_that_run_for_one_client(unread):
    with running(make(Handler, Hooked)) as server:
        logged(server, bound)
        with connect(server) as client:
            port = client.getsockname()[1]
            client.sendall(b"fail" + unread)
            client.recv(10)
        own = expected(port)
        wait_for(lambda: bound.seen[-1][0] == "close_request", "the close")
    names = [
        "verify_request", "process_request", "setup", "handle", "finish", "handle_error", "shutdown_request",
        "close_request",
    ]  # fmt: skip
    assert bound.seen == [(name, own) for name in names]

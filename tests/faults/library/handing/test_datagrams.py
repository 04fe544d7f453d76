"""Hooks that hand a datagram on: to another thread, to a pool, or to nobody."""

import gc
import socket
import socketserver
import threading
from contextlib import ExitStack, suppress
from contextvars import Context, copy_context
from typing import Any

import pytest

import socketscope
from socketscope.serve.mixin import service_of
from tests.faults.library.handing import ways
from tests.faults.library.running import (
    HOST,
    PATIENCE,
    Echo,
    Reply,
    connect,
    figures,
    logged,
    make,
    observed,
    outcomes,
    running,
    serving,
    subclass,
    threads,
    udp_client,
    wait_for,
)
from tests.threads import ends, in_a_thread

MANY = 12
UNIXGRAM = socket.AF_UNIX, socket.SOCK_DGRAM


class Elsewhere(ways.Elsewhere, socketscope.ThreadingUDPServer):
    pass


class InAPool(ways.InAPool, socketscope.ThreadingUDPServer):
    pass


class StepByStep(ways.StepByStep, socketscope.ThreadingUDPServer):
    pass


class InPlace(socketscope.ThreadingUDPServer):
    def process_request(self, request, client_address):
        self.finish_request(request, client_address)


class ByItself(socketscope.ThreadingUDPServer):
    def process_request(self, request, client_address):
        data, sock = request
        sock.sendto(data, client_address)


class Changing(socketscope.ThreadingUDPServer):
    def process_request(self, request, client_address):
        data, sock = request
        super().process_request((data.lower(), sock), client_address)


@pytest.mark.parametrize("base", [Elsewhere, InAPool, StepByStep, InPlace, ByItself, Changing])
def test_it_is_counted_once_its_handler_has_left(base):
    with serving(Reply, base, max_connections=8) as server, udp_client() as client:
        log = logged(server)
        for _ in range(MANY):
            client.sendto(b"X", server.server_address)
            assert client.recv(10) == (b"x" if base is Changing else b"X")
        wait_for(lambda: outcomes(server) == {"ok": MANY}, "the count")
        assert (figures(server).received, figures(server).sent) == (MANY, MANY)
        wait_for(lambda: log.lines == [("datagram", "ok")] * MANY, "the lines")
    assert service_of(server).capacity.taken == 0


@pytest.mark.parametrize("changes", [False, True], ids=["as they came", "changed"])
@pytest.mark.parametrize("base", [socketscope.ThreadingUDPServer, socketserver.UDPServer])
def test_a_hook_may_hand_on_several_at_once(base, changes):
    def process_request(server, request, client_address):
        waiting.append(((request[0], request[1]) if changes else request, client_address))
        if len(waiting) > 1:
            while waiting:
                super(in_pairs, server).process_request(*waiting.pop(0))

    waiting: list[tuple[Any, Any]] = []
    in_pairs: type = type("InPairs", (base,), {"process_request": process_request})
    with running(observed(in_pairs(HOST, Reply))) as server, udp_client() as client:
        for number in range(MANY):
            client.sendto(b"%d" % number, server.server_address)
        assert sorted(int(client.recv(10)) for _ in range(MANY)) == list(range(MANY))
        if not changes:
            wait_for(lambda: outcomes(server) == {"ok": MANY}, "the count")


@pytest.mark.parametrize("hook", ["process_request", "process_request_thread"])
def test_what_an_overridden_finish_request_returns_is_for_who_calls_it(hook):
    class Finishing(socketserver.UDPServer):
        def finish_request(self, request, client_address):
            return self.RequestHandlerClass(request, client_address, self)

    def serve(self, request, client_address):
        made.append(self.finish_request(request, client_address))

    made: list[object] = []
    server_class = type("Server", (socketscope.ThreadingMixIn, Finishing), {hook: serve})
    with serving(Reply, server_class) as server, udp_client() as client:
        client.sendto(b"X", server.server_address)
        assert client.recv(10).lower() == b"x"
        wait_for(lambda: made, "the handler has left")
    assert isinstance(made[0], Reply)


@pytest.mark.parametrize(
    ("context", "outcome", "sent"),
    [(Context, "no_reply", 0), (copy_context, "ok", 1)],
    ids=["a thread of its own", "in the handler's context"],
)
def test_what_a_handlers_thread_sends_counts_by_its_context(context, outcome, sent):
    class ByAThread(socketserver.BaseRequestHandler):
        def handle(self):
            data, sock = self.request
            thread = in_a_thread(context().run, sock.sendto, data, self.client_address)
            thread.join()

    with serving(ByAThread, socketscope.ThreadingUDPServer) as server, udp_client() as client:
        client.sendto(b"x", server.server_address)
        assert client.recv(10) == b"x"
        wait_for(lambda: outcomes(server) == {outcome: 1}, "the count")
        assert (figures(server).received, figures(server).sent) == (1, sent)


def test_what_its_handler_raises_is_told(capfd):
    class Fails(Reply):
        def handle(self):
            raise ValueError("as asked")

    with serving(Fails, InAPool) as server, udp_client() as client:
        log = logged(server)
        client.sendto(b"x", server.server_address)
        wait_for(lambda: outcomes(server) == {"handler_error": 1}, "the count")
        wait_for(lambda: log.errors, "the line")
        assert log.errors[0].startswith("ValueError: as asked (")
    capfd.readouterr()


class Keeping(socketscope.ThreadingUDPServer):
    def process_request(self, request, _client_address):
        kept.append(request)


kept: list[object] = []


def test_a_hook_that_drops_one_ends_it():
    with serving(Reply, Keeping, max_connections=2) as server, udp_client() as client:
        log = logged(server)
        for _ in range(2):
            client.sendto(b"x", server.server_address)
        wait_for(lambda: len(kept) == 2, "both")
        client.sendto(b"one too many", server.server_address)
        wait_for(lambda: outcomes(server) == {"dropped": 1}, "the limit")
        kept.clear()
        wait_for(lambda: ("datagram", "no_reply") in log.lines, "the line, though nobody scrapes")
        assert outcomes(server) == {"dropped": 1, "no_reply": 2}
        for _ in range(MANY):
            client.sendto(b"x", server.server_address)
            wait_for(lambda: kept, "the next")
            kept.clear()
        wait_for(lambda: outcomes(server) == {"dropped": 1, "no_reply": 2 + MANY}, "the rest")


def refuse(request):
    """Send to who has gone, and have no more use for what came."""
    with suppress(FileNotFoundError):
        request[1].sendto(b"not now", "/nobody/is/there")


class Refusing(socketscope.ThreadingUnixDatagramServer):
    def process_request(self, request, _client_address):
        refuse(request)


class RefusingElsewhere(socketscope.ThreadingUnixDatagramServer):
    def process_request(self, request, _client_address):
        ways.pool.submit(copy_context().run, refuse, request)


@pytest.mark.parametrize("base", [Refusing, RefusingElsewhere])
def test_one_that_is_dropped_after_an_error_ends_too(base, tmp_path):
    address = str(tmp_path / "server")
    with serving(Reply, base, address, max_connections=2) as server, socket.socket(*UNIXGRAM) as client:
        for number in range(1, 4):
            client.sendto(b"x", address)
            wait_for(lambda: outcomes(server) == {"no_reply": number}, "its end")  # noqa: B023 - at once


def test_a_stop_waits_for_one_that_was_handed_on():
    go_on = threading.Event()

    class Waits(Reply):
        def handle(self):
            go_on.wait(PATIENCE)
            super().handle()

    server = make(Waits, InAPool)
    with running(server), udp_client() as client:
        client.sendto(b"x", server.server_address)
        wait_for(lambda: service_of(server).totals.records, "it is being served")
        threading.Timer(0.3, go_on.set).start()
        server.shutdown()
        server.server_close()
        assert client.recv(10) == b"x"
        assert outcomes(server) == {"ok": 1}
    assert service_of(server).forced == 0


class InACircle:
    """Drops what it is given as a part of a circle, so that nobody but the collector finds it."""

    def process_request(self, request, _client_address):
        circle = [request]
        circle.append(circle)
        kept.append(circle)


class DatagramsInACircle(InACircle, socketscope.ThreadingUDPServer):
    pass


class ConnectionsInACircle(InACircle, socketscope.ThreadingTCPServer):
    pass


# As the interpreter says of each socket that nobody has closed.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize(
    ("base", "handler"), [(DatagramsInACircle, Reply), (ConnectionsInACircle, Echo)], ids=["udp", "tcp"]
)
def test_the_interpreter_may_find_it_dropped_while_others_are_counted(base, handler):
    before = threads()
    server = subclass(base, threads="per-connection")(HOST, handler)
    with running(server), ExitStack() as opened:
        if handler is Reply:
            opened.enter_context(udp_client()).sendto(b"x", server.server_address)
        else:
            opened.enter_context(connect(server))
        wait_for(lambda: kept, "it")
        wait_for(lambda: "worker" not in str(threads(before)), "the hook's end")
        service = service_of(server)
        assert service.totals.records

        def collect():
            with service.capacity.lock:
                kept.clear()
                gc.collect()

        ends(in_a_thread(collect), PATIENCE / 4)
        wait_for(lambda: not service.totals.records, "its end")

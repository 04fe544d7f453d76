"""Hooks that hand a connection on: to another object, another thread, another process, or to nobody."""

import asyncio
import contextvars
import multiprocessing
import socket
import socketserver
import sys
import threading
import time
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import pytest

import socketscope
from socketscope.addresses import format_peer
from socketscope.observe.served import get_current
from socketscope.serve.mixin import service_of
from socketscope.serve.threads import linger
from tests.faults.library.handing import ways
from tests.faults.library.running import (
    HOST,
    PATIENCE,
    Echo,
    Reply,
    ask,
    connect,
    count,
    ended,
    figures,
    handling,
    make,
    observed,
    reset,
    running,
    serving,
    subclass,
    udp_client,
    wait_for,
)
from tests.threads import in_a_thread, together

MANY = 12
SLOW = 0.5


class Wrapped:
    """What has a socket, and is none."""

    def __init__(self, request):
        self.request = request

    def __getattr__(self, name):
        return getattr(self.request, name)


class Wrapping(socketscope.ThreadingTCPServer):
    def process_request(self, request, client_address):
        super().process_request(Wrapped(request), client_address)


class WrappingEarly(socketscope.ThreadingTCPServer):
    def get_request(self):
        request, client_address = super().get_request()
        return Wrapped(request), client_address


class WrappingLate(socketscope.ThreadingTCPServer):
    def finish_request(self, request, client_address):
        super().finish_request(Wrapped(request), client_address)


class ClosingByItself(socketscope.ThreadingTCPServer):
    def process_request_thread(self, request, _client_address):
        request.sendall(request.recv(10))
        request.close()


class DetachingByItself(socketscope.ThreadingTCPServer):
    def process_request(self, request, _client_address):
        with socket.socket(fileno=request.detach()) as mine:
            mine.sendall(mine.recv(10))


class InPlace(socketscope.ThreadingTCPServer):
    def process_request(self, request, client_address):
        self.finish_request(request, client_address)
        self.shutdown_request(request)


class Elsewhere(ways.Elsewhere, socketscope.ThreadingTCPServer):
    pass


class InAPool(ways.InAPool, socketscope.ThreadingTCPServer):
    pass


class StepByStep(ways.StepByStep, socketscope.ThreadingTCPServer):
    pass


class Mine(socket.socket):
    pass


class OfAnotherClass(socketscope.ThreadingTCPServer):
    def get_request(self):
        connection, address = self.socket.accept()
        return Mine(fileno=connection.detach()), address


class WithoutAddress(socketscope.ThreadingTCPServer):
    def get_request(self):
        return super().get_request()[0], None


WAYS = [
    Wrapping, WrappingEarly, WrappingLate, ClosingByItself, DetachingByItself, InPlace, Elsewhere, InAPool,
    StepByStep, OfAnotherClass, WithoutAddress,
]  # fmt: skip
UNSEEN = {DetachingByItself}
"""Its bytes pass through what is no observed socket."""


def asked(server):
    """Return a connection that has said all it has to say."""
    client = connect(server)
    client.sendall(b"x")
    client.shutdown(socket.SHUT_WR)
    return client


def ask_to_the_end(server):
    """Return all that comes back, when the server has closed: then nobody has more than one connection."""
    with asked(server) as client, client.makefile("rb") as replies:
        return replies.read()


@pytest.mark.parametrize("base", WAYS)
def test_a_connection_ends_however_it_was_handed_on(base):
    with serving(Echo, base, max_connections=3) as server:
        assert [ask_to_the_end(server) for _ in range(MANY)] == [b"x"] * MANY
        ended(server, "empty" if base in UNSEEN else "ok", MANY)
        assert service_of(server).capacity.taken == 0
        if base not in UNSEEN:
            assert count(server, "received_bytes_total") == count(server, "sent_bytes_total") == MANY


def keeping_back(base, at_once):
    """Return a class of servers whose hook keeps one client back, and then hands on so many of the two."""

    def process_request(server, request, client_address):
        server.kept.append((request, client_address))
        if len(server.kept) > 1:
            for _ in range(at_once):
                super(kind, server).process_request(*server.kept.pop(0))

    kind: type = type("KeepingBack", (base,), {"process_request": process_request, "kept": []})
    return kind


@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("base", [socketscope.ThreadingTCPServer, socketserver.TCPServer])
def test_a_hook_may_hand_on_clients_that_came_before(base, at_once):
    class Named(Echo):
        def handle(self):
            served.append((getattr(get_current(), "peer", None), format_peer(self.client_address)))
            super().handle()

    served: list[tuple[str | None, str]] = []
    number = MANY - 2 + at_once
    with running(observed(keeping_back(base, at_once)(HOST, Named))) as server, ExitStack() as clients:
        replies = [clients.enter_context(asked(server)) for _ in range(MANY)]
        assert [reply.recv(10) for reply in replies[:number]] == [b"x"] * number
        ended(server, "ok", number)
        assert count(server, "received_bytes_total") == count(server, "sent_bytes_total") == number
        for request, _ in server.kept:
            server.shutdown_request(request)
    assert [by for by, _ in served] == [whose for _, whose in served]


def test_a_client_that_has_ended_counts_for_no_other_where_it_is_handed_on_again():
    class Again(socketscope.ThreadingTCPServer):
        first: tuple[Any, Any] | None = None

        def process_request(self, request, client_address):
            if self.first is not None:
                super().process_request(*self.first)
            self.first = self.first or (request, client_address)
            super().process_request(request, client_address)

        def handle_error(self, request, client_address):
            """Of one that is closed."""

    with running(observed(Again(HOST, Echo))) as server:
        assert [ask_to_the_end(server), ask_to_the_end(server)] == [b"x", b"x"]
        ended(server, "ok", 2)
        assert count(server, "received_bytes_total") == 2


def test_a_connection_ends_before_the_hook_returns_that_handed_it_on():
    returns = threading.Event()

    class ReturningLate(StepByStep):
        def process_request(self, request, client_address):
            super().process_request(request, client_address)
            returns.wait(PATIENCE)

    with serving(Echo, ReturningLate, max_connections=3) as server:
        try:
            assert ask(server) == b"x"
            wait_for(lambda: service_of(server).capacity.taken == 0, "its place is free")
        finally:
            returns.set()
        ended(server, "ok", 1)


@pytest.mark.parametrize("pause", [0.0, 0.4])
def test_another_class_of_socket_waits_as_long_as_its_client_likes(pause):
    with serving(Echo, OfAnotherClass) as server, connect(server) as client:
        threading.Event().wait(pause)
        client.sendall(b"hello")
        assert client.recv(10) == b"hello"


def from_a_child(connection):
    connection.sendall(b"child: " + connection.recv(100))


@pytest.mark.parametrize("base", [socketscope.ThreadingTCPServer, OfAnotherClass])
def test_a_connection_can_be_handed_to_another_process(base):
    def handle(request):
        if isinstance(request, Mine):
            request = socket.socket(fileno=request.detach())
        with request:
            child = multiprocessing.get_context("spawn").Process(target=from_a_child, args=(request,))
            child.start()
            child.join()

    with serving(handling(handle), base) as server:
        assert ask(server) == b"child: x"


def test_a_hook_for_errors_is_called_for_what_a_peer_causes_too():
    seen = []

    class Handler(socketserver.StreamRequestHandler):
        timeout = 0.3

        def handle(self):
            self.request.sendall(b"x")
            self.request.recv(100)

    class Server(socketscope.ThreadingTCPServer):
        def handle_error(self, _request, client_address):
            seen.append((type(sys.exc_info()[1]), client_address))

    with serving(Handler, Server) as server:
        with connect(server) as silent:
            wait_for(lambda: seen, "the handler's own timeout")
            assert seen == [(TimeoutError, silent.getsockname())]
        Handler.timeout = PATIENCE
        gone = connect(server)
        assert gone.recv(1) == b"x"
        reset(gone)
        wait_for(lambda: len(seen) > 1, "the reset")
        assert seen[1][0] is ConnectionResetError
        ended(server, "ok", 2)


user = contextvars.ContextVar("user", default="nobody")


@pytest.mark.parametrize("threads", ["elastic", "per-connection"])
@pytest.mark.parametrize("base", [socketscope.ThreadingTCPServer, Elsewhere])
def test_what_a_handler_puts_in_its_context_no_other_client_sees(threads, base):
    def handle(request):
        request.recv(1)
        request.sendall(user.get().encode())
        user.set("alice")

    server = subclass(base, threads=threads)(("127.0.0.1", 0), handling(handle))
    with running(server):
        assert {ask(server) for _ in range(MANY)} == {b"nobody"}


def test_a_handlers_context_is_empty_as_that_of_a_new_thread():
    user.set("of the program")
    with serving(handling(lambda request: request.sendall(user.get().encode()))) as server:
        assert {ask(server) for _ in range(MANY)} == {b"nobody"}


def test_a_handler_may_run_a_loop_of_asyncio():
    async def answer(request):
        user.set("in the loop")
        reader, writer = await asyncio.open_connection(sock=request.dup())
        writer.write(await reader.read(10))
        await writer.drain()
        writer.close()

    with serving(handling(lambda request: asyncio.run(answer(request)))) as server:
        assert [ask(server) for _ in range(3)] == [b"x"] * 3
        ended(server, "ok", 3)


def test_each_connection_has_a_thread_of_its_own_where_that_is_wanted():
    inside = []

    def handle(request):
        inside.append(threading.current_thread())
        request.sendall(request.recv(1))

    server = subclass(socketscope.ThreadingTCPServer, threads="per-connection")(
        ("127.0.0.1", 0), handling(handle)
    )
    with running(server):
        assert [ask(server) for _ in range(MANY)] == [b"x"] * MANY
    assert len(set(inside)) == MANY


def test_beside_a_handler_that_is_blocked_others_are_served():
    go_on = threading.Event()

    def handle(request):
        if (data := request.recv(1)) == b"w":
            go_on.wait(PATIENCE)
        request.sendall(data)

    with serving(handling(handle)) as server:
        waiting = [connect(server) for _ in range(20)]
        for client in waiting:
            client.sendall(b"w")
        assert [ask(server) for _ in range(MANY)] == [b"x"] * MANY
        go_on.set()
        assert [client.recv(1) for client in waiting] == [b"w"] * 20
        for client in waiting:
            client.close()


@pytest.mark.usefixtures("hurried")
def test_no_thread_dies_of_clients_that_are_refused_hundreds_at_once(monkeypatch):
    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    server = make(max_connections=1)

    def be_refused(_):
        with ExitStack() as opened:
            for _ in range(150):
                client = opened.enter_context(connect(server))
                with suppress(OSError):
                    client.sendall(b"unread")

    with running(server), connect(server) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        together(be_refused, 4)
        wait_for(lambda: count(server, "connections_rejected_total", reason="capacity") == 600, "all refused")
    assert died == []


def test_whoever_closes_a_connection_amid_a_look_at_all_waits_for_nobody():
    kept = []

    class Keeping(socketscope.ThreadingTCPServer):
        def process_request(self, request, _client_address):
            kept.append(request)

    with serving(Echo, Keeping) as server, connect(server) as client:
        wait_for(lambda: kept, "a connection is kept")
        service = service_of(server)
        with service.capacity.lock:  # a look is; a finalizer is called wherever the interpreter likes
            kept.pop().close()
        assert client.recv(1) == b""
        ended(server, "empty")


@pytest.mark.parametrize("context", [contextvars.Context, contextvars.copy_context])
def test_a_thread_that_is_faster_than_the_hook_that_started_it_has_its_connection_to_the_end(context):
    entered, goes_on = threading.Event(), threading.Event()

    class Detaching(socketserver.BaseRequestHandler):
        def handle(self):
            entered.set()
            goes_on.wait(PATIENCE)
            with socket.socket(fileno=self.request.detach()) as mine:
                opened.append(figures(self.server).open)
                mine.sendall(b"x")

    class Overtaken(socketscope.ThreadingTCPServer):
        def process_request(self, request, client_address):
            serve = self.process_request_thread, request, client_address
            in_a_thread(context().run, *serve)
            entered.wait(PATIENCE)

    opened: list[int] = []
    with serving(Detaching, Overtaken) as server, connect(server) as client:
        assert entered.wait(PATIENCE)
        with service_of(server).hooks.lock:  # the hook has returned
            pass
        goes_on.set()
        assert client.recv(1) == b"x"
        ended(server, "empty")  # what is sent by a descriptor of one's own is not seen
    assert opened == [1]


@pytest.mark.parametrize("datagrams", [False, True])
def test_without_threads_handlers_run_in_the_context_of_the_program(datagrams):
    class Named(socketserver.BaseRequestHandler):
        def handle(self):
            seen.append(user.get())
            user.set("one who was served")

    def serve():
        user.set("the program")
        for _ in range(2):
            server.handle_request()
        seen.append(user.get())

    seen: list[str] = []
    base = socketserver.UDPServer if datagrams else socketserver.TCPServer
    with observed(base(HOST, Named)) as server:
        thread = in_a_thread(serve)
        for _ in range(2):
            with udp_client() as client:
                client.sendto(b"x", server.server_address) if datagrams else connect(server).close()
        thread.join()
    assert seen == ["the program", "one who was served", "one who was served"]


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # nobody closes what is dropped
def test_what_a_hook_drops_ends_in_a_loop_of_ones_own_as_well():
    class Dropping(socketscope.ThreadingTCPServer):
        timeout = 0

        def process_request(self, request, client_address):
            pass

    def taken(number):
        server.handle_request()
        return figures(server).accepted == number

    with make(Echo, Dropping, max_connections=2, when_full="queue") as server:
        for number in range(1, 7):
            connect(server).close()
            wait_for(partial(taken, number), "it is taken")


def miss(request, seconds):
    """Give a client up that does not ask in time, as its last reference goes."""
    request.settimeout(seconds)
    with suppress(TimeoutError):
        request.recv(10)


class GivingUp(socketscope.ThreadingTCPServer):
    seconds = None

    def process_request(self, request, _client_address):
        miss(request, self.seconds)


class GivingUpElsewhere(GivingUp):
    def process_request(self, request, _client_address):
        ways.pool.submit(miss, request, self.seconds)


class GivingUpLate(GivingUp):
    process_request = socketscope.ThreadingTCPServer.process_request

    def process_request_thread(self, request, _client_address):
        ways.pool.submit(miss, request, self.seconds)


def is_free(server, accepted):
    return figures(server).accepted == accepted and service_of(server).capacity.taken == 0


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # made an error, it would hold what is dropped
@pytest.mark.parametrize("seconds", [None, 0.01])  # None is the server's own deadline
@pytest.mark.parametrize("base", [GivingUp, GivingUpElsewhere, GivingUpLate])
def test_what_is_dropped_after_an_error_on_it_ends_too(base, seconds):
    with serving(Echo, type("Server", (base,), {"seconds": seconds}), idle_timeout=0.05) as server:
        for number in range(1, 3):
            with connect(server) as client:
                client.settimeout(PATIENCE / 4)
                assert client.recv(1) == b""
            wait_for(partial(is_free, server, number), "its place is free")
        ended(server, "empty", 2)


def test_what_is_timed_is_the_handler_alone():
    class Timed(Echo):
        def handle(self):
            began = time.monotonic()
            super().handle()
            took.append(time.monotonic() - began)

    class Slow(socketscope.ThreadingTCPServer):
        def verify_request(self, _request, _client_address):
            time.sleep(SLOW)
            return True

    class Late(Reply):
        def handle(self):
            super().handle()
            time.sleep(SLOW)

    class Handing(socketscope.ThreadingUDPServer):
        def process_request(self, request, client_address):
            in_a_thread(self.finish_request, request, client_address)
            time.sleep(SLOW / 2)

    took: list[float] = []
    with serving(Timed, Slow) as server:
        assert ask(server) == b"x"
        ended(server, "ok")
        assert figures(server).handle.sum - took.pop() < SLOW
    with serving(Late, Handing) as server, udp_client() as client:
        client.sendto(b"x", server.server_address)
        assert client.recv(1) == b"x"
        wait_for(lambda: figures(server).outcomes["ok"], "it is counted")
        assert figures(server).handle.sum >= SLOW


@pytest.mark.parametrize("threads", ["elastic", "per-connection"])
def test_a_connection_that_a_handler_has_left_to_a_thread_counts_until_it_is_closed(threads):
    class Leaves(socketserver.BaseRequestHandler):
        def handle(self):
            in_a_thread(self.go_on)

        def go_on(self):
            with self.request as request:
                while data := request.recv(100):
                    request.sendall(data)

    class Server(socketscope.ThreadingTCPServer):
        def process_request_thread(self, request, client_address):
            self.finish_request(request, client_address)

    with running(subclass(Server, threads=threads)(HOST, Leaves)) as server:
        with connect(server) as client:
            for _ in range(2):
                client.sendall(b"hello")
                assert client.recv(100) == b"hello"
            assert figures(server).open == 1
        ended(server, "ok")
        assert (figures(server).received, figures(server).sent, figures(server).exchanges) == (10, 10, 2)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # as above
def test_what_a_hook_hands_on_and_nobody_closes_ends_with_its_handler():
    class Server(socketscope.ThreadingTCPServer):
        def process_request(self, request, client_address):
            super().process_request(request, client_address)

        def process_request_thread(self, request, client_address):
            self.finish_request(request, client_address)

    with serving(handling(lambda request: request.sendall(b"hello")), Server) as server:
        with connect(server) as client:
            assert client.makefile("rb").read() == b"hello"
        ended(server, "ok")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # as above
def test_a_socket_of_its_own_that_an_overridden_thread_serves_ends_with_it():
    class Server(socketscope.ThreadingTCPServer):
        def process_request_thread(self, request, client_address):
            self.finish_request(request, client_address)
            self.shutdown_request(request)

        def finish_request(self, request, client_address):
            super().finish_request(socket.socket(fileno=request.detach()), client_address)

    class Hello(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"hello")

    with running(subclass(Server, limits={"max_connections": 1})(HOST, Hello)) as server:
        for number in (1, 2):
            with connect(server) as client:
                assert client.makefile("rb").read() == b"hello"
            wait_for(partial(is_free, server, number), "its place is free")
        ended(server, "ok", 2)


class ServingByItself(socketscope.ThreadingTCPServer):
    def process_request_thread(self, request, client_address):
        self.finish_request(request, client_address)
        self.shutdown_request(request)


class ServingElsewhere(socketscope.ThreadingTCPServer):
    def process_request(self, request, _client_address):
        ways.pool.submit(self.answer, request)

    def answer(self, request):
        request.sendall(request.recv(1))
        self.shutdown_request(request)


@pytest.mark.parametrize("base", [ServingByItself, ServingElsewhere])
def test_what_is_read_away_when_an_override_has_ended_a_connection_is_no_part_of_it(base, monkeypatch):
    monkeypatch.setattr(linger, "SECONDS", PATIENCE)
    with serving(handling(lambda request: request.sendall(request.recv(1))), base) as server:
        with connect(server) as client:
            client.sendall(b"x, and what nobody reads")
            assert client.makefile("rb").read() == b"x"
            ended(server, "ok")
        assert figures(server).handle.sum < linger.SECONDS / 2


@pytest.mark.parametrize("way", ["its own thread", "a pool", "at once"])
def test_what_an_overridden_finish_request_returns_is_for_who_calls_it(way):
    """As of a handler that has put another socket in the place of its own: that is to be closed."""

    class Finishing(socketserver.TCPServer):
        def finish_request(self, request, client_address):
            return self.RequestHandlerClass(request, client_address, self).request

    class Server(socketscope.ThreadingMixIn, Finishing):
        def process_request(self, request, client_address):
            if way == "a pool":
                ways.pool.submit(self.process_request_thread, request, client_address)
            elif way == "at once":
                self.process_request_thread(request, client_address)
            else:
                super().process_request(request, client_address)

        def process_request_thread(self, request, client_address):
            try:
                self.shutdown_request(self.finish_request(request, client_address))
            except AttributeError as error:
                raised.append(error)

    raised: list[AttributeError] = []
    with serving(Echo, Server) as server:
        assert ask(server, b"hello\n") == b"hello\n"
        ended(server, "ok")
    assert not raised


class Raising(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())
        raise ValueError("after the reply")


@pytest.mark.parametrize("method", ["process_request", "process_request_thread", "finish_request"])
@pytest.mark.parametrize(("handler", "outcome"), [(Echo, "ok"), (Raising, "handler_error")])
@pytest.mark.parametrize("base", [socketscope.ThreadingTCPServer, socketserver.TCPServer])
def test_what_is_handed_to_another_server_is_counted_where_it_came_in(method, handler, outcome, base, capfd):
    with serving(handler) as other:

        class Dispatcher(base):  # type: ignore[valid-type, misc]
            def finish_request(self, request, client_address):
                other.finish_request(request, client_address)

            def process_request(self, request, client_address):
                if method == "finish_request":
                    super().process_request(request, client_address)
                else:
                    getattr(other, method)(request, client_address)

        with running(observed(Dispatcher(HOST, None))) as server:
            assert ask(server, b"hello\n") == b"hello\n"
            ended(server, outcome)
        assert service_of(server).forced == 0
        assert (figures(server).accepted, figures(server).open) == (1, 0)
        assert (figures(server).received, figures(server).sent) == (6, 6)
        assert (figures(other).accepted, figures(other).open, figures(other).received) == (0, 0, 0)
        assert not any(figures(other).closed.values())
    assert capfd.readouterr().err.count("ValueError: after the reply") == (outcome == "handler_error")


@pytest.mark.parametrize("hook", ["process_request", "process_request_thread"])
@pytest.mark.parametrize("error", [None, ValueError("after the reply")])
def test_a_hook_that_serves_by_itself_is_timed_whether_or_not_it_raises(hook, error):
    def serve(self, request, _client_address):
        time.sleep(SLOW)
        request.sendall(request.recv(10))
        if error is not None:
            raise error
        self.shutdown_request(request)

    class Serving(socketscope.ThreadingTCPServer):
        def handle_error(self, request, client_address):
            """Say nothing."""

    setattr(Serving, hook, serve)
    with serving(Echo, Serving) as server:
        assert ask(server) == b"x"
        ended(server, "ok" if error is None else "handler_error")
        assert figures(server).handle.sum >= SLOW


def test_what_a_handler_has_another_server_handle_is_none_of_its_own_clients():
    read = list[bytes]()
    other = make(handling(lambda request: read.append(request.recv(100))))

    def hand_over(request):
        near, far = socket.socketpair()
        with near, far:
            far.sendall(b"another's")
            other.finish_request(near, "")
        request.sendall(request.recv(10))

    with other, running(make(handling(hand_over))) as server:
        assert ask(server, b"x") == b"x"
        ended(server, "ok")
    assert read == [b"another's"]
    assert (figures(server).received, figures(server).sent) == (1, 1)

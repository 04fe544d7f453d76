"""The standard library's hooks, overridden as its users do, and the life of a server around them."""

import concurrent.futures
import functools
import gc
import itertools
import socket
import socketserver
import threading
import time
import weakref
from functools import partial
from types import SimpleNamespace

import pytest

from socketscope import LineTooLongError, ThreadingTCPServer, ThreadingUDPServer
from socketscope.serve.mixin import service_of
from tests.threads import ends, in_a_thread, together

from .running import (
    HOST,
    PATIENCE,
    Echo,
    Reply,
    Told,
    ask,
    ask_datagram,
    connect,
    count,
    ended,
    figures,
    handling,
    logged,
    make,
    observed,
    running,
    serving,
    subclass,
    udp_client,
    wait_for,
)

PAUSE = 0.4

END_OF_A_THREAD = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
"""It reaches threading.excepthook, where pytest's stand-in has it warned of, a SystemExit too."""


def test_a_connection_can_be_read_from_before_its_handler_is_entered():
    class Preamble(ThreadingTCPServer):
        def get_request(self):
            connection, _ = super().get_request()
            return connection, (connection.recv(2).decode(), 1)

        def verify_request(self, request, client_address):
            return client_address[0] == "me" and request.recv(2) == b"ok"

    with serving(Echo, Preamble) as server:
        with connect(server) as client:
            for part in (b"me", b"ok", b"hello"):
                time.sleep(PAUSE)
                client.sendall(part)
            assert client.recv(100) == b"hello"
        ended(server, "ok")
        # What a hook reads of the observed socket is in the counters, as it is in the log.
        assert count(server, "received_bytes_total") == 7


of_each_kind = pytest.mark.parametrize(
    ("kind", "handler", "ask_one"),
    [(ThreadingTCPServer, Echo, ask), (ThreadingUDPServer, Reply, ask_datagram)],
    ids=["tcp", "udp"],
)


@of_each_kind
def test_a_hook_is_called_from_when_it_is_put_on_a_server(kind, handler, ask_one):
    Server = subclass(kind)  # noqa: N806 - a class
    seen: list[str] = []

    def process_request(server, request, client_address):
        seen.append("process")
        kind.process_request(server, request, client_address)

    def verify_request(*_):
        seen.append("verify")
        return True

    with serving(handler, Server) as server:
        assert ask_one(server) == b"x"
        server.verify_request = verify_request
        assert ask_one(server) == b"x"
        assert seen == ["verify"]
        server.process_request = partial(process_request, server)
        assert ask_one(server) == b"x"
        assert seen == ["verify", "verify", "process"]
        del server.verify_request, server.process_request
        assert ask_one(server) == b"x"
        assert len(seen) == 3
        Server.process_request = process_request  # a class's is seen at the next `service_actions`
        wait_for(lambda: ask_one(server) and len(seen) > 3, "the hook of the class")


@of_each_kind
def test_a_hook_that_wraps_the_standard_librarys_is_called(kind, handler, ask_one):
    seen: list[str] = []

    def traced(name):
        method = getattr(kind, name)

        @functools.wraps(method)
        def tracing(*args):
            seen.append(name)
            return method(*args)

        return tracing

    hooks = ("get_request", "verify_request", "process_request", "service_actions", "shutdown_request")
    Server = subclass(kind)  # noqa: N806 - a class
    for name in hooks:
        setattr(Server, name, traced(name))
    with serving(handler, Server) as server:
        assert ask_one(server) == b"x"
        wait_for(lambda: set(seen) == set(hooks), "the supervisor")
    assert seen.count("verify_request") == seen.count("process_request") == 1


class Proxy:
    """Says of itself what the function in it does, as a decorator's may that is an object."""

    __class__ = property(lambda self: type(self.wrapped))

    def __init__(self, seen, wrapped):
        self.seen, self.wrapped = seen, wrapped

    def __getattr__(self, name):
        return getattr(self.wrapped, name)

    def __get__(self, server, kind=None):
        return self if server is None else functools.partial(self, server)

    def __call__(self, *args):
        self.seen.append(1)
        return self.wrapped(*args)


def made(seen, wrapped):
    """Return a function that was made of text, in no module."""
    names = {"seen": seen, "wrapped": wrapped}
    exec("def hook(*args):\n    seen.append(1)\n    return wrapped(*args)", names)
    return names["hook"]


@pytest.mark.parametrize("wrap", [Proxy, made])
def test_a_hook_that_is_wrapped_in_another_way_is_called_too(wrap):
    seen: list[int] = []
    Server = subclass(ThreadingTCPServer)  # noqa: N806 - a class
    Server.verify_request = wrap(seen, socketserver.BaseServer.verify_request)
    with serving(Echo, Server) as server:
        assert ask(server) == b"x"
    assert seen == [1]


@of_each_kind
def test_a_hook_in_place_of_another_is_called_at_once(kind, handler, ask_one):
    called: list[str] = []

    def verify_request(*_):
        called.append("verify")
        return True

    def process_request(request, client_address):
        called.append("process")
        kind.process_request(server, request, client_address)

    server = make(handler, kind)
    with running(server):
        for _ in range(2):  # as tests of a program put one there after the other
            server.verify_request = verify_request
            assert ask_one(server) == b"x"
            del server.verify_request
            server.process_request = process_request
            assert ask_one(server) == b"x"
            del server.process_request
    assert called == ["verify", "process"] * 2


@of_each_kind
def test_a_hook_that_comes_as_a_client_is_taken_is_called_for_it(kind, handler, ask_one, monkeypatch):
    called: list[str] = []

    def verify_request(*_):
        called.append("verify")
        return True

    server = make(handler, kind)
    with running(server):
        assert ask_one(server) == b"x"
        listener, way = type(server.socket), "recvfrom" if kind is ThreadingUDPServer else "accept"
        take = getattr(listener, way)

        def take_and_put(*args):
            taken = take(*args)
            server.verify_request = verify_request
            return taken

        monkeypatch.setattr(listener, way, take_and_put)
        assert ask_one(server) == b"x"
    assert called == ["verify"]


def test_a_client_who_was_admitted_before_there_was_a_hook_is_counted_once():
    with serving() as server:
        totals, hooks = service_of(server).totals, service_of(server).hooks
        accept = totals.accept

        def accept_then_find(record):
            accepted = accept(record)
            hooks.verifies = True
            return accepted

        totals.accept = accept_then_find  # type: ignore[method-assign]
        assert ask(server) == b"x"
        ended(server, "ok")
        assert (figures(server).accepted, figures(server).open) == (1, 0)


def test_hooks_that_are_overridden_cost_no_wait_and_never_run_twice_at_once():
    inside, most = [0], [0]

    class Hooked(ThreadingTCPServer):
        def _note(self):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.001)
            inside[0] -= 1

        def get_request(self):
            received = super().get_request()
            self._note()
            return received

        def verify_request(self, request, client_address):
            self._note()
            return super().verify_request(request, client_address)

        def process_request(self, request, client_address):
            self._note()
            super().process_request(request, client_address)

    with serving(Echo, Hooked) as server:
        began = time.monotonic()
        for _ in range(30):
            assert ask(server) == b"x"
        together(lambda _: ask(server), 30)
        # Hooks that wait behind an idle thread's accept, up to 100 ms each, take two or three times as long.
        assert time.monotonic() - began < PATIENCE / 4
    assert most[0] == 1


def test_service_actions_and_another_hook_never_run_at_once():
    inside, most, acted = [0], [0], [0]

    class Hooked(ThreadingTCPServer):
        def _note(self):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.002)
            inside[0] -= 1

        def verify_request(self, _request, _client_address):
            self._note()
            return True

        def service_actions(self):
            acted[0] += 1
            self._note()

    server = make(Echo, Hooked)
    thread = in_a_thread(server.serve_forever, 0.001)
    with server:
        assert [ask(server) for _ in range(50)] == [b"x"] * 50
        server.shutdown()
    thread.join(PATIENCE)
    assert acted[0] > 10
    assert most == [1]


@of_each_kind
@pytest.mark.parametrize("choice", ["elastic", "per-connection"])
def test_service_actions_are_called_between_any_two_clients_by_who_serves(kind, handler, ask_one, choice):
    seen: list[str] = []
    callers = set()

    Hooked = subclass(kind, threads=choice)  # noqa: N806 - a class

    def verify_request(*_):
        seen.append("client")
        return True

    def service_actions(_):
        callers.add(threading.current_thread())
        if seen[-1:] != ["actions"]:
            seen.append("actions")

    Hooked.verify_request, Hooked.service_actions = verify_request, service_actions
    server = Hooked(HOST, handler)
    thread = in_a_thread(server.serve_forever, 2 * PATIENCE)
    with server:
        assert [ask_one(server) for _ in range(5)] == [b"x"] * 5
        server.shutdown()
    assert seen == ["actions", "client"] * 5
    assert callers == {thread}


def test_service_actions_that_stop_the_loop_leave_who_waits_in_the_queue():
    class Two(socketserver.TCPServer):
        served = 0

        def finish_request(self, request, client_address):
            super().finish_request(request, client_address)
            self.served += 1

        def service_actions(self):
            if self.served == 2:
                self._BaseServer__shutdown_request = True

    with observed(Two(HOST, Echo)) as server:
        clients = [connect(server) for _ in range(3)]
        for client in clients:
            client.shutdown(socket.SHUT_WR)
        ends(in_a_thread(server.serve_forever, 2 * PATIENCE))
        assert server.served == 2
        for client in clients:
            client.close()


@pytest.mark.parametrize("hook", ["verify_request", "process_request"])
def test_hooks_run_one_at_a_time_beside_handlers_that_are_slow(hook):
    inside, most, go_on = [], [0], threading.Event()

    class Hooked(ThreadingTCPServer):
        pass

    def hooked(self, request, client_address):
        inside.append(client_address)
        most[0] = max(most[0], len(inside))
        time.sleep(0.01)
        inside.remove(client_address)
        return getattr(super(Hooked, self), hook)(request, client_address)

    setattr(Hooked, hook, hooked)
    with serving(handling(lambda request: request.sendall(b"x" * go_on.wait(PATIENCE))), Hooked) as server:
        clients = [connect(server) for _ in range(20)]
        wait_for(lambda: figures(server).open == 20 and not inside, "all are being served")
        go_on.set()
        assert [client.recv(1) for client in clients] == [b"x"] * 20
        for client in clients:
            client.close()
    assert most == [1]


@of_each_kind
@pytest.mark.parametrize("hook", ["verify_request", "process_request"])
def test_a_hook_has_been_called_by_this_thread_once_handle_request_returns(kind, handler, ask_one, hook):
    called = []

    def count_client(server, request, client_address):
        called.append(threading.current_thread())
        return getattr(super(Counting, server), hook)(request, client_address)

    Counting = type("Counting", (kind,), {hook: count_client})  # noqa: N806 - a class
    with make(handler, Counting) as server, concurrent.futures.ThreadPoolExecutor(1) as client:
        for clients in (1, 2, 3):
            reply = client.submit(ask_one, server)
            server.handle_request()
            assert called == [threading.current_thread()] * clients
            assert reply.result(PATIENCE) == b"x"
        wait_for(lambda: not service_of(server).totals.records, "the end of all")
        assert (count(server, "received_bytes_total"), count(server, "exchanges_total")) == (3, 3)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("hook", ["verify_request", "process_request"])
@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_amid_a_hook_of_handle_request_is_its_callers(kind, hook, end, capfd):
    def interrupt(*_):
        raise end

    base = ThreadingTCPServer if kind == socket.SOCK_STREAM else ThreadingUDPServer
    interrupted = type("Interrupted", (base,), {hook: interrupt})
    with make(Echo, interrupted) as server, socket.socket(type=kind) as client:
        client.connect(server.server_address)
        client.send(b"x")
        with pytest.raises(end):
            server.handle_request()
        assert not service_of(server).totals.records
    assert capfd.readouterr().err == ""


@END_OF_A_THREAD
@pytest.mark.parametrize("fault", [ValueError, SystemExit])
def test_case_16_a_datagram_whose_hook_raises_is_counted_and_given_back(fault, capfd):
    class Broken(ThreadingUDPServer):
        broken = True

        def process_request(self, request, client_address):
            if self.broken:
                raise fault("as asked")
            super().process_request(request, client_address)

    with serving(Reply, Broken, max_connections=2) as server, udp_client() as client:
        for number in range(1, 11):
            # One at a time: more at once than are allowed would be dropped.
            client.sendto(b"x", server.server_address)
            wait_for(lambda: figures(server).outcomes["handler_error"] == number, "the count")  # noqa: B023 - called here
        server.broken = False
        client.sendto(b"back", server.server_address)
        assert client.recv(10) == b"back"
    assert figures(server).outcomes["handler_error"] == 10
    capfd.readouterr()


WORKERS_HOOKS = ("get_request", "verify_request", "process_request", "finish_request", "handle_error",
                 "shutdown_request", "close_request")  # fmt: skip
FAULTS = (ValueError, OSError, MemoryError)


@END_OF_A_THREAD
@pytest.mark.parametrize(
    ("hook", "fault"),
    [
        *itertools.product(WORKERS_HOOKS, (*FAULTS, SystemExit)),
        # SystemExit from this one is how a program ends the loop that it runs itself.
        *itertools.product(["service_actions"], FAULTS),
    ],
)
def test_case_16_a_hook_that_raises_costs_its_own_connection_at_most(hook, fault, capfd):
    broken, called = threading.Event(), threading.Semaphore(0)

    class Broken(ThreadingTCPServer):
        pass

    original = getattr(ThreadingTCPServer, hook)

    def hooked(self, *args):
        if broken.is_set():
            called.release()
            raise fault("as asked")
        return original(self, *args)

    class Fails(Echo):
        def handle(self):
            super().handle()
            if broken.is_set():
                raise ValueError("for handle_error")

    setattr(Broken, hook, hooked)
    with serving(Fails, Broken) as server:
        assert ask(server) == b"x"
        broken.set()
        for _ in range(6):
            try:
                with connect(server) as client:
                    client.sendall(b"x")
                    if hook == "get_request":  # who is not accepted is told nothing
                        assert called.acquire(timeout=PATIENCE)
                    else:  # all others are let go, if not answered
                        client.recv(100)
            except OSError:
                continue
        broken.clear()
        for _ in range(6):
            assert ask(server) == b"x"
        wait_for(lambda: not figures(server).open and not service_of(server).capacity.taken, "all have left")
        refused = figures(server).rejected["verify"]
        assert refused == (6 if hook == "verify_request" else 0)
    told = capfd.readouterr().err
    # Of the rest `handle_error` or `threading.excepthook` tells, or the count of accept errors.
    if hook in {"verify_request", "shutdown_request", "close_request", "service_actions"}:
        assert "as asked" in told


def telling(base, raised):
    class Telling(base):  # type: ignore[misc, valid-type]
        def handle_error(self, *_):
            raise raised

        def shutdown_request(self, request):
            shut.append(request)
            super().shutdown_request(request)

    shut: list[object] = []
    return Telling, shut


class Wrong(socketserver.BaseRequestHandler):
    def handle(self):
        raise ValueError("for handle_error")


def test_what_a_handler_had_that_raised_goes_with_its_connection():
    had: list[weakref.ref[set[int]]] = []

    def handle(_):
        mine = set[int]()
        had.append(weakref.ref(mine))
        raise ValueError("for handle_error")

    class Quiet(ThreadingTCPServer):
        def handle_error(self, *_):
            """Say nothing."""

    gc.disable()  # it would come for what is in a circle
    try:
        with serving(handling(handle), Quiet) as server, connect(server):
            ended(server, "handler_error")
            wait_for(lambda: had[0]() is None, "the end of what it had")
    finally:
        gc.enable()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # nobody has closed what is dropped
def test_what_a_hook_has_told_handle_error_of_and_dropped_ends():
    class Dropping(ThreadingTCPServer):
        def process_request(self, request, client_address):
            try:
                raise ValueError("for handle_error")
            except ValueError:
                self.handle_error(request, client_address)  # which may keep it until the connection's end

    with serving(Echo, Dropping) as server, connect(server) as client:
        assert client.recv(1) == b""
        ended(server, "handler_error")


@pytest.mark.parametrize("threads", ["elastic", "per-connection"])
@pytest.mark.parametrize("raised", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_handle_error_that_ends_its_thread_has_the_connection_ended_once(monkeypatch, raised, threads):
    seen: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    kind, shut = telling(ThreadingTCPServer, raised)
    with running(subclass(kind, threads=threads)(HOST, Wrong)) as server:
        with connect(server) as client:
            assert client.recv(1) == b""
        ended(server, "handler_error")
        wait_for(lambda: seen, "the thread's hook")
    assert [each.exc_type for each in seen] == [raised]
    assert len(shut) == 1


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.UDPServer])
def test_a_handle_error_that_ends_the_program_leaves_nothing_open(base):
    kind, _ = telling(base, SystemExit)
    with observed(kind(HOST, Wrong)) as server, socket.socket(type=server.socket_type) as client:
        client.connect(server.server_address)
        client.send(b"x")
        with pytest.raises(SystemExit):
            server.serve_forever()
        assert not service_of(server).totals.records


@pytest.mark.parametrize("threads", ["elastic", "per-connection"])
def test_a_get_request_that_raises_what_is_no_exception_ends_the_loop(threads):
    class Ends(ThreadingTCPServer):
        taken = 0

        def get_request(self):
            received = super().get_request()
            self.taken += 1
            if self.taken == 3:
                received[0].close()
                raise KeyboardInterrupt("for who called serve_forever")
            return received

    with (
        concurrent.futures.ThreadPoolExecutor(1) as executor,
        subclass(Ends, threads=threads)(HOST, Echo) as server,
    ):
        loop = executor.submit(server.serve_forever)
        assert [ask(server) for _ in range(2)] == [b"x"] * 2
        with connect(server), pytest.raises(KeyboardInterrupt, match="for who called serve_forever"):
            loop.result(PATIENCE)
        wait_for(lambda: not sum(service_of(server).thread_counts[1:]), "the threads")


def test_a_client_that_is_being_verified_when_the_stop_comes_is_served():
    entered = threading.Event()

    class Slow(ThreadingTCPServer):
        def verify_request(self, request, client_address):
            entered.set()
            time.sleep(PAUSE)
            return super().verify_request(request, client_address)

    with serving(Echo, Slow) as server, connect(server) as client:
        client.sendall(b"x")
        assert entered.wait(PATIENCE)
        server.shutdown()
        server.server_close()
        assert figures(server).closed["ok"] == 1
        assert client.recv(100) == b"x"


class SlowLog(Told):
    def served(self, *args):
        time.sleep(PAUSE)
        super().served(*args)


@of_each_kind
def test_who_was_served_has_a_line_once_the_server_is_closed(kind, handler, ask_one):
    with serving(handler, kind) as server:
        log = logged(server, SlowLog())
        assert ask_one(server) == b"x"
        server.shutdown()
        server.server_close()
        assert log.lines == [("connection" if handler is Echo else "datagram", "ok")]


def test_case_16_a_log_that_raises_costs_no_reply(capfd):
    class BrokenLog:
        def served(self, *_args):
            raise OSError("log")

        event = repeated = served

    with serving() as server:
        logged(server, BrokenLog())
        assert [ask(server) for _ in range(20)] == [b"x"] * 20
        wait_for(lambda: figures(server).closed["ok"] == 20, "the end of all")
        service_of(server).log = None
    capfd.readouterr()


def test_a_server_that_could_not_serve_can_be_closed():
    server = make(Echo)
    server.socket.close()
    with pytest.raises((OSError, ValueError)):
        server.serve_forever()
    ends(in_a_thread(server.server_close), PATIENCE / 4)


def test_a_server_says_that_it_has_stopped_before_its_shutdown_returns():
    class Late(threading.Event):
        def set(self):
            time.sleep(0.2)  # in which whoever was told earlier would go on
            super().set()

    server = make(Echo)
    server._BaseServer__is_shut_down = stopped = Late()
    with running(server):
        assert ask(server) == b"x"
        server.shutdown()
        assert stopped.is_set()


def test_who_was_told_by_the_standard_librarys_mark_that_it_has_stopped_may_close_it_at_once():
    class Early(threading.Event):
        def set(self):
            super().set()
            time.sleep(0.2)  # in which whoever was told goes on

    server = make(Echo)
    server._BaseServer__is_shut_down = Early()
    with running(server):
        assert ask(server) == b"x"
        socketserver.BaseServer.shutdown(server)
        server.server_close()
        assert not server._BaseServer__shutdown_request  # or it would end at once where it is served again


def test_a_line_that_is_too_long_is_the_clients_doing_and_no_error_of_the_handlers():
    told = []

    class Server(ThreadingTCPServer):
        def handle_error(self, *client):
            told.append(client)

    def refuse(request):
        request.recv(100)
        raise LineTooLongError("more than 8 bytes")

    with serving(handling(refuse), Server) as server:
        with connect(server) as client:
            client.sendall(b"much too long")
            assert client.recv(100) == b""
        ended(server, "line_too_long")
    assert told == []


@pytest.mark.parametrize("threads", ["elastic", "per-connection"])
def test_a_server_may_bound_its_threads_where_the_standard_librarys_loop_takes_a_client(threads):
    class Few(ThreadingTCPServer):
        places = threading.BoundedSemaphore(2)

        def _handle_request_noblock(self):
            if self.places.acquire(timeout=0.05):
                super()._handle_request_noblock()  # type: ignore[misc]  # not in typeshed

        def shutdown_request(self, request):
            super().shutdown_request(request)
            self.places.release()

    with serving(Echo, subclass(Few, threads=threads)) as server:
        clients = [connect(server) for _ in range(6)]
        wait_for(lambda: count(server, "connections_open") == 2, "two of them")
        time.sleep(PAUSE)
        assert count(server, "connections_open") == 2
        for client in clients:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            client.close()
        ended(server, "ok", 6)
        wait_for(lambda: server.places._value == 2, "both places")


@pytest.mark.parametrize("base", [ThreadingTCPServer, ThreadingUDPServer])
def test_what_an_override_tells_handle_error_of_is_the_handlers_failure(base):
    class Copied(socketserver.BaseServer):
        def process_request_thread(self, request, client_address):
            try:
                self.finish_request(request, client_address)
            except Exception:  # noqa: BLE001 - as the standard library has it
                self.handle_error(request, client_address)
            finally:
                self.shutdown_request(request)

    def fail(_):
        raise ValueError("as asked")

    with (
        serving(handling(fail), type("Kind", (Copied, base), {})) as server,
        socket.socket(type=server.socket_type) as client,
    ):
        log = logged(server)
        client.connect(server.server_address)
        client.send(b"x")
        wait_for(lambda: [outcome for _, outcome in log.lines] == ["handler_error"], "the line")
        assert log.errors[0].startswith("ValueError: as asked (")


@pytest.mark.parametrize(
    ("by", "sent"),
    [
        ("close_request", b"x"),
        ("shutdown_request", b"x"),
        ("shutdown_request", b"x, and what is read away before it is closed"),
    ],
)
@pytest.mark.parametrize("way", ["as it is", "of a class of its own", "handed on"])
def test_what_an_override_has_closed_before_it_raises_is_not_closed_again(by, sent, way):
    calls = []

    class Server(ThreadingTCPServer):
        def get_request(self):
            request, client_address = super().get_request()
            of_its_own = {name: getattr(request, name) for name in ("recv", "fileno", "shutdown", "close")}
            return SimpleNamespace(**of_its_own) if "its own" in way else request, client_address

        def process_request_thread(self, request, client_address):
            try:
                self.finish_request(request, client_address)
            finally:
                getattr(self, by)(request)

        def shutdown_request(self, request):
            calls.append("shutdown_request")
            super().shutdown_request(request)

        def close_request(self, request):
            calls.append("close_request")
            super().close_request(request)

        def handle_error(self, *client):
            pass

    def fail(request):
        request.recv(1)
        raise ValueError("as asked")

    class Handing(Server):
        def process_request(self, request, client_address):
            super().process_request(request, client_address)

    with serving(handling(fail), Handing if way == "handed on" else Server) as server:
        with connect(server) as client:
            client.sendall(sent)
            assert client.recv(1) == b""
        ended(server, "handler_error")
        wait_for(lambda: "close_request" in calls, "the hook that closes")
    assert calls == (["close_request"] if by == "close_request" else ["shutdown_request", "close_request"])


def test_what_an_override_has_of_a_datagram_is_not_given_back_again_where_it_raises():
    calls = []

    class Server(ThreadingUDPServer):
        def process_request_thread(self, request, client_address):
            try:
                self.finish_request(request, client_address)
            finally:
                self.shutdown_request(request)

        def shutdown_request(self, request):
            calls.append("shutdown_request")
            super().shutdown_request(request)

        def handle_error(self, *client):
            pass

    def fail(_):
        raise ValueError("as asked")

    with serving(handling(fail), Server) as server, udp_client() as client:
        client.sendto(b"x", server.server_address)
        wait_for(lambda: figures(server).outcomes["handler_error"], "it is counted")
    assert calls == ["shutdown_request"]

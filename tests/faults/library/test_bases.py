"""A base class of the user's behind the mixin, `class Server(ThreadingMixIn, Base)`: its overrides hold."""

import abc
import contextlib
import inspect
import socketserver
import threading
import types
from typing import Any, Generic, TypeVar

import pytest
from prometheus_client import CollectorRegistry

import socketscope
from tests.threads import ends, in_a_thread

from .running import (
    HOST,
    PATIENCE,
    Echo,
    Reply,
    ask,
    connect,
    ended,
    figures,
    handling,
    logged,
    observed,
    running,
    subclass,
    udp_client,
    wait_for,
)

HOOKS = (
    "server_bind", "server_activate", "serve_forever", "service_actions", "get_request", "verify_request",
    "finish_request", "handle_error", "shutdown_request", "close_request", "shutdown", "server_close",
)  # fmt: skip


def telling(base: type, *, by_name: bool) -> Any:
    """Return a class that overrides all hooks, and goes on with the standard library's."""

    class Base(base):  # type: ignore[misc]
        def __init__(self, *args):
            self.called = []
            super().__init__(*args)

    def override(name):
        def hook(self, *args):
            if name not in self.called:
                self.called.append(name)
            return getattr(base if by_name else super(Base, self), name)(*((self,) if by_name else ()), *args)

        setattr(Base, name, hook)

    for name in HOOKS:
        override(name)
    return Base


WAYS = {
    "mixin": (socketscope.ThreadingMixIn, lambda server: server),
    "observed": (socketserver.ThreadingMixIn, observed),
    "observed without threads": (object, observed),
}


def made(way: str, base: type, handler: Any) -> Any:
    mixin, observe = WAYS[way]
    if mixin is object:
        return observe(base(HOST, handler))
    kind = type("Server", (mixin, base), {})
    return observe((subclass(kind) if mixin is socketscope.ThreadingMixIn else kind)(HOST, handler))


class Fails(Echo):
    def handle(self):
        super().handle()
        raise ValueError("for handle_error")


@pytest.mark.parametrize("by_name", [False, True], ids=["by super", "by name"])
@pytest.mark.parametrize("way", WAYS)
def test_what_a_base_overrides_is_called(way, by_name, capfd):
    server = made(way, telling(socketserver.TCPServer, by_name=by_name), Fails)
    with running(server):
        for number in range(1, 4):  # one after the other: threads that print at once mix their lines
            assert ask(server) == b"x"
            ended(server, "handler_error", number)
        wait_for(lambda: "service_actions" in server.called, "the supervisor")
    assert set(server.called) == set(HOOKS)
    assert capfd.readouterr().err.count("\nValueError: for handle_error\n") == 3


@pytest.mark.parametrize("way", WAYS)
def test_a_base_of_datagrams_is_called_too(way):
    server = made(way, telling(socketserver.UDPServer, by_name=False), Reply)
    with running(server), udp_client() as client:
        client.sendto(b"x", server.server_address)
        assert client.recv(10) == b"x"
        wait_for(lambda: "service_actions" in server.called, "the supervisor")
    assert set(server.called) == set(HOOKS) - {"handle_error"}


@pytest.mark.parametrize("way", WAYS)
def test_a_base_that_keeps_its_connections_has_them(way):
    class Chat(socketserver.TCPServer):
        members: tuple[Any, ...] = ()

        def shutdown_request(self, request):
            self.members += (request,)

    server = made(way, Chat, handling(lambda request: request.sendall(b"welcome")))
    with running(server), connect(server) as client:
        assert client.recv(100) == b"welcome"
        wait_for(lambda: server.members, "the handler's end")
        server.members[0].sendall(b"hello")
        assert client.recv(100) == b"hello"
        server.members[0].close()


@pytest.mark.parametrize("way", WAYS)
def test_a_base_whose_close_request_keeps_a_connection_has_it(way):
    kept = []

    class Keeps(socketserver.TCPServer):
        def shutdown_request(self, request):
            self.close_request(request)

        def close_request(self, request):
            kept.append(request)

    server = made(way, Keeps, Echo)
    with running(server):
        assert ask(server) == b"x"
        wait_for(lambda: kept, "the handler's end")
        assert kept[0].fileno() >= 0
        kept[0].close()


@pytest.mark.parametrize("way", ["observed", "observed without threads"])
def test_what_the_program_has_put_into_the_standard_librarys_classes_is_called(way, monkeypatch):
    called = []

    def put(kind, name):
        original = getattr(kind, name)

        def hook(self, *args):
            called.append(name)
            return original(self, *args)

        monkeypatch.setattr(kind, name, hook)

    expected = ["process_request", "shutdown_request"]
    put(socketserver.TCPServer, "shutdown_request")
    if way == "observed":
        put(socketserver.ThreadingMixIn, "process_request")
        put(socketserver.ThreadingMixIn, "process_request_thread")
        expected.insert(1, "process_request_thread")
    else:
        put(socketserver.BaseServer, "process_request")
    server = made(way, socketserver.TCPServer, Echo)
    with running(server):
        assert ask(server) == b"x"
        ended(server, "ok", 1)
        wait_for(lambda: called[-1:] == ["shutdown_request"], "the connection's end")
    assert called == expected


@pytest.mark.parametrize("way", ["observed", "observed without threads"])
def test_an_override_that_hands_on_to_what_the_program_has_put_there_meets_it(way, monkeypatch):
    called = []

    class Base(socketserver.TCPServer):
        def shutdown_request(self, request):
            called.append("the base's")
            super().shutdown_request(request)

    original = socketserver.TCPServer.shutdown_request

    def shutdown_request(self, request):
        called.append("the program's")
        original(self, request)

    monkeypatch.setattr(socketserver.TCPServer, "shutdown_request", shutdown_request)
    server = made(way, Base, Echo)
    with running(server):
        assert ask(server) == b"x"
        ended(server, "ok", 1)
        wait_for(lambda: called[1:], "the connection's end")
    assert called == ["the base's", "the program's"]


@pytest.mark.parametrize("way", ["observed", "observed without threads"])
def test_a_handle_error_that_the_program_has_put_there_is_called_while_the_log_tells_of_errors(
    way, monkeypatch
):
    told = []
    monkeypatch.setattr(socketserver.BaseServer, "handle_error", lambda *args: told.append(args))
    server = made(way, socketserver.TCPServer, Fails)
    with running(server):
        logged(server)
        ask(server)
        ended(server, "handler_error", 1)
        wait_for(lambda: told, "handle_error")


@pytest.mark.parametrize("way", WAYS)
def test_a_base_that_has_a_log_of_its_own_for_errors_keeps_it(way):
    told = []

    class Base(socketserver.TCPServer):
        def handle_error(self, request, client_address):  # noqa: ARG002
            told.append(client_address)

    server = made(way, Base, Fails)
    with running(server):
        logged(server)
        ask(server)
        ended(server, "handler_error")
    assert len(told) == 1


@pytest.mark.parametrize("way", WAYS)
def test_the_standard_librarys_loop_called_by_its_name_can_be_shut_down(way):
    class ByName(socketserver.TCPServer):
        def serve_forever(self, poll_interval=0.5):
            socketserver.TCPServer.serve_forever(self, poll_interval)

    server = made(way, ByName, Echo)
    thread = in_a_thread(server.serve_forever, 0.01)
    with server:
        assert ask(server) == b"x"
        server.shutdown()
        # It has waited for the loop's end, but for what the thread does after that.
        ends(thread, PATIENCE / 10)
        wait_for(lambda: figures(server).closed["ok"] == 1, "the count")


def test_a_loop_of_a_bases_own_is_the_one_that_runs():
    class Own(socketserver.TCPServer):
        def serve_forever(self, poll_interval=0.5):  # noqa: ARG002
            self.handle_request()

    class Server(socketscope.ThreadingMixIn, Own):
        pass

    with subclass(Server)(HOST, Echo) as server:
        thread = in_a_thread(server.serve_forever)
        assert ask(server) == b"x"
        ends(thread)
        ended(server, "ok")


def test_a_bases_loop_that_closes_in_the_end_has_closed():
    class Closes(socketserver.TCPServer):
        def serve_forever(self, poll_interval=0.5):
            with contextlib.suppress(KeyboardInterrupt):
                super().serve_forever(poll_interval)
            self.server_close()

        def service_actions(self):
            raise KeyboardInterrupt

    for way in WAYS:
        server = made(way, Closes, Echo)
        server.serve_forever()
        assert server.fileno() == -1, way


class Base(socketserver.TCPServer):
    def shutdown(self):
        super().shutdown()


class Root(socketserver.BaseServer):
    """A server that has no TCPServer among its bases."""


class Beside:
    """No server: where it stands behind one it overrides nothing."""

    def shutdown(self):
        raise AssertionError

    handle_error = close_request = shutdown


BASES: dict[str, tuple[Any, ...]] = {
    "TCPServer": (socketserver.TCPServer,),
    "a base": (Base,),
    "datagrams": (socketserver.UDPServer,),
    "no TCPServer": (Root,),
    "BaseServer itself": (socketserver.BaseServer,),
    "something behind": (Base, Beside),
    "two roots": (Base, Root),
    "abstract": (Base, abc.ABC),
}


def without_ours(kind: type) -> list[str]:
    return [each.__name__ for each in kind.__mro__ if not each.__module__.startswith("socketscope")]


@pytest.mark.parametrize("bases", BASES.values(), ids=BASES)
def test_the_order_of_a_class_and_of_one_that_derives_from_it_is_that_of_the_standard_librarys(bases):
    def classes(mixin):
        server = type("Server", (mixin, *bases), {})
        derived = type("Derived", (server,), {"__slots__": ("own",)})
        joined = type("Joined", (derived, Root), {})
        return server, derived, joined, type("Behind", (socketserver.ThreadingTCPServer, mixin), {})

    for ours, plain in zip(
        classes(socketscope.ThreadingMixIn), classes(socketserver.ThreadingMixIn), strict=True
    ):
        assert without_ours(ours) == [each.__name__ for each in plain.__mro__]
        assert ours.serve_forever.__module__ == "socketscope.serve.mixin"
        if issubclass(ours, socketserver.TCPServer):
            closes = "socketserver" if issubclass(ours, socketserver.UDPServer) else "socketscope.serve.mixin"
            assert ours.close_request.__module__ == closes


def test_a_mixin_that_stands_behind_does_nothing_as_ever_and_the_server_is_observed():
    threads = []

    class Notes(Echo):
        def handle(self):
            threads.append(threading.current_thread().name)
            super().handle()

    server = observed(type("Server", (socketserver.TCPServer, socketserver.ThreadingMixIn), {})(HOST, Notes))
    serving = threading.Thread(target=server.serve_forever, name="serving")
    serving.start()
    with server:
        assert [ask(server) for _ in range(3)] == [b"x"] * 3
        ended(server, "ok", 3)
        assert figures(server).accepted == 3
        server.shutdown()
    serving.join(PATIENCE)
    assert threads == ["serving"] * 3


def test_the_librarys_mixin_behind_a_server_is_refused_in_one_line():
    with pytest.raises(TypeError, match="^Server has ThreadingMixIn behind a server, [^\n]*$"):
        type("Server", (socketserver.TCPServer, socketscope.ThreadingMixIn), {})


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_the_source_of_the_class_of_an_observed_server_is_its_own(base):
    class Server(base):  # type: ignore[misc, valid-type]
        pass

    with observed(Server(HOST, Echo)) as server:
        assert type(server) is not Server
        assert inspect.getsource(type(server)) == inspect.getsource(Server)


@pytest.mark.parametrize("room", [{}, {"__slots__": ("own",)}], ids=["roomy", "slotted"])
@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_the_class_that_observe_makes_is_told_to_no_base_of_the_users(base, room):
    told = []

    class Plugin(type("Base", (base,), room)):  # type: ignore[misc]
        def __init_subclass__(cls, *, name, **more):
            super().__init_subclass__(**more)
            told.append(name)

    class Server(Plugin, name="mine"):
        pass

    with running(observed(Server(HOST, Echo))) as server:
        assert ask(server) == b"x"
        ended(server, "ok")
    assert told == ["mine"]


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_a_server_that_calls_super_by_the_class_it_says_it_is_of_calls_its_base(base):
    told = []

    class Server(base):  # type: ignore[misc, valid-type]
        served = 0

        def finish_request(self, request, client_address):
            self.__class__.served += 1
            super(self.__class__, self).finish_request(request, client_address)  # as people wrote it

        def server_close(self):
            told.append(self.__class__)
            super(self.__class__, self).server_close()

    with running(observed(Server(HOST, Echo))) as server:
        assert ask(server) == b"x"
        ended(server, "ok")
    assert told == [Server]
    assert Server.served == 1


Some = TypeVar("Some")


class Frozen(type):
    def __setattr__(cls, name, value):
        raise AttributeError(name)


class OfSome(Generic[Some]):
    pass


class NoRoom:
    __slots__ = ()


class Silent:
    def __init_subclass__(cls, **options):
        """Tell no other base."""


SHAPES = {
    "an abstract base": (abc.ABC,),
    "a generic base": (OfSome,),
    "a base without room": (NoRoom,),
    "a base that keeps new classes to itself": (Silent,),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("first", SHAPES.values(), ids=SHAPES)
def test_any_base_may_stand_first(way, first):
    mixin, observe = WAYS[way]
    mixins = () if mixin is object else (mixin,)
    kind: Any = types.new_class("Server", (*first, *mixins, socketserver.TCPServer))
    server = kind(HOST, Echo)
    if mixin is socketscope.ThreadingMixIn:
        socketscope.observe(server, registry=CollectorRegistry())
    else:
        observe(server)
    with running(server):
        assert ask(server) == b"x"
        ended(server, "ok")


def test_a_metaclass_may_let_nobody_change_its_classes():
    class Server(socketscope.ThreadingMixIn, socketserver.TCPServer, metaclass=Frozen):
        pass

    class Theirs(socketserver.ThreadingTCPServer, metaclass=Frozen):
        pass

    for server in (
        socketscope.observe(Server(HOST, Echo), registry=CollectorRegistry()),
        observed(Theirs(HOST, Echo)),
    ):
        with running(server):
            assert ask(server) == b"x"
            ended(server, "ok")


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_a_setattr_of_the_servers_own_is_told_of_nothing(base):
    def refuse(_, name, __):
        raise AttributeError(f"no {name} here")

    told = type("Told", (base,), {})
    with told(("127.0.0.1", 0), Echo) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(told, "__setattr__", refuse)
        assert socketscope.observe(server, registry=CollectorRegistry()) is server

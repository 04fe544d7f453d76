"""Sockets of somebody else's, which become observed ones and stay what they are."""

import gc
import os
import socket
import ssl
import weakref
from contextvars import copy_context

import pytest

from socketscope.observe.adoption import (
    AdoptedSocket,
    ListeningSocket,
    ObservedSocket,
    adopt,
    prepare,
    watch_end,
)
from socketscope.observe.datagrams import DatagramSocket, NotingDatagrams
from socketscope.observe.noting import Noting
from socketscope.observe.record import Record
from socketscope.observe.served import current
from socketscope.observe.tls import NotingTLS
from socketscope.observe.totals import Capacity, StreamTotals


class Mine(socket.socket):
    """With a constructor, an attribute and a method of its own."""

    def __init__(self, fileno):
        super().__init__(fileno=fileno)
        self.mine = "kept"

    def recv(self, size):  # type: ignore[override]  # as people write it
        return super().recv(size).upper()

    def sendall(self, data):  # type: ignore[override]  # the same
        for byte in data:
            self.send(bytes([byte]).lower())


class Slotted(socket.socket):
    __slots__ = ("room",)


class Incomparable(socket.socket):
    """One that can be the key of no map."""

    __hash__ = None  # type: ignore[assignment]


class Refusing:
    """No socket, and none that can become one."""

    __slots__ = ("sock",)

    def __init__(self, sock):
        self.sock = sock


@pytest.fixture
def record():
    return Record(StreamTotals(Capacity(1)), "", 0.0)


def talk(near, far):
    far.sendall(b"four")
    assert near.recv(10).lower() == b"four"
    near.sendall(b"five!")
    assert far.recv(10) == b"five!"


def pair(kind):
    near, far = socket.socketpair()
    return kind(fileno=near.detach()), far


@pytest.mark.parametrize(
    "kind",
    [ObservedSocket, Mine, Slotted, Incomparable, socket.socket],
    ids=["accepted", "mine", "slotted", "incomparable", "plain"],
)
def test_a_socket_stays_the_same_object_of_its_own_class_and_counts(record, kind):
    near, far = pair(kind)
    with near, far:
        adopt(near, record)
        assert record.socket is near
        assert isinstance(near, kind)
        assert isinstance(near, Noting)
        talk(near, far)
        assert (record.received, record.sent) == (4, 5)


def test_what_is_the_users_stays_so(record):
    near, far = pair(Mine)
    with near, far:
        adopt(near, record)
        assert (type(near).__name__, type(near).__module__) == ("Mine", __name__)
        assert near.mine == "kept"
        near.more = "too"
        far.sendall(b"loud")
        assert near.recv(10) == b"LOUD"
        near.sendall(b"QUIET")
        assert far.recv(10) == b"quiet"
        assert (record.received, record.sent, record.exchanges) == (4, 5, 1)


class Told(socket.socket):
    def __init_subclass__(cls, *, name):
        pytest.fail(f"told of {name}")


class Frozen(type):
    def __setattr__(cls, name, value):
        raise AttributeError(name)


class OfAFrozenClass(socket.socket, metaclass=Frozen):
    pass


class Alone(type):
    def __new__(cls, name, bases, namespace):
        if socket.socket not in bases:
            raise RuntimeError("nobody derives from this")
        return super().__new__(cls, name, bases, namespace)


class OfNoOtherClass(socket.socket, metaclass=Alone):
    pass


class Equal(socket.socket):
    """One that has no room of its own, and is another's equal."""

    __slots__ = ()

    def __eq__(self, other):
        return isinstance(other, socket.socket)

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(("kind", "seen"), [(Told, 4), (OfAFrozenClass, 4), (OfNoOtherClass, 0), (Equal, 0)])
def test_a_class_that_resists_has_its_sockets_served(record, kind, seen):
    near, far = pair(kind)
    with near, far:
        adopt(near, record)
        talk(near, far)
        assert record.received == seen
        assert near.__class__ is kind


@pytest.mark.parametrize("kind", [Told, OfAFrozenClass, OfNoOtherClass, Equal])
def test_a_class_that_resists_has_its_listeners_served(kind):
    with listener(kind, socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        prepare(server)
        client.sendto(b"four", server.getsockname())
        assert server.recvfrom(10)[0] == b"four"
        assert server.__class__ is kind


class Old(socket.socket):
    """One that calls its base as people did before `super()` could tell by itself."""

    def recv(self, size):  # type: ignore[override]  # as people write it
        return super(self.__class__, self).recv(size)

    def sendto(self, data, address):  # type: ignore[override]  # the same
        return super(self.__class__, self).sendto(data, address)


@pytest.mark.parametrize("handed_on", [False, True])
def test_a_socket_says_that_it_is_of_the_users_class(record, handed_on):
    near, far = pair(Old)
    with near, far:
        adopt(near, record)
        assert not handed_on or watch_end(record, lambda _: None)
        assert near.__class__ is Old
        talk(near, far)
        assert (record.received, record.sent) == (4, 5)
        with near.dup() as twin:
            assert twin.__class__ is Old
            talk(twin, far)
            assert (record.received, record.sent) == (8, 10)


def test_a_socket_of_datagrams_and_its_duplicate_say_that_they_are_of_the_users_class():
    with listener(Old, socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        prepare(server)
        client.bind(("127.0.0.1", 0))
        with server.dup() as twin:
            for each in (server, twin):
                assert each.__class__ is Old
                assert isinstance(each, NotingDatagrams)
                assert each.sendto(b"x", client.getsockname()) == 1


class Proxy(Refusing):
    """One that says that it is what it has in it."""

    __class__ = property(lambda self: type(self.sock))


def test_what_only_says_that_it_is_an_observed_socket_is_none(record):
    near, far = pair(ObservedSocket)
    with near, far:
        adopt(Proxy(near), record)
        assert near._socketscope is None
        context = copy_context()
        context.run(current.set, record)
        context.run(talk, near, far)
        assert (record.received, record.sent) == (4, 5)
        assert not watch_end(record, lambda _: None)


@pytest.mark.parametrize("way", ["record", "none", "ended", "socket"])
def test_what_a_listener_handed_out_counts_for_the_request_that_has_it_in_it(record, way):
    near, far = pair(ObservedSocket)
    with near, far, socket.socket() as another:
        adopt(another if way == "socket" else Refusing(near), record)
        record.closed = way == "ended"
        context = copy_context()
        context.run(current.set, None if way == "none" else record)
        context.run(talk, near, far)
        assert (record.received, record.sent) == ((4, 5) if way == "record" else (0, 0))


def test_sockets_of_a_class_are_observed_by_one_class(record):
    (one, far), (two, another) = pair(Mine), pair(Mine)
    with one, far, two, another:
        adopt(one, record)
        adopt(two, record)
        assert type(one) is type(two)
        kind = type(one)
        adopt(one, record)
        assert type(one) is kind


def test_a_plain_socket_has_its_record_as_long_as_it_lives(record):
    near, far = pair(socket.socket)
    adopt(near, record)
    assert type(near) is AdoptedSocket
    known = weakref.ref(near)
    record.socket = None
    near.close()
    far.close()
    del near
    gc.collect()
    assert known() is None


def test_a_tls_socket_counts_plain_bytes(record):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    near, far = socket.socketpair()
    with context.wrap_socket(near, server_side=True, do_handshake_on_connect=False) as tls, far:
        adopt(tls, record)
        assert isinstance(tls, ssl.SSLSocket)
        assert isinstance(tls, NotingTLS)
        far.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ssl.SSLError):
            tls.do_handshake()
        assert (record.received, record.outcome) == (0, "tls_error")


@pytest.mark.parametrize("request_", [Refusing(None), None, 5, object()])
def test_what_is_no_socket_is_left_alone(record, request_):
    kind = type(request_)
    adopt(request_, record)
    assert type(request_) is kind
    assert record.socket is request_


@pytest.mark.parametrize("handed_on", [False, True])
@pytest.mark.parametrize("kind", [ObservedSocket, Mine, socket.socket], ids=["accepted", "mine", "plain"])
def test_who_prints_a_socket_reads_what_it_is_to_the_program(kind, handed_on, record):
    near, far = pair(kind)
    with near, far:
        adopt(near, record)
        assert not handed_on or watch_end(record, lambda _: None)
        name = f"{Mine.__module__}.Mine" if kind is Mine else "socket.socket"
        assert repr(near).startswith(f"<{name} fd={near.fileno()}, ")
        assert type(near).__name__ == name.rpartition(".")[2]
        with pytest.raises(TypeError, match=f"^'{type(near).__name__}' object is not iterable$"):
            iter(near)


@pytest.mark.parametrize("type_", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_who_prints_a_listener_reads_what_it_is_to_the_program(type_):
    with listener(type_=type_) as server:
        plain = repr(server)
        prepare(server)
        assert repr(server) == plain


def listener(kind=socket.socket, type_=socket.SOCK_STREAM):
    made = kind(socket.AF_INET, type_)
    made.bind(("127.0.0.1", 0))
    if type_ == socket.SOCK_STREAM:
        made.listen()
    return made


class Listener(socket.socket):
    def recvfrom(self, size):  # type: ignore[override]  # as people write it
        return super().recvfrom(size)[0].upper(), None


def test_a_plain_listener_hands_out_observed_sockets():
    with listener() as server:
        prepare(server)
        prepare(server)
        assert type(server) is ListeningSocket
        with socket.create_connection(server.getsockname()) as client:
            near, address = server.accept()
            with near:
                assert type(near) is ObservedSocket
                assert address == client.getsockname()
                assert (near.family, near.type) == (socket.AF_INET, socket.SOCK_STREAM)
                assert near.gettimeout() is None
                talk(near, client)


@pytest.mark.parametrize("timeout", [None, 5.0, 0.0])
@pytest.mark.parametrize("default", [None, 3.0])
def test_what_it_hands_out_waits_as_what_a_plain_one_does(timeout, default):
    waits = []
    for observed in (False, True):
        with listener() as server:
            server.settimeout(timeout)
            if observed:
                prepare(server)
            with socket.create_connection(server.getsockname()):
                socket.setdefaulttimeout(default)
                try:
                    near, _ = server.accept()
                finally:
                    socket.setdefaulttimeout(None)
                with near:
                    waits.append((near.gettimeout(), os.get_blocking(near.fileno())))
    assert waits[0] == waits[1]


@pytest.mark.parametrize("handed_on", [False, True])
def test_a_class_that_nobody_has_any_more_goes(record, handed_on):
    kind: type[socket.socket] | None = type("Passing", (socket.socket,), {})
    near, far = pair(kind)
    with near, far:
        adopt(near, record)
        assert not handed_on or watch_end(record, lambda _: None)
        known = weakref.ref(kind)
    record.socket = kind = near = None
    gc.collect()
    assert known() is None


def test_a_class_of_listeners_that_nobody_has_any_more_goes():
    kind: type[socket.socket] | None = type("Passing", (socket.socket,), {})
    with listener(kind, socket.SOCK_DGRAM) as server:
        prepare(server)
        known = weakref.ref(kind)
    kind = server = None
    gc.collect()
    assert known() is None


def test_a_class_may_be_of_connections_and_of_datagrams(record):
    class Both(socket.socket):
        pass

    near, far = pair(Both)
    with near, far, listener(Both, socket.SOCK_DGRAM) as server:
        adopt(near, record)
        prepare(server)
        assert isinstance(near, AdoptedSocket)
        assert isinstance(server, NotingDatagrams)


@pytest.mark.parametrize("what", [None, 5, object()])
def test_a_listener_that_is_no_socket_is_left_alone(what):
    prepare(what)


def test_a_listener_of_the_users_class_hands_out_what_it_does():
    with listener(Listener) as server:
        prepare(server)
        assert type(server) is Listener


@pytest.mark.parametrize(("kind", "observed"), [(socket.socket, DatagramSocket), (Listener, NotingDatagrams)])
def test_a_socket_of_datagrams_stays_what_it_is(kind, observed):
    with listener(kind, socket.SOCK_DGRAM) as server:
        prepare(server)
        first = type(server)
        prepare(server)
        assert type(server) is first
        assert isinstance(server, observed)
        assert isinstance(server, kind)
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.sendto(b"loud", server.getsockname())
            assert server.recvfrom(10)[0] == (b"loud" if kind is socket.socket else b"LOUD")

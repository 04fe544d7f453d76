"""Making any socket an observed one: it stays the same object, but of another class."""

import socket
import ssl
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from io import DEFAULT_BUFFER_SIZE
from multiprocessing import reduction
from types import FrameType
from typing import Any, Self

from socketscope.forks import OfProcess
from socketscope.observe.datagrams import DatagramSocket, NotingDatagrams
from socketscope.observe.noting import PLAIN, Leaving, Noting, family_of, type_of
from socketscope.observe.reader import Reader, buffered
from socketscope.observe.record import Record
from socketscope.observe.served import get_current
from socketscope.observe.sockets import NotingStream
from socketscope.observe.tls import NotingTLS

_records: "weakref.WeakKeyDictionary[socket.socket, Record | None]" = weakref.WeakKeyDictionary()

# Held while watching for the end of a socket begins, and while a TLS socket takes its place.
_turn = OfProcess(threading.RLock)


class Upgradable(NotingStream):
    """A stream socket that a handler may wrap for TLS: the TLS socket is then observed in its place."""

    __slots__ = ()

    def detach(self) -> int:
        """Give the descriptor away, as the base class does."""
        if (record := self._socketscope) is not None and (wrapping := _wrapping(self)) is not None:
            _replace(self, wrapping, record)
        return super().detach()

    def dup(self) -> Self:
        """Return another socket of the same connection; what passes through it counts as well."""
        twin = super().dup()
        twin.__class__ = type(self)  # not `self.__class__`, which may be another
        twin._socketscope = self._socketscope  # noqa: SLF001 - of its own class
        return twin


class ObservedSocket(Upgradable, socket.socket):
    """A connection's socket, as a listener of this library accepts it; without a record, a plain one."""

    __slots__ = ("_socketscope",)

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:  # noqa: A002 - the base's name
        PLAIN.__init__(self, family, type, proto, fileno)
        self._socketscope: Record | None = None

    def _join(self) -> Record | None:
        """Count for the client being served if its request is a user's object that wraps this socket."""
        record = get_current()
        if isinstance(record, Record) and not (record.closed or issubclass(type(record.request), Noting)):
            self._socketscope = record
        return self._socketscope

    def makefile(self, mode: str = "r", buffering: int | None = None, **text: Any) -> Any:
        """Return a file object, as the base class does."""
        if mode != "rb" or buffering == 0:
            return super().makefile(mode, buffering, **text)  # type: ignore[call-overload]  # the same
        self._io_refs += 1  # type: ignore[attr-defined]  # not in typeshed
        size = DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
        return buffered(Reader(self), size)


class AdoptedSocket(Upgradable, socket.socket):
    """A plain socket that a hook has returned; it has no room for a record of its own."""

    __slots__ = ()

    @property
    def _socketscope(self) -> Record | None:
        return _records.get(self)

    @_socketscope.setter
    def _socketscope(self, record: Record | None) -> None:
        _records[self] = record


class Unwrapped(Upgradable, socket.socket):
    """The class of a TLS socket whose session has ended."""

    __slots__ = ()


class AdoptedTLS(NotingTLS, ssl.SSLSocket, Unwrapped):  # type: ignore[misc]  # as in `tls`
    """A TLS socket that a hook or a TLS listener has returned."""

    _socketscope: Record | None = None


class ListeningSocket(socket.socket):
    """A listener whose connections are observed sockets."""

    __slots__ = ()

    def accept(self) -> tuple[ObservedSocket, Any]:
        """Accept a connection, as the base class does."""
        # Without the detour over a plain socket and its three enumerations. The new socket blocks: on Linux
        # it inherits no mode of its listener's, which the base class would undo.
        descriptor, address = self._accept()  # type: ignore[attr-defined]  # not in typeshed
        return ObservedSocket(family_of(self), type_of(self), self.proto, descriptor), address


def is_socket(thing: Any) -> bool:
    """Return whether something is a socket, and does not only claim to be one, as a mock or a proxy does."""
    return issubclass(type(thing), socket.SocketType)


def adopt(request: Any, record: Record) -> None:
    """Note in a record what passes through a request, if it is a socket of any class."""
    record.socket = request
    kind = type(request)  # not `request.__class__`, which may be another
    if not issubclass(kind, Noting):
        if not is_socket(request):
            return
        try:
            request.__class__ = _observed(kind)
        except Exception:  # noqa: BLE001 - its layout leaves no room, or its metaclass has a say
            return
    request._socketscope = record  # noqa: SLF001 - its own attribute


def prepare(listener: Any) -> None:
    """Make a plain listener accept observed sockets, and one of datagrams count what passes through it."""
    if not is_socket(listener):
        return
    if listener.type != socket.SOCK_DGRAM:
        if type(listener) is PLAIN:
            listener.__class__ = ListeningSocket
    elif not isinstance(listener, NotingDatagrams):
        with suppress(Exception):  # as in `adopt`
            listener.__class__ = _behind(type(listener), DatagramSocket)


def _wrapping(sock: socket.socket) -> ssl.SSLSocket | None:
    """Return the TLS socket that is being made of a socket; only a frame of its maker refers to it yet."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - there is no other way, and it is everywhere
    while frame is not None:
        # By its name: gevent's stand-in for the class lacks the function.
        wraps = frame.f_globals is vars(ssl) and frame.f_code.co_qualname == "SSLSocket._create"
        if wraps and frame.f_locals["sock"] is sock:
            wrapping: ssl.SSLSocket = frame.f_locals["self"]
            return wrapping
        frame = frame.f_back
    return None


def watch_end(record: Record, drop: Callable[[Any], None]) -> bool:
    """Have `record.left` called when the record's socket is closed.

    Args:
        record: What is counted; it no longer keeps its socket alive.
        drop: Called once nothing refers to the socket any more.

    Returns:
        Whether its end can be noticed, as that of an observed socket can.
    """
    with _turn.own:
        request = record.socket
        kind = type(request)  # not `request.__class__`, which may be another
        if issubclass(kind, Noting) and not issubclass(kind, Leaving):
            request.__class__ = kind = _leaving(kind)
        with suppress(TypeError):
            record.socket = weakref.ref(request, drop)
        return issubclass(kind, Leaving)


def _replace(sock: Noting, wrapping: ssl.SSLSocket, record: Record) -> None:
    """Move a record to the TLS socket that is being made of its own; it ends with that."""
    with _turn.own:
        known = record.socket
        adopt(wrapping, record)
        sock._socketscope = None  # noqa: SLF001 - its own attribute
        if isinstance(known, weakref.ref):  # it was handed on
            watch_end(record, known.__callback__)


def _leaving(kind: type) -> type:
    def make() -> type:
        names = {"__slots__": (), "__module__": kind.__module__, "__qualname__": kind.__qualname__}
        leaving = type(kind.__name__, (Leaving, kind), names)
        if kind in {ObservedSocket, AdoptedSocket}:
            reduction.register(leaving, _reduce)
        return leaving

    return _kept(kind, Leaving, make)


def _observed(kind: type) -> type:
    if issubclass(kind, ssl.SSLSocket):
        return _behind(kind, AdoptedTLS)
    room = {"_socketscope": None} if kind.__dictoffset__ else {}
    if not room and kind.__hash__ is not object.__hash__:
        raise TypeError("it has no room, and another may have its place in a map")
    return _behind(kind, AdoptedSocket, **room)


def _behind(kind: type, observed: type, **attributes: Any) -> type:
    """Return a class with the methods of a user's class, and an observed socket behind them."""
    if issubclass(observed, kind):
        return observed
    # Overrides in the user's class are called as ever; what they pass on to their base is noted.
    attributes |= {"__module__": kind.__module__, "__doc__": kind.__doc__}
    attributes |= {"__slots__": (), "__class__": posing_as(kind)}
    bases = (Unannounced, kind, observed)
    return _kept(kind, observed, lambda: type(kind.__name__, bases, attributes))


class Unannounced:
    """First base of a class made here, so that no `__init_subclass__` of the user's is called for it."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        pass


def posing_as(kind: type) -> property:
    """Return a `__class__` by which an object claims to be of a class that its own is derived from.

    Else `super(self.__class__, self)`, as some wrote it in methods of that class, would never end.
    """
    return property(lambda _: kind, vars(object)["__class__"].__set__)


def _kept(kind: type, observed: type, make: Callable[[], type]) -> type:
    """Return the class that is made of another, which keeps it, so that both are freed together."""
    name = f"_socketscope_{id(observed)}"
    made: type | None = vars(kind).get(name)
    if made is None:
        made = make()
        type.__setattr__(kind, name, made)  # past a metaclass that lets nobody change its classes
    return made


def _reduce(sock: socket.socket) -> Any:
    # As the standard library does for its own class, and no other.
    return _rebuild, (reduction.DupFd(sock.fileno()), family_of(sock), type_of(sock), sock.proto)


def _rebuild(handle: Any, family: int, kind: int, protocol: int) -> socket.socket:
    return socket.socket(family, kind, protocol, handle.detach())


for _class in (ObservedSocket, AdoptedSocket, ListeningSocket, DatagramSocket):
    reduction.register(_class, _reduce)

# Who prints one of their objects, or what it raises, is to read the name of the standard library's class.
for _named in (ObservedSocket, AdoptedSocket, ListeningSocket, DatagramSocket, Unwrapped, AdoptedTLS):
    _theirs = ssl.SSLSocket if issubclass(_named, ssl.SSLSocket) else PLAIN
    _named.__module__ = _theirs.__module__
    _named.__name__ = _named.__qualname__ = _theirs.__name__

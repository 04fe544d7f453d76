"""What makes a server an observed one: the standard library's methods, passed on to the service beside it."""

import socket
from functools import cached_property, partial
from socketserver import BaseServer, TCPServer
from socketserver import ThreadingMixIn as TheirThreadingMixIn
from typing import Any

from socketscope.observe.served import get_current
from socketscope.serve.datagrams import DatagramService
from socketscope.serve.listeners import paths
from socketscope.serve.options import Options, declare, declared, overrides
from socketscope.serve.service import Service
from socketscope.serve.streams import StreamService


def make_service(server: Any, options: Options) -> Service:
    """Return a new service for a server, of the kind of its socket."""
    sock = getattr(server, "socket", None)
    # A stand-in for a socket may have only the attributes that socketserver uses.
    unix = getattr(sock, "family", None) == socket.AF_UNIX
    if getattr(sock, "type", None) == socket.SOCK_DGRAM:
        return DatagramService(server, options, "unixgram" if unix else "udp")
    return StreamService(server, options, "unix" if unix else "tcp")


def make_first_service(server: Any) -> Service:
    """Return the service beside a server: a new one, unless another thread has made it meanwhile."""
    made = make_service(server, declared(type(server)))
    return vars(server).setdefault("_socketscope", made)  # type: ignore[no-any-return]


def service_of(server: Any) -> Service:
    """Return the service beside an observed server."""
    return server._socketscope  # type: ignore[no-any-return]  # noqa: SLF001 - our own attribute


class Observed(BaseServer):
    """A server that is observed.

    It stands right before `socketserver.BaseServer`, behind all classes of the user's: an override that calls
    `super` gets the library's method in place of the standard library's, and any other has its own way.
    """

    @cached_property
    def _socketscope(self) -> Service:
        # Made when first needed, as a subclass' constructor may not call ours.
        return make_first_service(self)

    def serve_forever(self, poll_interval: float | None = 0.5) -> None:
        """Serve until `shutdown`."""
        self._socketscope.serve(self, poll_interval)

    def shutdown(self) -> None:
        """Have `serve_forever` end; wait for that, unless called by the thread that runs it."""
        self._socketscope.shutdown(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the traceback, as the base class does, unless the log tells of the error."""
        self._socketscope.note_handled()  # the caller may be an override that lets nobody else see the error
        if self._socketscope.log is None:
            super().handle_error(request, client_address)

    def _handle_request_noblock(self) -> None:
        self._socketscope.handle_one(self)


class Closing(TCPServer):
    """A server that loses no reply at the end of a connection; it stands right before `TCPServer`."""

    _socketscope: Any  # as `Observed` has it

    def shutdown_request(self, request: Any) -> None:
        """Close for writing, and altogether once nothing unread could cost the client its reply."""
        self._socketscope.end_request(self, request)

    def close_request(self, request: Any) -> None:
        """Close, also where a handler has left a file object of the socket open."""
        super().close_request(request)
        self._socketscope.close_for_good(request)


class Handing:
    """The methods that handle a request; they stand before the standard library's."""

    _socketscope: Any  # as `Observed` has it

    def process_request(self, request: Any, client_address: Any) -> None:
        """Have the request handled, in this thread once the user's hooks have returned."""
        self._socketscope.hand(self, request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> Any:
        """Run the handler; return what an override behind the mixin returns."""
        serving, service = get_current(), self._socketscope
        if serving is not None and serving.socket is request and not service.hooks.processes:
            return super().finish_request(request, client_address)  # type: ignore[misc]
        run = partial(super().finish_request, request, client_address)  # type: ignore[misc]
        return service.finish(request, client_address, run)


class Serial(Handing, Observed):
    """An observed server without threads; it stands where `Observed` does."""


class Listening:
    """The methods that open and close a listener; they stand before the standard library's."""

    _socketscope: Any  # as `Observed` has it

    def server_activate(self) -> None:
        """Listen, and show the listener's metrics."""
        super().server_activate()  # type: ignore[misc]
        self._socketscope.show(self)

    def server_close(self) -> None:
        """Serve clients who wait, close, let those being served finish, force the rest at the deadline."""
        self._socketscope.close(self, super().server_close)  # type: ignore[misc]


class ListeningBehind(Listening, TCPServer):
    """The same right before `TCPServer`, for a class that nothing can stand in front of."""


class ThreadingMixIn(Handing, Listening, TheirThreadingMixIn):
    """`socketserver.ThreadingMixIn`, observed; for any class that it can be used with.

    Its options are keywords of the class statement: `limits`, `listener`, `registry`, `threads`,
    `processors` and `tls`; see `Options`.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        rest = declare(cls, options)
        if not overrides(cls, ThreadingMixIn):
            raise TypeError(f"{cls.__name__} has ThreadingMixIn behind a server, where it does nothing")
        take_places(cls)
        super().__init_subclass__(**rest)

    @cached_property
    def _socketscope(self) -> Service:
        take_places(type(self))  # a base in front may have kept the new class to itself
        return make_first_service(self)

    def server_bind(self) -> None:
        """Bind; a Unix path is taken over from a dead server, but from no other.

        Raises:
            OSError: Somebody is there.
        """
        self._socketscope.listener = None  # a previous one must not keep the address
        self._socketscope.held = paths.bind(self, super().server_bind)  # type: ignore[misc]

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Run the handler, record how it ended, then close."""
        self._socketscope.handle(self, request, client_address)


def take_places(kind: type) -> None:
    """Put the library's methods right before the standard library's, in a class of threading servers."""
    stand_before(TCPServer, Closing, kind)
    stand_before(BaseServer, Observed, kind)


def stand_before(theirs: type, ours: type, kind: type) -> None:
    """Put one class right before another in the bases of a third; all else stays where it is."""
    order = kind.__mro__
    if theirs in order and order[(place := order.index(theirs)) - 1] is not ours:
        # A class' bases stand in the order of its MRO.
        bases = kind.__bases__
        at = sum(order.index(base) < place for base in bases)
        # Past a metaclass that does not let its classes be changed.
        type.__setattr__(kind, "__bases__", (*bases[:at], ours, *bases[at:]))

"""What makes a server an observed one: the standard library's methods, handed to the service beside it."""

import socket
import socketserver
from functools import cached_property, partial
from typing import Any

from socketscope.observe.record import current
from socketscope.serve import paths
from socketscope.serve.datagrams import DatagramService
from socketscope.serve.options import Options, declare, declared
from socketscope.serve.service import Service
from socketscope.serve.streams import StreamService


def make_service(server: Any, options: Options) -> StreamService | DatagramService:
    """Return a new service for a server, of the kind of its socket."""
    sock = getattr(server, "socket", None)
    unix = sock is not None and sock.family == socket.AF_UNIX
    if sock is not None and sock.type == socket.SOCK_DGRAM:
        return DatagramService(server, options, "unixgram" if unix else "udp")
    return StreamService(server, options, "unix" if unix else "tcp")


def service_of(server: Any) -> StreamService | DatagramService:
    """Return the service beside an observed server."""
    return server._socketscope  # type: ignore[no-any-return]  # noqa: SLF001 - our own attribute


class Observed:
    """A server that is observed, with the threads that it has.

    It and `Closing` are bases of no kind: where the interpreter puts them among a server's classes is what
    counts; that there is a server's method behind theirs is not for a type checker to see.
    """

    @cached_property
    def _socketscope(self) -> StreamService | DatagramService:
        # Whatever constructors there were, it is made when it is first needed.
        return make_service(self, declared(type(self)))

    def server_activate(self) -> None:
        """Listen, and show the listener's metrics."""
        super().server_activate()  # type: ignore[misc]
        self._socketscope.show(self)

    def serve_forever(self, poll_interval: float | None = 0.5) -> None:
        """Serve until `shutdown`."""
        self._socketscope.serve(self, poll_interval)

    def shutdown(self) -> None:
        """Have `serve_forever` end; wait for that, unless called by the thread that runs it."""
        self._socketscope.shutdown()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Have the request handled, by this thread where the user's hooks have returned."""
        self._socketscope.hand(self, request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Run the handler."""
        serving, hooks = current.get(), self._socketscope.hooks
        if serving is not None and serving.socket is request and not hooks.processes:
            super().finish_request(request, client_address)  # type: ignore[misc]
        else:
            run = partial(super().finish_request, request, client_address)  # type: ignore[misc]
            self._socketscope.finish(request, client_address, run)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the traceback, as the base class does, unless the log tells of the error."""
        if self._socketscope.log is None:
            super().handle_error(request, client_address)  # type: ignore[misc]

    def _handle_request_noblock(self) -> None:
        self._socketscope.handle_one(self)


class Serial(Observed, socketserver.BaseServer):
    """A server without threads that is observed; it stands right before `socketserver.BaseServer`."""


class Closing:
    """A server whose end loses nobody; it stands before the class that closes the listener."""

    def server_close(self) -> None:
        """Serve who waits, close, and let what is being served end; force the rest at the deadline."""
        service: Service = self._socketscope  # type: ignore[attr-defined]  # of the class beside it
        service.close(self, super().server_close)  # type: ignore[misc]


class ThreadingMixIn(Observed, Closing, socketserver.ThreadingMixIn):
    """`socketserver.ThreadingMixIn`, observed; for any class that that one is for.

    Its options are keywords of the class statement: `limits`, `listener`, `registry`, `threads`,
    `processors` and `tls`, as `Options` has them.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**declare(cls, options))

    def server_bind(self) -> None:
        """Bind; a Unix path is taken over from a server that is dead, and from no other.

        Raises:
            OSError: Somebody is there.
        """
        self._socketscope.held = paths.bind(self, super().server_bind)  # type: ignore[misc]

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Run the handler, record how it ended, then close."""
        self._socketscope.handle(self, request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close for writing, and altogether once nothing unread could cost the client its reply."""
        self._socketscope.shut_down(self, request)

    def close_request(self, request: Any) -> None:
        """Close, also where a handler has left a file object of the socket open."""
        super().close_request(request)  # type: ignore[misc]
        self._socketscope.close_for_good(request)

"""What makes a server an observed one: the standard library's methods, handed to the service beside it."""

import socket
import socketserver
import threading
from functools import partial
from typing import Any

from socketscope.serve import paths
from socketscope.serve.datagrams import DatagramService
from socketscope.serve.options import Options, declare, declared
from socketscope.serve.service import Service
from socketscope.serve.streams import StreamService

_making = threading.Lock()


def service_of(server: Any) -> StreamService | DatagramService:
    """Return the service beside a server; it is made when it is first asked for."""
    found: StreamService | DatagramService | None = vars(server).get("_socketscope")
    return found if found is not None else renew(server, declared(type(server)))


def renew(server: Any, options: Options) -> StreamService | DatagramService:
    """Have a server that does not serve yet observed with these options."""
    sock = getattr(server, "socket", None)
    datagrams = sock is not None and sock.type == socket.SOCK_DGRAM
    unix = sock is not None and sock.family == socket.AF_UNIX
    with _making:
        earlier: Service | None = vars(server).get("_socketscope")
        if earlier is not None:
            earlier.forget()
        made = (
            DatagramService(server, options, "unixgram" if unix else "udp")
            if datagrams
            else StreamService(server, options, "unix" if unix else "tcp")
        )
        vars(server)["_socketscope"] = made
    return made


class Observed:
    """A server that is observed, with the threads that it has.

    It and `Closing` are bases of no kind: where the interpreter puts them among a server's classes is what
    counts; that there is a server's method behind theirs is not for a type checker to see.
    """

    def server_activate(self) -> None:
        """Listen, and show the listener's metrics."""
        super().server_activate()  # type: ignore[misc]
        service_of(self).show(self)

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until `shutdown`."""
        service_of(self).serve(self, poll_interval)

    def shutdown(self) -> None:
        """Have `serve_forever` end; wait for that, unless called by the thread that runs it."""
        service_of(self).shutdown()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Have the request handled, by this thread where the user's hooks have returned."""
        service_of(self).hand(self, request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Run the handler."""
        service = service_of(self)
        if service.serves(request):
            super().finish_request(request, client_address)  # type: ignore[misc]
        else:
            run = partial(super().finish_request, request, client_address)  # type: ignore[misc]
            service.finish(request, client_address, run)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the traceback, as the base class does, unless the log tells of the error."""
        if service_of(self).log is None:
            super().handle_error(request, client_address)  # type: ignore[misc]

    def _handle_request_noblock(self) -> None:
        service_of(self).handle_one(self)


class Serial(Observed, socketserver.BaseServer):
    """A server without threads that is observed; it stands right before `socketserver.BaseServer`."""


class Closing:
    """A server whose end loses nobody; it stands before the class that closes the listener."""

    def server_close(self) -> None:
        """Serve who waits, close, and let what is being served end; force the rest at the deadline."""
        service_of(self).close(self, super().server_close)  # type: ignore[misc]


class ThreadingMixIn(Observed, Closing, socketserver.ThreadingMixIn):
    """`socketserver.ThreadingMixIn`, observed; for any class that that one is for.

    Its options are keywords of the class statement: `limits`, `listener`, `registry` and `threads`, as
    `Options` has them.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**declare(cls, options))

    def server_bind(self) -> None:
        """Bind; a Unix path is taken over from a server that is dead, and from no other.

        Raises:
            OSError: Somebody is there.
        """
        service_of(self).held = paths.bind(self, super().server_bind)  # type: ignore[misc]

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Run the handler, record how it ended, then close."""
        service_of(self).handle(self, request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close for writing, and altogether once nothing unread could cost the client its reply."""
        service = service_of(self)
        if isinstance(service, StreamService):
            service.shut_down(self, request)
        else:
            super().shutdown_request(request)  # type: ignore[misc]

    def close_request(self, request: Any) -> None:
        """Close, also where a handler has left a file object of the socket open."""
        service = service_of(self)
        if isinstance(service, StreamService):
            service.close_request(request, partial(super().close_request, request))  # type: ignore[misc]
        else:
            super().close_request(request)  # type: ignore[misc]

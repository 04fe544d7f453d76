"""This server with parts of the observation off: `python -m benchmarks.variants NAME [server's options]`.

They show what each part costs, and are not for serving: `off`, for instance, has no limits either. They use
internals of `socketscope`, and change along with it.
"""

import sys
from contextlib import suppress
from functools import partial
from typing import Any

from server import cli
from socketscope.observe.noting import MSG_DONTWAIT
from socketscope.observe.record import Record
from socketscope.observe.totals import StreamTotals
from socketscope.serve import mixin
from socketscope.serve.datagrams import DatagramService
from socketscope.serve.options import Options
from socketscope.serve.streams import StreamService
from socketscope.serve.threads.executors import Job

REPLY = b"[Thu Jan  1 00:00:00 1970] hello world\r\n"


class Recordless(StreamService):
    """Keeps no record: nothing is counted, timed, limited or logged."""

    def receive(self, server: Any) -> Job | None:
        """Accept a client who waits."""
        try:
            request, client_address = server.get_request()
        except OSError as error:
            self.note_not_taken(error)
            return None
        return partial(self._answer, server, request, client_address)

    def _answer(self, server: Any, request: Any, client_address: Any) -> None:
        _handle(server, request, client_address)
        server.shutdown_request(request)


def _handle(server: Any, request: Any, client_address: Any) -> None:
    with suppress(OSError):  # the measurement has ended
        server.RequestHandlerClass(request, client_address, server)


class Unobserved(Recordless):
    """Hands out plain sockets, and keeps no record."""

    def show(self, server: Any) -> None:
        """Leave the listener as the standard library made it, and show nothing."""
        self.listener = server.socket


class Accepting(Unobserved):
    """Calls no handler: one receive, and a constant reply."""

    def _answer(self, server: Any, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's
        with suppress(OSError):
            request.recv(512)
            request.send(REPLY)
        server.shutdown_request(request)


class Uncounted(StreamService):
    """Keeps a record of each connection, holds it to its deadlines, and counts nothing."""

    def __init__(self, server: Any, options: Options, kind: str) -> None:
        super().__init__(server, options, kind)
        # Its deadlines look at what is open in the same totals.
        self.totals.__class__ = _Uncounting


class _Uncounting(StreamTotals):
    def accept(self, record: Record) -> bool:
        self.records[record] = None
        return True

    def add(self, record: Record) -> None:
        record.responses.clear()

    def close(self, record: Record, now: float) -> tuple[str, float]:
        record.closed = True
        self.records.pop(record, None)
        return record.outcome, now - record.accepted_at


class UnobservedDatagrams(DatagramService):
    """Hands out the plain socket of datagrams, and counts none."""

    def show(self, server: Any) -> None:
        """Leave the listener as the standard library made it, and show nothing."""
        self.listener = self._received_by = server.socket

    def _receive(self, server: Any, *, gets: bool) -> Job | None:  # noqa: ARG002 - the base's
        try:
            data, client_address = server.socket.recvfrom(server.max_packet_size + 1, MSG_DONTWAIT)
        except OSError as error:
            self.note_not_taken(error)
            return None
        return partial(_handle, server, (data, server.socket), client_address)


VARIANTS: dict[str, tuple[type[StreamService], type[DatagramService]]] = {
    "accept": (Accepting, UnobservedDatagrams),
    "off": (Unobserved, UnobservedDatagrams),
    "socket": (Recordless, DatagramService),
    "record": (Uncounted, DatagramService),
}


if __name__ == "__main__":
    streams, datagrams = VARIANTS[sys.argv.pop(1)]
    vars(mixin).update(StreamService=streams, DatagramService=datagrams)
    cli.main()

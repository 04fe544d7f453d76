"""This server with parts of the observation off: `python -m benchmarks.variants NAME [server's options]`.

They show what each part costs, and are no way to run the server: `off`, for instance, has no limits either.
They reach into `socketscope`, and follow its changes.
"""

import math
import socket
import sys
from contextlib import suppress
from typing import Any

from server import cli, listeners
from socketscope import ThreadingTCPServer, ThreadingUDPServer, ThreadingUnixStreamServer
from socketscope.observe.record import Record
from socketscope.observe.sockets import set_kernel_timeout
from socketscope.observe.totals import StreamTotals
from socketscope.serve.base import ObservedServer, Received
from socketscope.serve.streams import ObservedStreamServer

REPLY = b"[Thu Jan  1 00:00:00 1970] hello world\r\n"


class _Recordless(ObservedServer):
    """Keeps no record: nothing is counted, timed, limited or logged."""

    def _admit(self, received: Received) -> bool:  # noqa: ARG002 - the base's signature
        return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Run the handler."""
        try:  # noqa: SIM105 - as what it is compared with
            self.finish_request(request, client_address)
        except OSError:
            pass  # the measurement has ended
        self.shutdown_request(request)


class Unobserved(_Recordless):
    """Hands out plain sockets, and keeps no record."""

    _keeps = False

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve from a plain listener."""
        self.socket = socket.socket(fileno=self.socket.detach())
        self._keeps = getattr(self.RequestHandlerClass, "keep_alive", False)
        super().serve_forever(poll_interval)

    def _admit(self, received: Received) -> bool:
        if self._keeps:
            # It inherits the listener's, which would end it where its client is silent for that long.
            set_kernel_timeout(received[0], socket.SO_RCVTIMEO, math.inf)
        return True


class Accepting(Unobserved):
    """Calls no handler: one receive, and a constant reply."""

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's signature
        """Answer."""
        request.recv(512)
        request.send(REPLY)


class Uncounted(ObservedStreamServer):
    """Keeps a record of each connection, holds it to its deadlines, and counts nothing."""

    def prepare(self) -> None:
        """Have totals that count nothing."""
        super().prepare()
        self.totals = _NoTotals(self.capacity, {})


class _NoTotals(StreamTotals):
    def accept(self) -> bool:
        return True

    def add(self, record: Record) -> None:
        record.responses.clear()

    def close(self, record: Record, now: float) -> bool:  # noqa: ARG002 - the base's signature
        record.closed = True
        return True


VARIANTS: dict[str, type] = {
    "accept": Accepting,
    "off": Unobserved,
    "socket": _Recordless,
    "record": Uncounted,
}


def _use(parts: type) -> None:
    for kind, base in (
        ("tcp", ThreadingTCPServer),
        ("udp", ThreadingUDPServer),
        ("unix", ThreadingUnixStreamServer),
    ):
        with suppress(TypeError):  # what records connections is no part of a datagram server
            variant = type(base.__name__, (parts, base), {"__module__": base.__module__})
            listeners._CLASSES[kind] = variant  # noqa: SLF001 - no option of the server's


if __name__ == "__main__":
    _use(VARIANTS[sys.argv.pop(1)])
    cli.main()

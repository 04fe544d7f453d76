"""Stand-ins for the standard library's threading datagram servers, observed."""

import errno
import itertools
import socket
import socketserver
from collections.abc import Callable
from math import inf
from time import monotonic, sleep
from typing import Any

from socketscope.observe.record import describe
from socketscope.observe.sockets import set_kernel_timeout
from socketscope.observe.totals import DatagramTotals
from socketscope.serve.base import ObservedServer, Received
from socketscope.serve.paths import UnixPath

DRAIN_LOOK = 0.02
"""Seconds between looks whether all handlers have left."""

_PEER_GONE = frozenset({errno.ECONNREFUSED, errno.ENOENT, errno.ECONNRESET, errno.ENOTCONN})

_numbers = itertools.count(1)


class Datagram:
    """What was done for one datagram.

    Attributes:
        number: Unique in the process.
        peer: The sender's address, as the kernel gave it.
        received: Bytes that the handler was given.
        sent: Bytes.
        exchanges: 1 once something was sent, else 0.
        error: What went wrong, for a person; None when nothing did.
    """

    __slots__ = ("error", "exchanges", "fault", "number", "peer", "received", "sent")

    def __init__(self, peer: Any, received: int) -> None:
        self.number = next(_numbers)
        self.peer = peer
        self.received = received
        self.sent = self.exchanges = 0
        self.fault: BaseException | None = None
        self.error: str | None = None


class ReplySocket:
    """The listener's socket as one datagram's handler has it: what is sent counts as the reply.

    Sending nothing is left out: the standard library's handler sends an empty reply where it wrote none.
    """

    def __init__(self, sock: socket.socket, datagram: Datagram) -> None:
        self._socket = sock
        self._datagram = datagram

    def sendto(self, data: Any, *args: Any) -> int:
        """Send, as a socket does."""
        return self._send(self._socket.sendto, data, *args) if len(data) else 0

    def sendmsg(self, buffers: Any, *args: Any) -> int:
        """Send from several buffers, as a socket does."""
        return self._send(self._socket.sendmsg, buffers, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def _send(self, send: Callable[..., int], *args: Any) -> int:
        try:
            size = send(*args)
        except BlockingIOError as error:
            self._datagram.fault = late = TimeoutError("the peer did not take the reply in time")
            raise late from error
        except OSError as error:
            if error.errno in _PEER_GONE:
                self._datagram.fault = error
            raise
        self._datagram.sent += size
        self._datagram.exchanges = 1
        return size


class ObservedDatagramServer(ObservedServer, socketserver.UDPServer):
    """A datagram server that observes what it is sent.

    Attributes:
        totals: What was done for all datagrams.
    """

    close_first = False  # the listener's socket is the one that replies go out on

    def prepare(self) -> None:
        """Set up what is observed, before anything is bound."""
        super().prepare()
        self.totals: DatagramTotals = DatagramTotals(self.capacity)

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until `shutdown`; a Unix peer that takes no replies is waited for no longer than allowed."""
        patience = inf if self.limits.write_timeout is None else self.limits.write_timeout
        set_kernel_timeout(self.socket, socket.SO_SNDTIMEO, patience)
        super().serve_forever(poll_interval)

    def get_request(self) -> Received:
        """Receive a datagram.

        Raises:
            BlockingIOError: None came within `sockets.TICK`.
        """
        # One byte more than fits tells whether it was cut off.
        data, address = self.socket.recvfrom(self.max_packet_size + 1)
        return (data, self.socket), address

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Run the handler and record how it ended."""
        data, sock = request
        datagram = Datagram(client_address, len(data))
        request = (data, ReplySocket(sock, datagram))
        outcome = ""
        began = monotonic()
        try:
            self.finish_request(request, client_address)
        except BaseException as error:  # noqa: BLE001 - SystemExit too must not end a thread of the pool
            datagram.error = describe(error)
            if error is not datagram.fault:
                outcome = "handler_error"
                if isinstance(error, Exception):
                    self.handle_error(request, client_address)
        finally:
            outcome = outcome or ("ok" if datagram.exchanges else "no_reply")
            datagram.fault = None  # its traceback would keep the frames alive, and they the datagram
            now = monotonic()
            self.totals.close(datagram, outcome, now - began)
            self._tell(datagram, outcome, now - began)
            self.shutdown_request(request)

    def drain(self) -> int:
        """Return when no handler runs, or how many still do at `drain_by`."""
        while (self.totals.open or self._is_busy()) and monotonic() < self.drain_by:
            sleep(DRAIN_LOOK)
        return self.totals.open

    def _admit(self, received: Received) -> bool:
        (data, _), client_address = received
        if len(data) > self.max_packet_size:
            outcome = "truncated"
        elif not client_address:
            outcome = "no_address"
        elif not self._verified(received) or not self.totals.accept():
            outcome = "dropped"
        else:
            return True
        self.totals.drop(outcome)
        self._tell(Datagram(client_address, 0), outcome, 0.0)
        return False

    def _tell(self, datagram: Datagram, outcome: str, seconds: float) -> None:
        if self.log is not None:
            self.log.served("datagram", self.name, datagram, outcome, seconds)

    def _abandon(self, request: Any, client_address: Any, error: BaseException) -> None:
        datagram = Datagram(client_address, len(request[0]))
        datagram.error = describe(error)
        self.totals.close(datagram, "handler_error", 0.0)
        self._tell(datagram, "handler_error", 0.0)
        self._guard(self.handle_error, request, client_address)
        self._end(request)

    def _end(self, request: Any) -> None:
        self._guard(self.shutdown_request, request)

    def _note_accept_error(self, kind: str) -> None:
        if self.log is not None:
            self.log.repeated("accept_error", listener=self.name, error=kind)


class ThreadingUDPServer(ObservedDatagramServer, socketserver.ThreadingUDPServer):
    """`socketserver.ThreadingUDPServer`, observed."""

    kind = "udp"


class ThreadingUnixDatagramServer(UnixPath, ObservedDatagramServer, socketserver.ThreadingUnixDatagramServer):
    """`socketserver.ThreadingUnixDatagramServer`, observed."""

    kind = "unixgram"

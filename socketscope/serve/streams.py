"""Stand-ins for the standard library's threading stream servers, observed."""

import itertools
import os
import socket
import socketserver
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic, sleep
from typing import Any

from socketscope.observe.record import LineTooLongError, Record
from socketscope.observe.sockets import TICK, ListeningSocket, ObservedSocket
from socketscope.observe.tls import ListeningTLSSocket, ObservedTLSSocket
from socketscope.observe.totals import StreamTotals
from socketscope.serve.base import ObservedServer, Received, complain
from socketscope.serve.linger import Linger, unread
from socketscope.serve.paths import UnixPath
from socketscope.serve.pool import WATCH

DRAIN_LOOK = 0.02
"""Seconds between looks for connections that have become idle during a drain."""

FORCE_GRACE = 0.5
"""Seconds that a handler whose socket was shut down has to leave."""

_numbers = itertools.count(1)


class ObservedStreamServer(ObservedServer, socketserver.TCPServer):
    """A stream server that observes its connections.

    Attributes:
        refusal: What a connection above the limit is told.
        totals: What all of its connections did.
        open: The sockets being served, with their records.
    """

    allow_reuse_address = True
    request_queue_size = 1024
    refusal = b""
    _charged = False  # its sockets, for what is in their queues

    def prepare(self) -> None:
        """Set up what is observed, before anything is bound."""
        super().prepare()
        self.socket = ListeningSocket(fileno=self.socket.detach())
        self.open: dict[Any, Record] = {}
        self.totals: StreamTotals = StreamTotals(self.capacity, self.open)
        self._linger = Linger()

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until `shutdown`, as the base class does, also where the listener was wrapped for TLS."""
        if type(self.socket) is ssl.SSLSocket:
            self.socket.__class__ = ListeningTLSSocket
        self._charged = self.socket.family in {socket.AF_INET, socket.AF_INET6}
        super().serve_forever(poll_interval)

    def get_request(self) -> Received:
        """Accept a connection.

        Raises:
            BlockingIOError: None came within `sockets.TICK`.
        """
        return self.socket.accept()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Run the handler, record how it ended, then close."""
        try:
            if isinstance(request, ObservedTLSSocket) and request.version() is None:
                request.do_handshake()
            self.finish_request(request, client_address)
        except BaseException as error:  # noqa: BLE001 - SystemExit too must not end a thread of the pool
            self._note_failure(request, client_address, error)
        finally:
            self._end(request)

    def shutdown_request(self, request: Any) -> None:
        """Close for writing, and altogether once nothing unread could cost the client its reply."""
        try:  # noqa: SIM105 - entering a context manager would cost every connection more than this
            request.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if unread(request, charged=self._charged):
            self._linger.add(request, partial(self._close_by, self.close_request, request))
        else:
            self._close_by(self.close_request, request)

    def close_request(self, request: Any) -> None:
        """Close, also where a handler has left a file object of the socket open."""
        if (record := self.open.get(request)) is not None:
            # An override of process_request served it by itself, or in a process of its own.
            self._tell(record, self._close_record(request, record))
        request.close()
        if (descriptor := request.detach()) >= 0:
            os.close(descriptor)

    def drain(self) -> int:
        """Return when no connection is open or about to be, or how many had to be forced at `drain_by`."""
        shut: set[Any] = set()
        while (self.open or self._is_busy()) and monotonic() < self.drain_by:
            for request, record in list(self.open.items()):
                if record.idle and request not in shut:
                    shut.add(request)
                    _hang_up(request, socket.SHUT_RD)
            sleep(DRAIN_LOOK)
        forced = list(self.open.items())
        for request, record in forced:
            record.fail("forced")
            _hang_up(request, socket.SHUT_RDWR)
        give_up_at = monotonic() + FORCE_GRACE
        while self.open and monotonic() < give_up_at:
            sleep(WATCH)
        for request, record in list(self.open.items()):
            # Its handler does not look at its socket; it ends with the process.
            self._tell(record, self._close_record(request, record))
        self._linger.join(max(TICK, self.drain_by - monotonic()))
        return len(forced)

    def _admit(self, received: Received) -> bool:
        request, client_address = received
        if not self._verified(received):
            self._reject(request, "verify")
            return False
        while not self.totals.accept():
            if self.limits.when_full == "refuse":
                self._reject(request, "capacity")
                return False
            self.capacity.wait(TICK)
        record = Record(self.totals, next(_numbers), client_address, monotonic(), self.limits)
        self.open[request] = record
        if type(request) is ssl.SSLSocket:
            request.__class__ = ObservedTLSSocket
        if isinstance(request, (ObservedSocket, ObservedTLSSocket)):
            request.observe(record)
        return True

    def _reject(self, request: Any, reason: str) -> None:
        self.totals.reject(reason)
        if self.log is not None:
            self.log.repeated("connection_rejected", listener=self.name, reason=reason)
        if reason == "verify":
            self._close_by(self.shutdown_request, request)
            return
        # It may not have sent its request yet, so there is always something to linger for.
        with suppress(OSError):
            request.setblocking(False)
            # Under TLS there is nobody to tell before the handshake.
            if self.refusal and not isinstance(request, ssl.SSLSocket):
                request.send(self.refusal)
            request.shutdown(socket.SHUT_WR)
        self._linger.add(request, partial(self._close_by, self.close_request, request))

    def _note_failure(self, request: Any, client_address: Any, error: BaseException) -> None:
        record = self.open.get(request)
        if record is None or error is record.fault:
            return
        if isinstance(error, LineTooLongError):
            record.fail("line_too_long", error)
            return
        record.fail("handler_error", error)
        if isinstance(error, Exception):
            self._guard(self.handle_error, request, client_address)

    def _abandon(self, request: Any, client_address: Any, error: BaseException) -> None:
        try:
            self._note_failure(request, client_address, error)
        finally:
            self._end(request)

    def _end(self, request: Any) -> None:
        record = self.open.get(request)
        seconds = None if record is None else self._close_record(request, record)
        self._close_by(self.shutdown_request, request)
        # A client may wait for this end, and no client waits for the log.
        if record is not None:
            self._tell(record, seconds)

    def _close_by(self, hook: Callable[[Any], None], request: Any) -> None:
        try:
            hook(request)
        except BaseException:  # noqa: BLE001 - a hook of the user's must not keep a descriptor open
            complain()
            ObservedStreamServer.close_request(self, request)

    def _close_record(self, request: Any, record: Record) -> float | None:
        """Complete a record; return how long it was open, seconds, or None where that was done before."""
        now = monotonic()
        closed = self.totals.close(record, now)
        record.fault = None  # its traceback would keep the frames alive, and they the record
        self.open.pop(request, None)
        return now - record.accepted_at if closed else None

    def _tell(self, record: Record, seconds: float | None) -> None:
        if self.log is not None and seconds is not None:
            self.log.served("connection", self.name, record, record.outcome, seconds)

    def _note_accept_error(self, kind: str) -> None:
        self.totals.accept_error(kind)
        if self.log is not None:
            self.log.repeated("accept_error", listener=self.name, error=kind)


def _hang_up(request: Any, how: int) -> None:
    # The base class's method: TLS' own would drop the session under a thread that reads.
    with suppress(OSError, TypeError):
        socket.socket.shutdown(request, how)


class ThreadingTCPServer(ObservedStreamServer, socketserver.ThreadingTCPServer):
    """`socketserver.ThreadingTCPServer`, observed."""

    kind = "tcp"


class ThreadingUnixStreamServer(UnixPath, ObservedStreamServer, socketserver.ThreadingUnixStreamServer):
    """`socketserver.ThreadingUnixStreamServer`, observed."""

    kind = "unix"

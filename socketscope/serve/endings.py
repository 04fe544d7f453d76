"""How connections end: they are closed, counted, logged, and drained."""

import os
import socket
import ssl
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from time import monotonic, sleep
from typing import Any

from socketscope.observe.adoption import is_socket
from socketscope.observe.outcomes import LineTooLongError, describe
from socketscope.observe.record import Record
from socketscope.observe.totals import StreamTotals
from socketscope.serve.elsewhere import Elsewhere
from socketscope.serve.hooks import close_by
from socketscope.serve.service import LEAST, LOOK, Service
from socketscope.serve.threads.deadlines import Deadlines, hang_up
from socketscope.serve.threads.linger import Linger, say_end, unread

FORCE_GRACE = 0.5
"""Seconds that a handler has to leave once its socket was shut down."""

READ = 0.0005
"""Seconds that another thread has to note what has come, if it is receiving when the handler leaves."""

SAID = 0.05
"""The most seconds that another thread has to note what the peer may have, if it is sending then."""


class Endings(Service):
    """What a server of connections does when they end."""

    totals: StreamTotals
    event = "connection"
    closes_first = True

    def begin(self) -> None:
        """Make what is of this process alone."""
        super().begin()
        self.totals = StreamTotals(self.capacity)
        self._deadlines = Deadlines(self.totals)
        self._linger = Linger()
        self._elsewhere = Elsewhere()

    def abandon(self) -> None:
        """Leave clients who are being served to the parent, which counts them."""
        super().abandon()
        for record in self.totals.records:
            record.closed = True

    # One connection

    def end_request(self, server: Any, request: Any) -> None:
        """Close for writing, and completely once nothing unread could cost the client its reply."""
        more = False
        if isinstance(request, ssl.SSLSocket):
            more = request.pending() > 0  # what the kernel no longer has; the peer may send more
            say_end(request)
        try:  # noqa: SIM105 - entering a context manager would cost every connection more than this
            request.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if not (more or unread(request, charged=self.kind == "tcp")):
            server.close_request(request)
        elif self.threads is None:
            # Its hooks run in one thread only, so a duplicate lingers.
            with suppress(OSError, ValueError):
                twin = socket.SocketType(fileno=os.dup(request.fileno()))
                self._linger.add(twin, twin.close)
            server.close_request(request)
        elif not self._linger.has(request):  # as it does if a handler has called this already
            # The hook is called for this client as well, though by another thread.
            close = partial(copy_context().run, close_by, server.close_request, request)
            self._linger.add(request, close)
            self._elsewhere.note_end(request)

    def close_for_good(self, request: Any) -> None:
        """Close a socket though a handler left a file of it open; note the end of one that was handed on."""
        if self._elsewhere.records:
            self._elsewhere.note_end(request)
        if is_socket(request) and request.fileno() >= 0:
            os.close(request.detach())

    def _note_failure(
        self, server: Any, record: Record | None, request: Any, client_address: Any, error: BaseException
    ) -> None:
        """Record what a handler raised, and report it to the server's hook; called in an `except` block."""
        self._fail(record, error)
        if not isinstance(error, LineTooLongError):
            self.hooks.report(server, request, client_address, error)

    @staticmethod
    def _fail(record: Any, error: BaseException) -> None:
        if record is None or record.closed:
            return
        if not record.knows(error):
            record.fail("line_too_long" if isinstance(error, LineTooLongError) else "handler_error", error)
        elif record.error is None and isinstance(error, TimeoutError):
            # A peer that leaves closes like any other. The handler's own timeout is noted only here.
            record.error = describe(error)
        record.keep(error)

    def end(self, served: Any) -> None:
        """Count a connection as ended, and log it, unless that was done before."""
        self._tell(served, self._close_record(served))

    def _end_with_request(self, server: Any, record: Record, request: Any) -> None:
        closed = self._close_record(record)
        close_by(server.shutdown_request, request)
        self._tell(record, closed)

    def _close_record(self, record: Record) -> tuple[str, float] | None:
        """Complete a record; return its outcome and seconds in its handler, or None if it was complete."""
        self.untold.add(record)
        if record.waiting_since is not None:
            sleep(READ)
        if record.blocked:
            said_by = monotonic() + SAID
            while record.blocked and monotonic() < said_by:
                sleep(0.0005)
        closed = self.totals.close(record, monotonic())
        record.left = record.socket = None
        return closed

    # All connections

    def drain(self) -> list[Record]:
        """Wait until no other connection is open or in a hook; force and return those left at `drain_by`."""
        began = monotonic()
        while self.others() and monotonic() < max(self.drain_by, began + LEAST):
            self._end_lost()
            self.release_idle(began)
            sleep(LOOK)
        forced = self.others()
        for record in forced:
            record.fail("forced")
            hang_up(record, socket.SHUT_RDWR)
        give_up_at = monotonic() + FORCE_GRACE
        while self.others() and monotonic() < give_up_at:
            sleep(LOOK)
        for record in self.others():
            self.end(record)  # its handler does not use its socket; it ends with the process
        self._deadlines.rest()
        forced += self.wait_for_ends()
        self._linger.join(max(LEAST, self.drain_by - monotonic()))
        return forced

    def _end_lost(self) -> None:
        """End clients who will never be served, as Ctrl-C came between taking them and their threads."""
        if not self.thread_counts[1]:
            for record in self.others():
                if record.socket is None and monotonic() - record.accepted_at >= LEAST:
                    self.end(record)

    def release_idle(self, since: float) -> None:
        """Hang up on clients who ask for nothing; the stop began at `since`."""
        now, grace = monotonic(), self.options.limits.drain_grace
        for record in self.others():
            idle = not record.cut and record.idle(now - max(record.accepted_at, since), grace)
            # What its handler has not read yet, or only peeks at, may be a request or a part of one.
            if idle and not unread(record.request, charged=False):
                hang_up(record, socket.SHUT_RD)

"""Connections: taken, served, closed and drained."""

import os
import socket
import socketserver
import ssl
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from time import monotonic, sleep
from typing import Any

from socketscope.addresses import format_peer
from socketscope.observe.adoption import adopt
from socketscope.observe.outcomes import LineTooLongError
from socketscope.observe.record import Record, current
from socketscope.observe.shared import new_record
from socketscope.observe.totals import StreamTotals
from socketscope.serve import queue
from socketscope.serve.deadlines import Deadlines, hang_up
from socketscope.serve.elsewhere import Elsewhere
from socketscope.serve.hooks import complain
from socketscope.serve.linger import Linger, say_end, unread
from socketscope.serve.options import Options
from socketscope.serve.service import LOOK, Service
from socketscope.serve.threads import Job
from socketscope.views.context import enter, leave

FORCE_GRACE = 0.5
"""Seconds that a handler whose socket was shut down has to leave."""

FULL_LOOK = 0.1
"""Seconds between looks whether the limit allows another connection, where clients queue."""


class StreamService(Service):
    """The life of a server of connections.

    Attributes:
        refusal: What a connection above the limit is told.
    """

    totals: StreamTotals

    def __init__(self, server: socketserver.BaseServer, options: Options, kind: str) -> None:
        self.refusal = b""
        super().__init__(server, options, kind)

    def begin(self) -> None:
        """Make what is of this process alone."""
        super().begin()
        self.totals = StreamTotals(self.capacity)
        self._deadlines = Deadlines(self.totals)
        self._linger = Linger()
        self._elsewhere = Elsewhere()

    # From the listener to the handler

    def receive(self, server: Any) -> Job | None:
        """Accept a client who waits; return what serves it."""
        limits = self.options.limits
        if limits.when_full == "queue" and not self.capacity.wait(FULL_LOOK):
            return None
        self.hooks.keep_up(server)
        try:
            request, client_address = self.hooks.get(server) if self.hooks.gets else server.get_request()
        except BaseException as error:  # noqa: BLE001 - it decides what the service outlives
            self.note_not_taken(error)
            return None
        record = new_record(self.totals, format_peer(client_address), monotonic(), limits)
        record.listener, record.address = self, client_address
        admit = self.totals.reserve if self.hooks.verifies else self.totals.accept
        while not admit(record):
            if self.settle():
                continue
            if limits.when_full == "refuse":
                self._refuse(server, request)
                return None
            self.capacity.wait(FULL_LOOK)
        return partial(Context().run, self._serve, server, request, client_address, record)

    def _serve(self, server: Any, request: Any, client_address: Any, record: Record) -> None:
        enter(record)
        adopt(request, record)
        if not self._deadlines.watching:
            self._deadlines.watch()
        try:
            if self.encryption.on:
                try:
                    request = self.encryption.greet(request, record)
                except OSError as error:
                    # As ever, no hook is told: no handler has seen it.
                    self._fail(record, error)
                    self._end(server, record, record.socket)
                    return
            handed: tuple[Any, Any] | None = (request, client_address)
            if self.hooks.processes or not record.accepted:
                with self.hooks.lock:
                    handed = self._pass_hooks(server, request, client_address, record)
            if handed is not None:
                if self.threads is None:
                    server.process_request(*handed)
                else:
                    server.process_request_thread(*handed)
                if not record.closed:  # an override has served it by itself
                    self.end(record)
        except BaseException as error:
            # Whatever happens to a client, the service goes on; what is no Exception is, as ever, for who
            # called serve_forever, if it is this thread.
            self._note_failure(server, record, request, client_address, error)
            self._end(server, record, request)
            if self.threads is None and not isinstance(error, Exception):
                raise

    def _pass_hooks(
        self, server: Any, request: Any, client_address: Any, record: Record
    ) -> tuple[Any, Any] | None:
        """Call the hooks that are the user's; return what is to be handled here."""
        if not record.accepted:  # as was decided with its admission; the hook may have come or gone since
            if not self.hooks.verified(server, request, client_address):
                self.totals.reject("verify", record)
                self._tell_rejected("verify")
                self._close_by(server.shutdown_request, request)
                return None
            self.totals.accept(record)
        if not self.hooks.processes:
            return request, client_address
        handed = self.hooks.process(server, request, client_address)
        if handed is None and not record.closed:
            self._elsewhere.let_go(record, request, self.end, self.note_dropped)
        return handed

    # The handler

    def hand(self, server: Any, request: Any, client_address: Any) -> None:
        """Have a request handled that the user's process_request hands on, in whatever thread."""
        if self.threads is None:
            self.handle(server, request, client_address)
            server.shutdown_request(request)
        elif not self.hooks.hand_here(request, client_address):
            record = self._find(request, client_address)
            self.threads.run(
                partial(Context().run, self.serve_elsewhere, server, request, client_address, record)
            )

    def handle(self, server: Any, request: Any, client_address: Any) -> None:
        """Run the handler, record how it ended, then close; without threads it is for the caller to close.

        Raises:
            BaseException: As the handler does, if there are no threads.
        """
        record = current.get()
        if not (isinstance(record, Record) and record.socket is request):
            record = self._find(request, client_address)
        closed = None
        try:
            server.finish_request(request, client_address)
        except BaseException as error:  # SystemExit too must not end a thread of the pool
            if self.threads is None:
                self._fail(record, error)
                raise
            self._note_failure(server, record, request, client_address, error)
        finally:
            if record is not None:
                closed = self._close_record(record)
            if self.threads is not None:
                self._close_by(server.shutdown_request, request)
            # A client may wait for this end, and no client waits for the log.
            if record is not None:
                self._tell(record, closed)

    def finish(self, request: Any, client_address: Any, run: Callable[[], None]) -> None:
        """Run the handler, be it on another socket than the one accepted, or on one that was handed on."""
        record = self._find(request, client_address)
        if record is None:
            run()
            return
        if record.socket is not request:
            adopt(request, record)
        if record.left is None and current.get() is record:
            run()
            return
        record.left = None  # it was handed on; the hook that did may not have returned yet
        entered = enter(record)
        try:
            run()
        except BaseException as error:
            self._fail(record, error)
            raise
        finally:
            # The line is told while what the handler has bound is still there.
            self.end(record)
            leave(entered)

    def _find(self, request: Any, client_address: Any) -> Record | None:
        """Return the record of a request, in whatever thread and however it was wrapped."""
        record = current.get()
        if not isinstance(record, Record) or record.closed or record.totals is not self.totals:
            record = self._elsewhere.find(request)
        if record is not None:
            return None if record.closed else record
        if not client_address:
            return None
        return next((each for each in self.others() if each.address == client_address), None)

    # The end

    def shut_down(self, server: Any, request: Any) -> None:
        """Close for writing, and altogether once nothing unread could cost the client its reply."""
        more = False
        if isinstance(request, ssl.SSLSocket):
            more = request.pending() > 0  # the kernel has it no more, and its sender may have more to come
            say_end(request)
        try:  # noqa: SIM105 - entering a context manager would cost every connection more than this
            request.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if more or unread(request, charged=self.kind == "tcp"):
            # The hook is called for this client as well, though by another thread.
            close = partial(copy_context().run, self._close_by, server.close_request, request)
            self._linger.add(request, close)
        else:
            server.close_request(request)

    def close_for_good(self, request: Any) -> None:
        """Close a socket that a handler has left a file object of; know the end of one handed on."""
        if self._elsewhere.records:
            self._elsewhere.note_closed(request)
        if isinstance(request, socket.socket) and request.fileno() >= 0:
            os.close(request.detach())

    def look(self) -> tuple[int, int] | None:
        """Return length and limit of the accept queue, which TCP alone tells."""
        try:
            return queue.accept_queue(self.listener) if self.kind == "tcp" else None
        except (AttributeError, OSError):
            return None  # it is being closed

    def drain(self) -> list[Record]:
        """Return when no other connection is open, or those that had to be forced at `drain_by`."""
        began = monotonic()
        while self.others() and monotonic() < self.drain_by:
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
            self.end(record)  # its handler does not look at its socket; it ends with the process
        self._deadlines.rest()
        self._linger.join(max(FULL_LOOK, self.drain_by - monotonic()))
        return forced

    def release_idle(self, since: float) -> None:
        """Hang up on clients who ask for nothing, on a stop that began then."""
        now, grace = monotonic(), self.options.limits.drain_grace
        for record in self.others():
            if not record.cut and record.idle(now - max(record.accepted_at, since), grace):
                hang_up(record, socket.SHUT_RD)

    def _refuse(self, server: Any, request: Any) -> None:
        self.totals.reject("capacity")
        self._tell_rejected("capacity")
        # It may not have sent its request yet, so there is always something to linger for.
        # Whatever a request of the user's own class raises would end the server's loop.
        with suppress(Exception):
            # Under TLS there is nobody to tell before the handshake.
            if self.refusal and not (self.encryption.on or isinstance(request, ssl.SSLSocket)):
                request.setblocking(False)
                request.send(self.refusal)
        with suppress(Exception):
            request.shutdown(socket.SHUT_WR)
        self._linger.add(request, partial(self._close_by, server.close_request, request))

    def _note_failure(
        self, server: Any, record: Record | None, request: Any, client_address: Any, error: BaseException
    ) -> None:
        """Record what a handler raised, and have the server's hook know of it; called while it is handled."""
        self._fail(record, error)
        if not isinstance(error, LineTooLongError):
            self.hooks.tell(server, request, client_address, error)

    @staticmethod
    def _fail(record: Record | None, error: BaseException) -> None:
        if record is None or record.closed or error is record.fault:
            return
        if isinstance(error, LineTooLongError):
            record.fail("line_too_long", error)
        else:
            record.fail("handler_error", error)

    def end(self, served: Any) -> None:
        """Count a connection as ended, and tell so, unless that was done before."""
        self._tell(served, self._close_record(served))

    def _end(self, server: Any, record: Record, request: Any) -> None:
        closed = self._close_record(record)
        self._close_by(server.shutdown_request, request)
        self._tell(record, closed)

    @staticmethod
    def _close_by(hook: Callable[[Any], None], request: Any) -> None:
        try:
            hook(request)
        except BaseException:  # noqa: BLE001 - a hook of the user's must not keep a descriptor open
            complain()
            with suppress(Exception):
                request.close()

    def _close_record(self, record: Record) -> tuple[str, float] | None:
        """Complete a record; return outcome and seconds that it was open, or None where it was complete."""
        now = monotonic()
        if self.log is not None:
            self.untold.add(record)
        outcome = self.totals.close(record, now)
        record.fault = record.left = None  # a traceback would keep the frames alive, and they the record
        record.socket = None
        return None if outcome is None else (outcome, now - record.accepted_at)

    def _tell(self, record: Record, closed: tuple[str, float] | None) -> None:
        try:
            if self.log is not None and closed is not None:
                self.log.served("connection", self.name, record, *closed)
        finally:
            record.raised = None  # its traceback would keep the frames alive, and they the record
            self.untold.discard(record)

    def _tell_rejected(self, reason: str) -> None:
        if self.log is not None:
            self.log.repeated(
                "connection_rejected", processors=self.processors, listener=self.name, reason=reason
            )

    def note_accept_error(self, kind: str) -> None:
        """Count and log a failed accept."""
        self.totals.accept_error(kind)
        super().note_accept_error(kind)

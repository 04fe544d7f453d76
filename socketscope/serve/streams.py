"""Connections, from the listener to the handler."""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

from socketscope.observe.adoption import adopt
from socketscope.observe.record import Record
from socketscope.observe.served import get_current
from socketscope.observe.shared import new_record
from socketscope.serve.endings import Endings
from socketscope.serve.hooks import close_by
from socketscope.serve.listeners import queue
from socketscope.serve.serving import call_here
from socketscope.serve.threads.executors import Job
from socketscope.views.context import enter

FULL_LOOK = 0.1
"""Seconds between looks whether the limit allows another connection, where clients queue."""


class StreamService(Endings):
    """The life of a server of connections.

    Attributes:
        refusal: What a connection above the limit is told.
    """

    refusal = b""

    # From the listener to the handler

    def receive(self, server: Any) -> Job | None:
        """Accept a waiting client; return the job that serves it."""
        limits = self.options.limits
        if limits.when_full == "queue" and not self.capacity.wait(FULL_LOOK):
            self.settle()
            return None
        try:
            if self.hooks.gets:
                request, client_address = self.hooks.get(server, self._time_to_drain)
            else:
                request, client_address = server.get_request()
        except BaseException as error:  # noqa: BLE001 - it decides what the service outlives
            self.note_not_taken(error)
            return None
        self.hooks.keep_up(server)
        record = new_record(self.totals, client_address, monotonic(), limits)
        record.listener = self
        totals = self.totals
        while not (totals.reserve(record) if self.hooks.verifies else totals.accept(record)):
            if self.settle():
                continue
            if limits.when_full == "refuse":
                self._refuse(server, request)
                return None
            self.capacity.wait(FULL_LOOK)
        job = partial(self._serve, server, request, client_address, record)
        return job if self.threads is not None else partial(call_here, job, record)

    def try_to_receive(self, server: Any) -> Job | None:
        """Accept a client if one waits; None also if that could block, or call a user's hook in vain."""
        if self.hooks.acts or self.hooks.calls_to_take(server):
            return None
        listener = getattr(server, "socket", None)
        if not isinstance(listener, socket.SocketType) or listener.gettimeout() != 0:
            return None
        # Where clients queue, two threads could find the last place free, and one take a client in vain.
        return None if self.options.limits.when_full == "queue" else self.receive(server)

    def _serve(self, server: Any, request: Any, client_address: Any, record: Record) -> None:
        in_thread = False
        try:
            enter(record)
            adopt(request, record)
            if not self._deadlines.watching:
                self._deadlines.watch()
            if self.encryption.on:
                try:
                    request = self.encryption.wrap(request, record)
                    self.encryption.greet(request)
                except OSError as error:
                    # `handle_error` is not called, as no handler has seen the client.
                    self._fail(record, error)
                    self._end_with_request(server, record, request)
                    return
            if self.hooks.processes or not record.accepted:
                with self.hooks.lock:
                    handed = self._pass_hooks(server, request, client_address, record)
                if handed is None:
                    return
                request, client_address = handed
            if self.threads is None:
                server.process_request(request, client_address)
            else:
                in_thread = True
                server.process_request_thread(request, client_address)
            if not record.closed:  # an override has served it itself, or has handed it on
                self._let_go(record, request)
        except BaseException as error:
            # Whatever happens to a client, the service goes on. An exit or Ctrl-C goes to the caller of
            # serve_forever if this is its thread, as in socketserver.
            try:
                self._note_failure(server, record, request, client_address, error)
            finally:
                self._end_failed(server, record, request, in_thread=in_thread)
            if (self.threads is None or self.hooks.ahead) and not isinstance(error, Exception):
                raise

    def _end_failed(self, server: Any, record: Record, request: Any, *, in_thread: bool) -> None:
        """End a connection on which a hook has raised, or the user's `process_request_thread`."""
        # That method may have closed the request, and called its hooks, before it raised.
        if in_thread and self._is_over(request):
            self.end(record)
        else:
            self._end_with_request(server, record, request)

    def _is_over(self, request: Any) -> bool:
        """Return whether a request is closed, or lingers before it is."""
        if self._linger.has(request):
            return True
        try:
            return bool(request.fileno() < 0)
        except Exception:  # noqa: BLE001 - a request of the user's own class may raise anything
            return False

    def _pass_hooks(
        self, server: Any, request: Any, client_address: Any, record: Record
    ) -> tuple[Any, Any] | None:
        """Call the hooks that are the user's; return what is to be handled here, or None."""
        if not record.accepted:  # decided when it was admitted; the hook may have come or gone since
            if not self.hooks.verified(server, request, client_address):
                self._reject("verify", record)
                close_by(server.shutdown_request, request)
                return None
            self.totals.confirm(record)
        handed = self.hooks.process(server, request, client_address)
        if handed is None and not record.closed:
            self._let_go(record, request)
        return handed

    def _let_go(self, record: Record, request: Any) -> None:
        """Have a connection end when its request does, which may be shut down already."""
        self._elsewhere.let_go(record, request, self.note_closed, self.note_dropped)
        if self._linger.has(request := record.request):
            self._elsewhere.note_end(request)

    def ask_kernel(self) -> tuple[int, int] | None:
        """Return the length and limit of the accept queue, which only TCP tells."""
        try:
            return queue.accept_queue(self.listener) if self.kind == "tcp" else None
        except (AttributeError, OSError, TypeError):
            return None  # it is being closed, or is no socket

    def _refuse(self, server: Any, request: Any) -> None:
        self._reject("capacity")
        # Its request may still be on its way, so the socket always lingers. What a request of the user's
        # own class raises must not end the server's loop.
        with suppress(Exception):
            # Under TLS nothing can be said before the handshake.
            if self.refusal and not (self.encryption.on or isinstance(request, ssl.SSLSocket)):
                request.setblocking(False)
                request.send(self.refusal)
        with suppress(Exception):
            request.shutdown(socket.SHUT_WR)
        self._linger.add(request, partial(close_by, server.close_request, request))

    def _reject(self, reason: str, record: Record | None = None) -> None:
        if self.totals.reject(reason, record) and self.log is not None:
            self.log.repeated(
                "connection_rejected", processors=self.processors, listener=self.name, reason=reason
            )

    def note_accept_error(self, kind: str) -> None:
        """Count and log a failed accept."""
        self.totals.accept_error(kind)
        super().note_accept_error(kind)

    # The handler

    def handle(self, server: Any, request: Any, client_address: Any) -> None:
        """Run the handler, record how it ended, then close."""
        record: Any = get_current()
        if record is None or record.socket is not request:
            record = self._find(request, client_address)
        if record is not None:
            record.entered_at = monotonic()
        # Another server owns the client if it has handed it to this one.
        owner: Any = self if record is None else record.listener
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
                closed = owner._close_record(record)  # noqa: SLF001 - of its own class
            if self.threads is not None:
                close_by(server.shutdown_request, request)
            # After the end: a client may wait for that, and none waits for the log.
            if record is not None:
                owner._tell(record, closed)  # noqa: SLF001 - of its own class

    def finish(self, request: Any, client_address: Any, run: Callable[[], Any]) -> Any:
        """Run the handler, be its socket the accepted one, another one, or one that was handed on."""
        record = self._find(request, client_address)
        if record is None:
            return run()
        owner: Any = record.listener
        handed_on = self.hooks.processes or record.left is not None
        ends_here = handed_on or get_current() is not record
        if ends_here:
            record.entered_at = monotonic()
        if handed_on:
            owner._elsewhere.come_back(record, request)  # noqa: SLF001 - of its own class
        if record.socket is not request:
            adopt(request, record)
        return self._run_for(record, run) if ends_here else run()

    def _is_anothers(self, request: Any) -> bool:
        """Return whether a request is another client's than this thread's."""
        return self._elsewhere.find(request) not in {None, get_current()}

    def _find(self, request: Any, client_address: Any) -> Record | None:
        """Return the record of a request, whichever thread asks, and however the request was wrapped."""
        if (known := self._elsewhere.find(request)) is not None:
            return None if known.closed else known
        record = get_current()
        if isinstance(record, Record) and not record.closed and record.totals is self.totals:
            return record
        if not client_address:
            return None
        return next((each for each in self.others() if each.address == client_address), None)

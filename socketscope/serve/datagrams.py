"""Datagrams: received, served and counted."""

from collections.abc import Callable
from functools import partial
from time import monotonic, sleep
from typing import Any

from socketscope.addresses import format_peer
from socketscope.observe.datagrams import Datagram, receives_here
from socketscope.observe.noting import MSG_DONTWAIT
from socketscope.observe.outcomes import describe
from socketscope.observe.served import Served, get_current
from socketscope.observe.shared import new_datagram
from socketscope.observe.totals import DatagramTotals
from socketscope.serve.hooks import guard
from socketscope.serve.listeners import queue
from socketscope.serve.service import LEAST, LOOK, Service
from socketscope.serve.serving import call_here
from socketscope.serve.threads.executors import Job
from socketscope.views.context import enter


class DatagramService(Service):
    """The life of a server of datagrams."""

    totals: DatagramTotals
    event = "datagram"
    closes_first = False  # the listener's socket is the one that replies go out on

    def begin(self) -> None:
        """Make what is of this process alone."""
        super().begin()
        self.totals = DatagramTotals(self.capacity)
        self._received_by: Any = None  # the listener, where that takes flags

    def show(self, server: Any) -> None:
        """Show the listener's metrics."""
        super().show(server)
        self._received_by = self.listener if receives_here(self.listener) else None

    def receive(self, server: Any) -> Job | None:
        """Receive a waiting datagram; return the job that serves it."""
        gets = server.socket is not self._received_by or self.hooks.calls_to_take(server)
        return self._receive(server, gets=gets)

    def try_to_receive(self, server: Any) -> Job | None:
        """Receive a datagram if one waits; None also if trying would call a hook of the user's in vain."""
        if self.hooks.acts or server.socket is not self._received_by or self.hooks.calls_to_take(server):
            return None
        return self._receive(server, gets=False)

    def _receive(self, server: Any, *, gets: bool) -> Job | None:
        try:
            if gets:
                request, client_address = self.hooks.get(server, self._time_to_drain)
                size = _size(request)
            else:
                # One byte more than the limit shows whether it was cut off. It does not wait, as another
                # thread, such as a handler's, may have been faster.
                data, client_address = server.socket.recvfrom(server.max_packet_size + 1, MSG_DONTWAIT)
                request, size = (data, server.socket), len(data)
        except BaseException as error:  # noqa: BLE001 - it decides what the service outlives
            self.note_not_taken(error)
            return None
        self.hooks.keep_up(server)
        patience = self.options.limits.write_timeout if self.kind == "unixgram" else None
        datagram = new_datagram(format_peer(client_address), size, patience)
        datagram.listener = self
        if not gets and datagram.received > server.max_packet_size:
            self._drop(datagram, "truncated")
        elif not (self.totals.accept(datagram) or (self.settle() and self.totals.accept(datagram))):
            self._drop(datagram, "dropped")
        else:
            job = partial(self._serve, server, request, client_address, datagram)
            return job if self.threads is not None else partial(call_here, job, datagram)
        return None

    def _serve(self, server: Any, request: Any, client_address: Any, datagram: Datagram) -> None:
        handed: tuple[Any, Any] | None = (request, client_address)
        in_thread = False
        try:
            enter(datagram)
            datagram.began = monotonic()
            if self.hooks.verifies or self.hooks.processes:
                request = self._to_hand(request, datagram)
                with self.hooks.lock:
                    handed = self._pass_hooks(server, request, client_address, datagram)
                if handed is not None:
                    datagram.began = monotonic()
            if handed is not None:
                given, address = handed
                datagram.socket = given
                if self.threads is None:
                    server.process_request(given, address)
                else:
                    in_thread = True
                    server.process_request_thread(given, address)
        except BaseException as error:
            try:
                self._note_failure(server, datagram, request, client_address, error)
            finally:
                self.end(datagram)
            if not in_thread:  # there, only the user's override raises, which has called its hooks
                guard(server.shutdown_request, request)
            if (self.threads is None or self.hooks.ahead) and not isinstance(error, Exception):
                raise
        else:
            if handed is not None or not isinstance(request, _Handed):
                self.end(datagram)

    def _pass_hooks(
        self, server: Any, request: Any, client_address: Any, datagram: Datagram
    ) -> tuple[Any, Any] | None:
        """Call the hooks that are the user's; return what is to be handled here, or None."""
        if self.hooks.verifies and not self.hooks.verified(server, request, client_address):
            datagram.failure, datagram.received = "dropped", 0
            self.end(datagram)
            guard(server.shutdown_request, request)
            return None
        return self.hooks.process(server, request, client_address)

    def _to_hand(self, request: Any, datagram: Datagram) -> Any:
        """Return what a hook is given: the standard library's pair becomes one that knows its datagram."""
        if not (self.hooks.processes or self.hooks.ahead) or type(request) is not tuple:
            return request
        handed = _Handed(request)
        handed.datagram, handed.service = datagram, self
        return handed

    def handle(self, server: Any, request: Any, client_address: Any) -> None:
        """Run the handler and note what it raises."""
        try:
            server.finish_request(request, client_address)
        except BaseException as error:  # SystemExit too must not end a thread of the pool
            if self.threads is None:
                raise
            self._note_failure(server, get_current(), request, client_address, error)
        finally:
            if self.hooks.closes and self.threads is not None:  # otherwise there is nothing to do
                guard(server.shutdown_request, request)

    def _is_anothers(self, request: Any) -> bool:
        """Return whether a request is another datagram than this thread's."""
        return isinstance(request, _Handed) and request.datagram is not get_current()

    def finish(self, request: Any, client_address: Any, run: Callable[[], Any]) -> Any:  # noqa: ARG002
        """Run the handler, also for a datagram that a hook has handed on."""
        if not isinstance(request, _Handed):
            return run()
        datagram = request.datagram
        if get_current() is datagram and datagram.socket is request:
            return run()  # `_serve` ends it, after the hooks that follow the handler
        datagram.began, datagram.socket = monotonic(), request
        return self._run_for(datagram, run)

    def end_request(self, server: Any, request: Any) -> None:
        """Call `close_request`, as the standard library does: nothing is to be shut down."""
        server.close_request(request)

    def close_for_good(self, request: Any) -> None:
        """Do nothing: the socket is the listener's."""

    def ask_kernel(self) -> None:
        """Ask the kernel how many datagrams it dropped."""
        self.totals.note_lost(queue.lost(self.listener))

    def release_idle(self, since: float) -> None:
        """Do nothing: a datagram being served is not idle."""

    def drain(self) -> list[Served]:
        """Wait until nothing else is being served; return what still is by `drain_by`."""
        began = monotonic()
        while (others := self.others()) and monotonic() < self.drain_by:
            if monotonic() - began >= LEAST and not self.thread_counts[1]:
                self._end_lost(others)
            sleep(LOOK)
        return others + self.wait_for_ends()

    def _end_lost(self, served: list[Datagram]) -> None:
        """End datagrams that nobody will serve, as Ctrl-C came before they were given to a thread."""
        for datagram in served:
            if not datagram.began:
                datagram.began = monotonic()
                self.end(datagram)

    def _drop(self, datagram: Datagram, outcome: str) -> None:
        self.totals.drop(outcome)
        datagram.received = 0
        self._tell(datagram, (outcome, 0.0))

    def _note_failure(
        self, server: Any, datagram: Any, request: Any, client_address: Any, error: BaseException
    ) -> None:
        if isinstance(datagram, Datagram):
            self._fail(datagram, error)
        self.hooks.report(server, request, client_address, error)

    @staticmethod
    def _fail(datagram: Any, error: BaseException) -> None:
        if error is datagram.raised:
            return  # told by `handle_error` already
        datagram.error, datagram.raised = describe(error), error
        if datagram.failure is None and not datagram.knows(error):
            datagram.failure = "handler_error"

    def end(self, served: Any) -> None:
        """Count a datagram as ended, and log it, unless that was done before."""
        now = monotonic()
        served.socket = None
        self.untold.add(served)
        self._tell(served, self.totals.close(served, now))


def _size(request: Any) -> int:
    try:
        return len(request if isinstance(request, bytes) else request[0])
    except Exception:  # noqa: BLE001 - a user's get_request may return anything
        return 0


class _Handed(tuple):  # type: ignore[type-arg]  # noqa: SLOT001 - a tuple's subclass has no slots but in a dictionary
    """A request that a hook is given: serving it counts for its datagram, which ends if nobody serves it."""

    datagram: Datagram
    service: DatagramService

    def __del__(self) -> None:
        self.service.note_dropped(self.datagram)

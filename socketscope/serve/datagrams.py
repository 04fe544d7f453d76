"""Datagrams: received, served and counted."""

from collections.abc import Callable
from contextvars import Context
from functools import partial
from socket import MSG_DONTWAIT
from time import monotonic, sleep
from typing import Any

from socketscope.observe.datagrams import Datagram
from socketscope.observe.outcomes import describe
from socketscope.observe.record import current
from socketscope.observe.totals import DatagramTotals
from socketscope.serve import queue
from socketscope.serve.hooks import guard
from socketscope.serve.service import LOOK, Service
from socketscope.serve.threads import Job
from socketscope.views.context import enter


class DatagramService(Service):
    """The life of a server of datagrams."""

    totals: DatagramTotals
    closes_first = False  # the listener's socket is the one that replies go out on

    def begin(self) -> None:
        """Make what is of this process alone."""
        super().begin()
        self.totals = DatagramTotals(self.capacity)

    def receive(self, server: Any) -> Job | None:
        """Receive a datagram that waits; return what serves it."""
        try:
            request, client_address = server.get_request() if self.hooks.gets else _receive(server)
        except BaseException as error:  # noqa: BLE001 - it decides what the service outlives
            self.note_not_taken(error)
            return None
        datagram = Datagram(client_address, len(request[0]), self.options.limits.write_timeout)
        datagram.listener = self
        if not self.hooks.gets and datagram.received > server.max_packet_size:
            self._drop(datagram, "truncated")
        elif not self.totals.accept():
            self._drop(datagram, "dropped")
        else:
            return partial(Context().run, self._serve, server, request, client_address, datagram)
        return None

    def _serve(self, server: Any, request: Any, client_address: Any, datagram: Datagram) -> None:
        datagram.socket = request
        enter(datagram)
        began = monotonic()
        try:
            if self.hooks.verifies or self.hooks.processes:
                with self.hooks.lock:
                    if self.hooks.verifies and not self.hooks.verified(server, request, client_address):
                        datagram.failure, datagram.received = "dropped", 0
                        return
                    if self.hooks.processes and self.hooks.process(server, request, client_address) is None:
                        return
            if self.threads is None:
                server.process_request(request, client_address)
            else:
                server.process_request_thread(request, client_address)
        except BaseException as error:
            self._note_failure(server, datagram, request, client_address, error)
            if self.threads is None and not isinstance(error, Exception):
                raise
        finally:
            seconds = monotonic() - began
            datagram.fault = None  # its traceback would keep the frames alive, and they the datagram
            datagram.socket = None
            self.untold.add(datagram)
            self.totals.close(datagram, seconds)
            self._tell(datagram, seconds)
            guard(server.shutdown_request, request)

    def hand(self, server: Any, request: Any, client_address: Any) -> None:
        """Have a request handled that the user's process_request hands on, in whatever thread."""
        if self.threads is None:
            server.finish_request(request, client_address)
        elif not self.hooks.hand_here(request, client_address):
            self.threads.run(
                partial(Context().run, self.serve_elsewhere, server, request, client_address, None)
            )

    def handle(self, server: Any, request: Any, client_address: Any) -> None:
        """Run the handler and note what it raises."""
        try:
            server.finish_request(request, client_address)
        except BaseException as error:  # noqa: BLE001 - SystemExit too must not end a thread of the pool
            self._note_failure(server, current.get(), request, client_address, error)

    def finish(self, request: Any, client_address: Any, run: Callable[[], None]) -> None:  # noqa: ARG002
        """Run the handler."""
        run()

    def shut_down(self, server: Any, request: Any) -> None:
        """Do what there is to do, which is nothing."""
        server.close_request(request)

    def close_for_good(self, request: Any) -> None:
        """Leave the socket open: it is the listener's."""

    def look(self) -> None:
        """Ask the kernel how many datagrams it dropped."""
        self.totals.lost = max(self.totals.lost, queue.lost(self.listener))

    def release_idle(self, since: float) -> None:
        """Do nothing: a datagram that is served is not idle."""

    def drain(self) -> int:
        """Return when no other handler runs, or how many still do at `drain_by`."""
        own = isinstance(current.get(), Datagram)
        while (others := self.totals.open - own) > 0 and monotonic() < self.drain_by:
            sleep(LOOK)
        return max(others, 0)

    def _drop(self, datagram: Datagram, outcome: str) -> None:
        self.totals.drop(outcome)
        datagram.failure, datagram.received = outcome, 0
        self._tell(datagram, 0.0)

    def _note_failure(
        self, server: Any, datagram: Any, request: Any, client_address: Any, error: BaseException
    ) -> None:
        if isinstance(datagram, Datagram):
            datagram.error, datagram.raised = describe(error), error
            if error is not datagram.fault and datagram.failure is None:
                datagram.failure = "handler_error"
        self.hooks.tell(server, request, client_address, error)

    def _tell(self, datagram: Datagram, seconds: float) -> None:
        try:
            if self.log is not None:
                self.log.served("datagram", self.name, datagram, datagram.outcome, seconds)
        finally:
            datagram.raised = None
            self.untold.discard(datagram)


def _receive(server: Any) -> Any:
    # One byte more than fits tells whether it was cut off. Another thread, a handler say, may have been
    # faster.
    data, address = server.socket.recvfrom(server.max_packet_size + 1, MSG_DONTWAIT)
    return (data, server.socket), address

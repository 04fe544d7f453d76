"""Taking clients: from a server's `serve_forever` to its `shutdown`."""

import sys
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic, sleep
from typing import Any

from socketscope.interpreter import refuse_green_threads
from socketscope.observe.outcomes import accept_error
from socketscope.observe.served import Served, get_current
from socketscope.serve.hooks import complain
from socketscope.serve.state import State
from socketscope.serve.theirs import ASKED_TO_STOP, HAS_STOPPED, shut_down
from socketscope.serve.threads.executors import Elastic, Job
from socketscope.serve.threads.loop import Loop
from socketscope.views.context import enter, leave

ACCEPT_PAUSE = 0.1
"""Seconds without accepting after the kernel had no descriptor, no memory or no thread for a connection."""

LONGEST = 10.0
"""Seconds between two calls of `service_actions` without a `poll_interval`; what was dropped ends then."""


class Serving(State):
    """Takes one server's clients, and has them served.

    Attributes:
        serving: Set while clients are taken.
    """

    def begin(self) -> None:
        """Make what is of this process alone."""
        super().begin()
        self.serving = threading.Event()
        self._ended = threading.Event()
        self._stopping = False
        self._supervisor: threading.Thread | None = None
        self._has_served = False

    def serve(self, server: Any, poll_interval: float | None) -> None:
        """Serve until `shutdown`.

        Args:
            server: Whose service this is.
            poll_interval: Longest time between two calls of `service_actions`, seconds; None is `LONGEST`.

        Raises:
            RuntimeError: Not one thread can be started, or gevent or eventlet stands in for them.
            OSError: The listener is closed.
        """
        refuse_green_threads()
        # A new one each time: whoever waits for this end may wake when serving has begun again.
        ended = self._ended = threading.Event()
        self._supervisor = threading.current_thread()
        stopped = vars(server).setdefault(HAS_STOPPED, threading.Event())
        stopped.clear()
        try:
            self.hooks.find(server)
            self.show(server)
            self.draining = self._is_to_stop(server)
            if isinstance(self.threads, Elastic):
                self.threads.open()
            loop = Loop(
                server,
                partial(self._act_and_take, server),
                partial(self.try_to_receive, server),
                self._hand if self.threads is not None else partial(self._hand_and_heed, server),
            )
            self._loops.add(loop)
            if self._is_to_stop(server):
                loop.stopping = True
            self._has_served = True
            try:
                loop.run(
                    LONGEST if poll_interval is None else poll_interval,
                    partial(self._tick, server),
                    # What the user's `service_actions` uses may be meant for this thread alone.
                    self.threads if isinstance(self.threads, Elastic) and not self.hooks.acts else None,
                )
            finally:
                loop.stopping = True
                loop.wake()
                self.serving.clear()
                self._loops.discard(loop)  # in a forked child it is not there
        finally:
            self._stopping = False
            vars(server)[ASKED_TO_STOP] = False
            # Whoever waits for a mark may then serve again or close, and finds both set or no supervisor.
            self._supervisor = None
            stopped.set()
            ended.set()

    def _tick(self, server: Any) -> None:
        self.serving.set()
        self._heed(server)
        self.settle()
        self.hooks.find(server)
        self.hooks.act(server)

    def _is_to_stop(self, server: Any) -> bool:
        return self._stopping or bool(vars(server).get(ASKED_TO_STOP))

    def _heed(self, server: Any) -> None:
        """Stop if the standard library's own mark is set, as programs do to avoid a thread for `shutdown`."""
        if vars(server).get(ASKED_TO_STOP):
            self.stop()

    def _hand_and_heed(self, server: Any, job: Job) -> None:
        self._hand(job)
        self._heed(server)

    def stop(self) -> None:
        """Ask `serve` to end, without waiting for it; safe in a signal handler."""
        self._stopping = self.draining = True
        if (server := self._server()) is not None:  # it is None in the server's `__del__`
            vars(server)[ASKED_TO_STOP] = True  # handlers may look at it, too
        for loop in tuple(self._loops):
            loop.stopping = True
            loop.wake()

    def shutdown(self, server: Any) -> None:
        """Ask `serve` to end; wait for that, unless called by the thread that serves."""
        serves = self._supervisor is not None  # asked before `stop`, as it may end by that
        ended = self._ended
        self.stop()
        if not serves:
            shut_down(server)
            self._stopping = False  # the server's own mark keeps the request until a loop ends by it
        elif threading.current_thread() is not self._supervisor:
            ended.wait()

    def _act_and_take(self, server: Any) -> Job | None:
        """Call `service_actions`, as between any two clients; then take one, unless that has ended it."""
        if self.hooks.acts:
            self.hooks.act(server)
            self._heed(server)
            if self._stopping:
                return None
        return self.take(server)

    def take(self, server: Any) -> Job | None:
        """Take a client who waits; return what serves it, unless the program takes clients in its own way."""
        if not self.hooks.takes:
            return self.receive(server)
        server._handle_request_noblock()  # noqa: SLF001 - as the standard library's loop calls it
        return None

    def handle_one(self, server: Any) -> None:
        """Take a client that waits, and have it served."""
        self.settle()
        self.hooks.find(server)
        self.show(server)
        if (job := self.receive(server)) is None:
            return
        has_hooks = self.hooks.verifies or self.hooks.processes
        if has_hooks and self.threads is not None and not self.encryption.on:
            self.hooks.call_ahead(job)  # who calls this may look at what they have done, as ever
        else:
            self._hand(job)

    def _hand(self, job: Job) -> None:
        """Have a client served as soon as there is a thread for it; at a stop, it is forced with the rest."""
        if self.threads is None:
            job()  # it may raise what ends the program
            return
        while True:
            try:
                at_once = self.threads.run(job)
            except (RuntimeError, MemoryError):
                self.note_accept_error("other")
                if self._stopping or monotonic() >= self.drain_by:
                    return
                sleep(ACCEPT_PAUSE)
            else:
                if not at_once:
                    self.note_accept_error("other")
                return

    def hand(self, server: Any, request: Any, client_address: Any) -> None:
        """Have a request handled that the server's `process_request` passes on, in whatever thread."""
        if self.threads is None:
            self.handle(server, request, client_address)
            server.shutdown_request(request)
        elif self._is_anothers(request) or not self.hooks.hand_here(request, client_address):
            served = self._find(request, client_address)
            self.threads.run(partial(_handle_elsewhere, server, request, client_address, served))

    def _find(self, request: Any, client_address: Any) -> Served | None:  # noqa: ARG002
        """Return what a request counts for, unless the request itself knows it."""
        return None

    def note_not_taken(self, error: BaseException) -> None:
        """Deal with what `get_request` raised: nobody was there, there is no room, or the hook has failed."""
        match error:
            case BlockingIOError() | TimeoutError() | InterruptedError():
                pass
            case OSError():
                kind = accept_error(error)
                self.note_accept_error(kind)
                if kind != "aborted" and not (kind == "other" and self.hooks.refused(error)):
                    sleep(ACCEPT_PAUSE)
            case _:
                if not self.hooks.outlives(error):
                    raise error
                complain()
                self.note_accept_error("other")

    def _run_for(self, served: Served, run: Callable[[], Any]) -> Any:
        """Run the handler of what was handed on, and end that; return what the handler returns."""
        owner: Any = served.listener  # another server's, if that has handed it to this one
        entered = enter(served)
        try:
            return run()
        except BaseException as error:
            self._fail(served, error)
            raise
        finally:
            # The line is made while what the handler has bound is still there.
            owner.end(served)
            leave(entered)

    def note_handled(self) -> None:
        """Note the exception being handled as what ended the client that this thread serves."""
        served, error = get_current(), sys.exception()
        if served is not None and served.listener is self and error is not None:
            self._fail(served, error)


def _handle_elsewhere(server: Any, request: Any, client_address: Any, served: Served | None) -> None:
    """Handle a request in another thread, in whose context it counts for the right client."""
    if served is not None:
        enter(served)
    try:
        server.process_request_thread(request, client_address)
    except BaseException:  # noqa: BLE001 - a thread of the pool outlives whatever happens to a client
        complain()


def call_here(job: Job, served: Served) -> None:
    """Serve a client without threads, in the context of the program's own, as ever."""
    entered = enter(served)
    try:
        job()
    finally:
        leave(entered)

"""The methods of a server that a user may override, called as the standard library calls them.

The standard library calls `get_request`, `verify_request`, `process_request` and `service_actions` only in
the thread of `serve_forever`, so overrides need not be thread-safe. Here several threads take clients; a lock
makes them call these hooks one at a time.
"""

import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from math import inf
from queue import SimpleQueue
from types import FunctionType
from typing import Any

_OWN_MODULES = frozenset({"socketscope.serve.mixin", "socketserver"})

_HOOKS = frozenset({
    "get_request", "verify_request", "process_request", "service_actions", "shutdown_request",
    "close_request",
})  # fmt: skip

PATIENCE = 0.1
"""Seconds that a thread waits for a hook that another thread is in, before it looks around."""


class Hooks:
    """Which of a server's hooks are the user's, and how they are called.

    Attributes:
        lock: Held around `verified` and `process`, and in any other hook of the user's.
        verifies: Whether `verify_request` is the user's.
        processes: Whether `process_request` is.
        gets: Whether `get_request` is.
        acts: Whether `service_actions` is.
        takes: Whether `_handle_request_noblock` is. It is private, but Odoo limits its threads there.
        closes: Whether `shutdown_request` or `close_request` is.
    """

    def __init__(self, *, threaded: bool) -> None:
        """Begin without a server.

        Args:
            threaded: Whether hooks are called in many threads, where SystemExit does not end the program.
        """
        self.lock = threading.RLock()
        self.verifies = self.processes = self.gets = self.acts = self.takes = self.closes = False
        self._threaded = threaded
        self._on_object = True  # some may be set on the object itself, and differ for the next client
        self._handing = threading.local()

    def find(self, server: Any) -> None:
        """Find out which hooks are the user's, on the class or on the object."""
        kind, own = type(server), vars(server)

        def is_the_users(hook: str) -> bool:
            return hook in own or not is_ours(getattr(kind, hook))

        self._on_object = not own.keys().isdisjoint(_HOOKS)
        self.verifies = is_the_users("verify_request")
        self.processes = is_the_users("process_request")
        self.gets = is_the_users("get_request")
        self.acts = is_the_users("service_actions")
        self.takes = is_the_users("_handle_request_noblock")
        self.closes = is_the_users("shutdown_request") or is_the_users("close_request")

    def keep_up(self, server: Any) -> None:
        """Look again if the object itself has, or had, hooks; called for each client.

        That is done once the client was taken: a program may set a hook and connect while a thread is already
        about to accept.
        """
        if self._on_object or not server.__dict__.keys().isdisjoint(_HOOKS):
            self.find(server)

    def calls_to_take(self, server: Any) -> bool:
        """Return whether clients are taken by a `get_request` of the user's, even one that was just set."""
        if self._on_object or "get_request" in server.__dict__:
            self.find(server)
        return self.gets

    def get(self, server: Any, time_left: Callable[[], float]) -> Any:
        """Return what `get_request` does; it may wait for its client.

        Args:
            server: Whose hook it is.
            time_left: Returns for how many more seconds to wait for it; asked repeatedly, as a second signal
                leaves none.

        Raises:
            BlockingIOError: Another thread is in a hook.
            TimeoutError: It is still waiting; its client will be closed.
            BaseException: As `get_request` does.
        """
        # A hook that closes its server holds the lock, which another thread could not get.
        if time_left() == inf or self.lock._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001
            return self._get(server)
        came: SimpleQueue[Any] = SimpleQueue()
        claim = threading.Lock()  # whoever gets it first decides what becomes of the client

        def get() -> None:
            try:
                taken = self._get(server)
            except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
                came.put(error)
                return
            if claim.acquire(blocking=False):
                came.put(taken)
            else:
                close_by(server.shutdown_request, taken[0])

        thread = threading.Thread(target=copy_context().run, args=(get,), name="get_request", daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError):  # none can be started, as when the interpreter ends
            return self._get(server)
        while thread.is_alive() and (left := time_left()):
            thread.join(min(left, PATIENCE))
        if came.empty() and claim.acquire(blocking=False):
            raise TimeoutError
        answer = came.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _get(self, server: Any) -> Any:
        if not self.lock.acquire(timeout=PATIENCE):
            raise BlockingIOError
        try:
            return server.get_request()
        finally:
            self.lock.release()

    def refused(self, error: OSError) -> bool:
        """Return whether the user's `get_request` has raised this by itself, in order to refuse a client.

        An error of `accept`, such as a lack of descriptors, would be raised again by the next call.
        """
        if not self.gets:
            return False
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        return frame.f_code.co_name != "accept"

    def act(self, server: Any) -> None:
        """Call `service_actions`, unless another thread stays in a hook."""
        if self.acts and self.lock.acquire(timeout=PATIENCE):
            try:
                guard(server.service_actions)
            finally:
                self.lock.release()

    def outlives(self, error: BaseException) -> bool:
        """Return whether the service goes on after what a hook has raised."""
        may_exit = self.ahead or not self._threaded
        return isinstance(error, Exception) or (isinstance(error, SystemExit) and not may_exit)

    def verified(self, server: Any, request: Any, client_address: Any) -> bool:
        """Return what `verify_request` says of a client, who is refused if it raises something."""
        try:
            return bool(server.verify_request(request, client_address))
        except BaseException as error:
            if not self.outlives(error):
                raise
            complain()
            return False

    def process(self, server: Any, request: Any, client_address: Any) -> tuple[Any, Any] | None:
        """Call `process_request` if it is the user's; return what is to be handled, or None.

        With threads, the library's own `process_request` only notes what it is passed (`hand_here`): the
        handler runs when the user's method has returned, so that nobody waits for the hooks' lock meanwhile.
        """
        if not (self.processes or self.ahead):
            return request, client_address
        self._handing.result, self._handing.now = None, not self.ahead
        try:
            server.process_request(request, client_address)
            handed: tuple[Any, Any] | None = self._handing.result
        finally:
            # Otherwise it would outlive the connection while this thread is idle.
            self._handing.result, self._handing.now = None, False
        return handed

    @property
    def ahead(self) -> bool:
        """Whether this thread calls hooks, and another one is to run the handler."""
        return getattr(self._handing, "ahead", False)

    def call_ahead(self, job: Callable[[], Any]) -> None:
        """Do what serves a client but for its handler, which a thread of its own runs.

        Raises:
            BaseException: As a hook does, if it is no `Exception`.
        """
        self._handing.ahead = True
        try:
            copy_context().run(job)
        finally:
            self._handing.ahead = False

    def hand_here(self, request: Any, client_address: Any) -> bool:
        """Note a request if this thread is in `process` and has noted none yet; return whether it was noted.

        Otherwise another thread has called the library's `process_request`, or a hook did so more than once.
        """
        if not getattr(self._handing, "now", False) or self._handing.result is not None:
            return False
        self._handing.result = request, client_address
        return True

    def report(self, server: Any, request: Any, client_address: Any, error: BaseException) -> None:
        """Report what a handler raised to `handle_error`.

        What is no Exception, or is raised by `handle_error` itself, goes to `threading.excepthook`, as ever.
        """
        if self.ahead or not self._threaded:
            if isinstance(error, Exception):
                guard(server.handle_error, request, client_address)
        elif isinstance(error, Exception):
            try:
                server.handle_error(request, client_address)
            except BaseException as raised:  # noqa: BLE001 - the thread outlives it
                _call_excepthook(raised)
        else:
            _call_excepthook(error)


def _call_excepthook(error: BaseException) -> None:
    known = type(error), error, error.__traceback__, threading.current_thread()
    guard(threading.excepthook, threading.ExceptHookArgs(known))


def is_ours(method: Any) -> bool:
    """Return whether a method is the library's or the standard library's, and not a wrapper of one."""
    # A wrapper may imitate the wrapped method in all but its type and its globals.
    return type(method) is FunctionType and method.__globals__.get("__name__") in _OWN_MODULES


def guard(hook: Callable[..., Any], *args: Any) -> None:
    """Call a hook of the user's; the service goes on whatever it raises."""
    try:
        hook(*args)
    except Exception:  # noqa: BLE001 - the same
        complain()


def close_by(hook: Callable[[Any], None], request: Any) -> None:
    """Close a request by a hook of the user's, and also if that raises anything."""
    try:
        hook(request)
    except BaseException:  # noqa: BLE001 - a hook of the user's must not keep a descriptor open
        complain()
        with suppress(Exception):
            request.close()


def complain() -> None:
    """Print the exception being handled, unless even that fails."""
    with suppress(Exception):
        traceback.print_exc(file=sys.stderr)

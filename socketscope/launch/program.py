"""What each serving process of a launched program gets: observation, an endpoint, a log."""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from socketserver import BaseServer
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from prometheus_client import REGISTRY

from socketscope.addresses import parse_host_port
from socketscope.forks import OfProcess
from socketscope.interpreter import refuse_green_threads
from socketscope.launch.settings import settings_of
from socketscope.limits import Limits
from socketscope.observe.totals import Capacity
from socketscope.serve.mixin import Observed, service_of
from socketscope.serve.observing import observe
from socketscope.serve.options import refuse_forking
from socketscope.serve.service import Service
from socketscope.stderr import say
from socketscope.views.endpoint import Endpoint
from socketscope.views.metrics import view_of

if TYPE_CHECKING:
    from socketscope.views.log import Log


def look_after(server: BaseServer, original: Callable[..., Any]) -> Callable[..., Any]:
    """Observe a server that is about to serve.

    Args:
        server: Any; one that cannot be observed is left as it is, with a line on standard error.
        original: Its method that was called.

    Returns:
        The method to call in its place.
    """
    global _process  # noqa: PLW0603 - one per process
    if isinstance(server, Observed) and service_of(server).is_run:
        return original
    with _lock.own:
        try:
            refuse_forking(type(server))
            refuse_green_threads()
            if _process is None:
                _process = _Process(**settings_of(os.environ))
            _process.look_after(server)
        except Exception as error:  # noqa: BLE001 - whatever it is, the program goes on
            _say(f"{error}; it is not observed")
            return original
    if original.__module__ == "socketserver" and isinstance(server, Observed):
        # Not the server's own method: that may be an override, which has called this one.
        original = vars(Observed).get(original.__name__, original)
    return original


class _Process:
    """The servers of this process, and what they share.

    Args:
        metrics: ``HOST:PORT`` of the endpoint; None for none.
        log: Form of the log, or ``none``.
        threads: See `Options`; for servers that are not of the library's own classes.
        **limits: The fields of `Limits`, for the same.
    """

    def __init__(self, *, metrics: str | None, log: Any, threads: str, **limits: Any) -> None:
        self._options = {"limits": Limits(**limits), "threads": threads}
        self._capacity = Capacity(limits["max_connections"])
        self._services: WeakValueDictionary[int, Service] = WeakValueDictionary()
        self._view = view_of(None)
        self._log: Log | None = None
        # If the program was started without standard error, another of its files may have that number now.
        if log != "none" and sys.__stderr__ is not None:
            self._start_log(log)
        if metrics is not None:
            self._start_endpoint(*parse_host_port(metrics))

    def look_after(self, server: Any) -> None:
        """Observe a server, count it against the process' limit, and log its clients.

        Raises:
            ValueError: The program has metrics of the same names.
        """
        if not isinstance(server, Observed):
            observe(server, **self._options)
            service_of(server).share(self._capacity)
        service = service_of(server)
        if id(service) not in self._services:
            self._services[id(service)] = service
            service.log = self._log

    def leave_behind(self) -> None:
        """Give up, in a forked process, what belongs to its parent."""
        self._view.clear()
        if self._log is not None:
            # Its writer stayed in the parent, and may hold the lock that closing takes.
            atexit.unregister(self._log.close)

    def _start_log(self, form: Any) -> None:
        from socketscope.views.log import Log  # noqa: PLC0415 - it loads structlog, only if wanted

        try:
            self._view.log = self._log = Log(form, descriptor=2)
        except OSError:
            return  # standard error is closed
        # A thread's traceback stays on standard error, as the main thread's does.
        self._log.lead_loggers(threads=False)
        _at_exit(self._log.close)

    def _start_endpoint(self, host: str, port: int) -> None:
        try:
            try:
                endpoint = Endpoint(host, port, REGISTRY, self._is_ready)
            except OSError:  # another process has it, of this program or any other
                endpoint = Endpoint(host, 0, REGISTRY, self._is_ready)
        except (OSError, RuntimeError) as error:
            _say(f"there are no metrics of process {os.getpid()}: {error}")
            return
        if not endpoint.url.endswith(f":{port}/metrics"):
            _say(f"metrics of process {os.getpid()}: {endpoint.url}")

    def _is_ready(self) -> bool:
        # A copy: others may come and go meanwhile.
        services = [reference() for reference in self._services.valuerefs()]
        return any(service is not None and not service.draining for service in services)


def _say(text: str) -> None:
    if text not in _said:
        _said.add(text)
        say("socketscope", text)


def _at_exit(function: Callable[[], None]) -> None:
    atexit.register(function)
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        # A forked worker of multiprocessing ends without calling what atexit has.
        util.Finalize(None, function, exitpriority=0)


def _begin_anew() -> None:
    global _process
    inherited, _process = _process, None
    if inherited is not None:
        inherited.leave_behind()


_lock = OfProcess(threading.Lock)
_process: _Process | None = None
_said: set[str] = set()
os.register_at_fork(after_in_child=_begin_anew)

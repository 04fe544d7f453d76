"""Stopping servers that run as a program: what is under way ends, or is forced."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from socketserver import BaseServer
from time import monotonic
from typing import TYPE_CHECKING, Any

from socketscope.serve.mixin import Observed
from socketscope.serve.service import Service
from socketscope.signals import Stop

if TYPE_CHECKING:
    from socketscope.views.log import Log

LOOK = 0.1
"""Seconds between looks at servers that start or end."""

REST = 10.0
"""Longest wait between two looks at running servers; one that ends wakes whoever waits."""

_GIVE_UP = 3.0
"""Seconds after a drain's deadline in which servers may still return by themselves: forcing what is left
takes one or two. A server that is stuck in a hook does not return."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves.

    Attributes:
        ends: Threads that end with it: the one that serves, and one that is in its own `shutdown`.
    """

    server: BaseServer
    service: Service
    ends: list[threading.Thread]

    @property
    def thread(self) -> threading.Thread:
        """The one that serves."""
        return self.ends[0]


def drain(running: Sequence[Running], stop: Stop, output: "Log | None") -> int:
    """Stop all servers; return how many clients had to be forced."""
    began = monotonic()
    for each in running:
        each.service.draining = True
    if output is not None:
        output.event("drain_started")
    delay = max(each.service.options.limits.drain_delay for each in running)
    while not stop.insists and (left := began + delay - monotonic()) > 0:
        stop.wait(min(left, REST))  # the kernel takes no more than 24 days at once
    told = [each.thread for each in running if each.service.serving.is_set()]
    # Listed before any is stopped: the `shutdown` of a server that ends meanwhile is called all the same.
    own = [each for each in running if each.thread.is_alive() and _ends_in_its_own_way(each.server)]
    for each in running:
        each.service.stop()
    for each in own:
        # A program's own `shutdown` may wait for as long as the server serves.
        end = threading.Thread(target=each.server.shutdown, daemon=True)
        each.ends.append(end)
        end.start()
    _wait_for(running, told, stop)
    forced = sum(map(_forced, running))
    if output is not None:
        output.event("drain_finished", forced=forced, seconds=round(monotonic() - began, 6))
    return forced


def _forced(running: Running) -> int:
    """Return how many clients of a server were forced, plus one if a method of the program's is stuck."""
    stuck = any(thread.is_alive() for thread in running.ends)
    service = running.service
    # Without threads, that method is the handler of a client who was forced.
    return service.forced + stuck if service.threads is not None else max(service.forced, stuck)


def _ends_in_its_own_way(server: Any) -> bool:
    kind = type(server)
    return kind.shutdown is not Observed.shutdown or kind.serve_forever is not Observed.serve_forever


def _wait_for(running: Sequence[Running], told: Sequence[threading.Thread], stop: Stop) -> None:
    """Wait until all threads have ended, or only methods of the program's keep them."""
    services = [each.service for each in running]
    began = monotonic()
    until = began + max(service.options.limits.drain_timeout for service in services)
    while alive := [thread for each in running for thread in each.ends if thread.is_alive()]:
        if stop.insists:
            until = min(until, monotonic())
        late = monotonic() - until
        if late >= (_GIVE_UP if set(alive) & set(told) else 0):
            return
        # The one thread of a server without threads may be in a handler.
        for service in services:
            if late >= 0:
                service.drain_by = 0.0
                service.force()
            elif service.threads is None:
                service.release_idle(began)
        stop.wait(LOOK)

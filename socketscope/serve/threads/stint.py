"""Threads that each take a client and serve it, one after the other."""

import threading
from collections.abc import Callable
from contextvars import Context
from functools import partial
from time import monotonic

from socketscope.serve.threads.executors import Elastic, Job
from socketscope.serve.threads.waker import Waker


class Stint:
    """A time in which some threads take clients and serve them.

    Attributes:
        take: Waits for a client and takes it; returns what serves it, or None if there was none.
        alarm: Wakes the supervisor when one of them stops taking clients.
        ended: Whether they are to stop taking clients.
        raised: What ends the service, such as an exit that a hook of the user's raised.
        turns: What each thread does.
    """

    def __init__(self, take: Callable[["Stint"], Job | None], alarm: Waker) -> None:
        self.take = take
        self.alarm = alarm
        self.ended = False
        self.raised: BaseException | None = None
        self.turns: list[Turn] = []
        self.lock = threading.Lock()  # for beginning a turn, and for giving up one that has not begun

    def begin(self, pool: Elastic, threads: int) -> None:
        """Start it with some threads of a pool, or fewer if there are no more.

        Raises:
            RuntimeError: Not one can be started.
            MemoryError: The same.
        """
        for number in range(threads):
            turn = Turn()
            self.turns.append(turn)
            try:
                if pool.run(partial(turn.run, self)):
                    continue
            except (RuntimeError, MemoryError):
                if not number:
                    self.turns.clear()
                    raise
            with self.lock:
                if number and not turn.takes:
                    self.turns.remove(turn)  # it comes back by itself if a thread runs it later
            break

    @property
    def busy(self) -> bool:
        """Whether all threads are serving, so that none can take a client."""
        return all(turn.busy for turn in self.turns)

    def wait_until_nobody_takes(self, seconds: float) -> None:
        """Wait, after the end, until each thread is gone or serves its last client, at most so long."""
        until = monotonic() + seconds
        while any(turn.takes and not turn.busy for turn in self.turns) and (now := monotonic()) < until:
            self.alarm.wait(until - now)

    @property
    def served(self) -> int:
        """How many clients were served."""
        return sum(turn.served for turn in self.turns)

    @property
    def threads(self) -> list[int]:
        """The kernel's numbers of the threads."""
        return [turn.thread for turn in self.turns]


class Turn:
    """What one thread does in a stint."""

    def __init__(self) -> None:
        self.busy = self.takes = False
        self.served = self.thread = 0

    def run(self, stint: Stint) -> None:
        """Take and serve until the stint has ended."""
        self.thread = threading.get_native_id()
        with stint.lock:
            self.takes = True
            if self not in stint.turns:
                stint.turns.append(self)
        try:
            while not stint.ended:
                self.busy = False
                if (job := stint.take(stint)) is None:
                    continue
                self.busy = True
                if stint.ended:
                    stint.alarm.wake()
                Context().run(job)
                job = None  # what it refers to must not outlive it
                self.served += 1
        except OSError:
            pass  # of the listener; the supervisor will get it, too
        except Exception:  # it costs this thread, and the service goes on
            raise
        except BaseException as error:  # noqa: BLE001 - the supervisor raises it
            stint.raised = error
        finally:
            self.takes = False
            stint.ended = True
            stint.alarm.wake()

"""Judging, look by look, whether the threads that take and serve clients keep others waiting."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import get_native_id
from time import clock_gettime, monotonic
from typing import NamedTuple

from socketscope.interpreter import AT_ONCE

LOOK = 0.002
"""Seconds between looks; one client that three of them see is a slow one."""

LOOK_AT_QUICK = 0.005
"""Seconds to the next look after one that found more clients served than slow ones could have been: a look
takes the interpreter from those who serve. A slow client right after it is found that much later."""

SHORT = 0.0005
"""Seconds that quick clients take on average, at most. The service of `server/` takes 0.04 to 0.1 ms."""

ASLEEP = 0.00002
"""Seconds that a thread which serves alone may sleep for a client, on average; to wait for the interpreter is
to sleep as well. Where each has it wait for longer, for a line that is on its way or for its end, several
serve more of them."""

ASLEEP_OF_SEVERAL = 0.00008
"""The same for several, while none of them runs. Where each client has them all sleep for longer, threads of
their own serve more, though to hand one over takes 0.04 to 0.08 ms."""

WINDOW = 0.02
"""Seconds over which these averages are taken."""

_OF_A_THREAD = 0b110
"""What marks a clock's number as that of a thread's time on cores: CPUCLOCK_PERTHREAD_MASK and CPUCLOCK_SCHED
of <linux>/include/linux/posix-timers.h."""


class Impatience:
    """What is remembered from look to look at those who take and serve, while others wait.

    Attributes:
        pause: Seconds to the next look.
    """

    def __init__(self, asleep: float) -> None:
        """Remember nothing yet.

        Args:
            asleep: Seconds that each client may have those who serve sleep, on average.
        """
        self.pause = LOOK
        self._asleep = asleep
        self._began: _Moment | None = None  # of a window, which ends at:
        self._ends = 0.0
        self._last = _Moment(monotonic(), 0, 0.0)  # of looks
        self._waiting = False  # whether others were seen to wait then
        self._seen: list[Seen] | None = None  # of the threads, when nobody was served since a look

    def grows(
        self, threads: Sequence[int], served: int, idle: float, others_wait: Callable[[], bool]
    ) -> bool:
        """Return whether others have waited too long: for one client, or for each on average.

        Args:
            threads: The kernel's numbers of those who serve.
            served: How many clients they have served.
            idle: For how many seconds they have waited for one.
            others_wait: Tells whether all are with a client while another waits; asked only where not all
                that were served need have been quick, as asking lets go of the interpreter.
        """
        before, self._last = self._last, _Moment(monotonic(), served, _ran(threads) + idle)
        lasted, clients, asleep = self._last.since(before, threads)
        quick = lasted <= SHORT * clients
        self.pause = LOOK_AT_QUICK if quick else LOOK
        # What they have waited for a core is in this as well; it is looked at only where that may matter.
        quick = quick and asleep <= self._asleep * clients
        waited, self._waiting = self._waiting, not quick and others_wait()
        if not self._waiting:
            if not quick:
                self._began = None
            return False
        return self._for_one(threads) if waited and not clients else self._for_each(threads)

    def _for_one(self, threads: Sequence[int]) -> bool:
        seen, before = [_look_at(thread) for thread in threads], self._seen
        self._seen = seen
        if before is None:
            return False
        # Of threads that take turns one has had a core: if no client has left, that is the clients' doing.
        return len(threads) > AT_ONCE or not any(map(Seen.wanted_for_a_core, seen, before))

    def _for_each(self, threads: Sequence[int]) -> bool:
        self._seen = None
        now = self._last.time
        if self._began is not None and now < self._ends:
            return False
        seen = [_look_at(thread) for thread in threads]
        # This thread, which has the interpreter meanwhile, may be kept from a core itself.
        delay = sum(each.delay for each in seen) / len(seen) + _look_at(get_native_id()).delay
        began, self._began = self._began, self._last._replace(time=now - delay)
        self._ends = now + WINDOW
        if began is None:
            return False
        lasted, clients, asleep = self._began.since(began, threads)
        if lasted > SHORT * clients:
            return True
        # Of a thread that is ready, what is taken for sleep may be a wait for a core that has not ended.
        known = all(each.ran and not each.ready for each in seen)
        return known and asleep > self._asleep * clients


class _Moment(NamedTuple):
    """A time, less waits for cores, and what was done by then: clients, and seconds without sleep."""

    time: float
    served: int
    awake: float

    def since(self, before: "_Moment", threads: Sequence[int]) -> tuple[float, int, float]:
        """Return how many seconds there were for how many clients, and how many of them all threads slept.

        Threads that take turns have the seconds of one, and sleep while none of them runs.
        """
        lasted, at_once = self.time - before.time, min(len(threads), AT_ONCE)
        asleep = lasted - (self.awake - before.awake) / at_once
        return at_once * lasted, self.served - before.served, asleep


class Seen(NamedTuple):
    """What a look at a thread tells: seconds that it ran, and was ready but had no core; zeros if unknown.

    The second holds waits that have ended; of one that goes on it is only told that the thread is ready.
    """

    ran: float
    delay: float
    ready: bool

    def wanted_for_a_core(self, before: "Seen") -> bool:
        """Return whether since an earlier look it has lacked a core rather than anything else."""
        return self.delay - before.delay >= LOOK / 2 or (self.ready and self.ran - before.ran < LOOK / 4)


_UNKNOWN = Seen(0.0, 0.0, ready=False)


def _look_at(thread: int) -> Seen:
    folder = Path(f"/proc/self/task/{thread}")
    try:
        # <linux>/Documentation/scheduler/sched-stats.rst: ns on a core, ns waiting for one, turns.
        delay = int((folder / "schedstat").read_bytes().split()[1]) / 1e9
        # proc_pid_stat(5): the state comes after the name, which is in parentheses.
        ready = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"R"
    except (OSError, ValueError, IndexError):
        return _UNKNOWN
    ran = _ran([thread])
    return Seen(ran, delay, ready) if ran else _UNKNOWN


def _ran(threads: Sequence[int]) -> float:
    """Return for how many seconds threads have run; who has no number yet has not, 0 would be this one."""
    try:
        # Their own clocks, as that of schedstat stands still from one tick of the kernel to the next.
        return sum(clock_gettime(~thread << 3 | _OF_A_THREAD) for thread in threads if thread)
    except OSError:
        return 0.0

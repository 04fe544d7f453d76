"""The replay's end of the live view: sends figures to the process that draws it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from socketscope.excerpt import escaped
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.measure.timeline import Ended, Timeline
from socketscope.replay.play.run import Plan, Run
from socketscope.replay.show.printout import compared, place

_MOST_UNSENT = 1 << 20
"""Bytes kept while the terminal takes none; figures beyond that are not shown."""

_LEAVE = 2.0
"""Seconds for the process to restore the terminal and end."""


class LiveView:
    """Shows a run on standard error, and restores the terminal."""

    def __init__(self, plan: Plan, heading: str, programs: int) -> None:
        # Ctrl-C is for the run alone, however early it comes: its last lines are still to be shown.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "socketscope.replay.show.screen"], stdin=subprocess.PIPE
        )
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._pipe = self._process.stdin
        # Stopping the output of the terminal (Ctrl-S) stops the drawing, not the run.
        os.set_blocking(self._pipe.fileno(), False)
        self._unsent = bytearray()
        self._has_rate = plan.rate is not None
        passes = None if plan.loops is None else plan.loops * plan.users * programs
        # The heading may have a path that is not valid Unicode, which JSON cannot hold.
        self._send({"heading": escaped(heading), "duration": plan.duration, "passes": passes})

    def show(self, run: Run, _: Timeline, ended: Sequence[Ended]) -> None:
        """Send the figures.

        Raises:
            OSError: The process that draws has ended.
        """
        ledger = run.ledger
        with ledger.settled():
            now = {"passes": ledger.passes, "users": ledger.users, "open": ledger.open,
                   "warming_up": not ledger.counting, "failure": first_failure(ledger)}  # fmt: skip
        self._send({
            **now, "began": run.began, "elapsed": run.elapsed,
            "target_rate": run.target_rate if self._has_rate else None,
            "ended": [
                (each.at, each.figures.outcomes, list(each.figures.service.bins.items()),
                 list(each.figures.intended.bins.items()), each.counted)
                for each in ended
            ],
        })  # fmt: skip

    def close(self) -> None:
        """Remove the view."""
        with contextlib.suppress(OSError):
            self._pipe.close()
        try:
            self._process.wait(_LEAVE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, told: dict[str, Any]) -> None:
        if len(self._unsent) < _MOST_UNSENT:
            self._unsent += orjson.dumps(told) + b"\n"
        with contextlib.suppress(BlockingIOError):
            del self._unsent[: os.write(self._pipe.fileno(), self._unsent)]


def first_failure(ledger: Ledger) -> list[str]:
    """Return the first failure as in the summary, but for lack of room without what was said before."""
    if not (kinds := list(ledger.failures.values())):
        return []
    first, more = kinds[0], len(kinds) - 1
    others = f"; {more} more of other kinds" if more else ""
    told = [
        f"first failure: {place(first, has_steps=len(ledger.steps) > 1)}{others}",
        *compared(replace(first.first, said=())),
    ]
    return [escaped(line) for line in told]

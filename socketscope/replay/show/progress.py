"""Follows a run: keeps its exchanges over time, and shows them as a live view or as a line per interval."""

import sys
import threading
from collections.abc import Sequence
from typing import Protocol, Self

import orjson
import structlog

from socketscope.replay.measure.timeline import Ended, Timeline
from socketscope.replay.play.run import Run

TICK = 0.5
"""Seconds between two looks at the run."""

INTERVAL = 10.0
"""Seconds between two lines."""


class View(Protocol):
    """Shows the progress of a run."""

    def show(self, run: Run, timeline: Timeline, ended: Sequence[Ended]) -> None:
        """Show it; called every `TICK` seconds with what has ended since.

        Raises:
            OSError: It cannot be shown any more.
        """

    def close(self) -> None:
        """Stop showing it."""


class Progress:
    """Follows a run from a thread of its own.

    Attributes:
        timeline: What has ended; complete after the `with` block.
    """

    def __init__(self, run: Run, view: View) -> None:
        self.timeline = Timeline()
        self._run = run
        self._view = view
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._take()

    def _follow(self) -> None:
        is_shown = True
        try:
            while not self._ended.wait(TICK):
                ended = self._take()
                self.timeline.reach(self._run.elapsed)
                try:
                    if is_shown:
                        self._view.show(self._run, self.timeline, ended)
                except OSError:
                    is_shown = False  # the terminal, or the reader of the pipe, has gone; the run goes on
        finally:
            self._view.close()

    def _take(self) -> list[Ended]:
        ended = self._run.ledger.take_ended()
        self.timeline.follow(ended, self._run.began)
        return ended


class Lines:
    """JSON lines on standard error."""

    def __init__(self) -> None:
        self._due = INTERVAL
        self._log = structlog.wrap_logger(
            structlog.BytesLogger(sys.stderr.buffer),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ],
        )

    def show(self, run: Run, timeline: Timeline, _: Sequence[Ended]) -> None:
        """Write a line if an interval has passed."""
        if run.elapsed < self._due:
            return
        self._due += INTERVAL
        lately = timeline.last(INTERVAL)
        ledger = run.ledger
        with ledger.settled():
            ok = sum(step.outcomes["ok"] for step in ledger.steps.values())
            attempted = sum(sum(step.outcomes.values()) for step in ledger.steps.values())
            users, passes = ledger.users, ledger.passes
        self._log.info(
            "progress", users=users, passes=passes, ok=ok, failed=attempted - ok,
            p50_seconds=lately.service.quantile(0.5), p99_seconds=lately.service.quantile(0.99),
        )  # fmt: skip

    def close(self) -> None:
        """Do nothing: nothing is open."""

"""How a run is going, on standard error: a line an interval, as JSON for whoever collects it."""

import sys
import threading
from typing import Self

import orjson
import structlog

from client.run import Run

INTERVAL = 10.0
"""Seconds between two lines."""


class Progress:
    """Tells of a run while it lasts."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="progress", daemon=True)
        self._log = structlog.wrap_logger(
            structlog.BytesLogger(sys.stderr.buffer),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ],
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _tell(self) -> None:
        while not self._ended.wait(INTERVAL):
            ledger = self._run.ledger
            with ledger.lock:
                ok = sum(step.outcomes["ok"] for step in ledger.steps.values())
                attempted = sum(sum(step.outcomes.values()) for step in ledger.steps.values())
                users, passes = ledger.users, ledger.passes
            self._log.info("progress", users=users, passes=passes, ok=ok, failed=attempted - ok)

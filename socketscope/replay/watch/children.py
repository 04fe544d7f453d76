"""Programs that run beside this one and end with it."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self

ROOT = Path(__file__).parents[3]

LEAVE = 10.0
"""Seconds that a program has to end."""

LOOK = 0.05
"""Seconds between looks at what it says."""

_MOST = 1 << 20
"""Bytes of its standard error that are looked at."""


class Child:
    """``python -m`` with these words: its output is collected, and it ends at the latest with this program.

    It is in a process group of its own, so that a terminal's Ctrl-C reaches this program alone, which ends
    the others in order.
    """

    def __init__(self, *words: str) -> None:
        self.name = words[0]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, "-m", "socketscope.replay.watch.tied", *words],
            cwd=ROOT, process_group=0, encoding="utf-8", env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._errors.close()
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.close()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)

    def line(self, seconds: float) -> str | None:
        """Return the next line of its output; None where none comes in time, or it has ended."""
        with contextlib.suppress(Empty):
            while self._lines.empty() and self.runs and seconds > 0:
                with contextlib.suppress(Empty):
                    return self._lines.get(timeout=0.1)
                seconds -= 0.1
            self._reader.join(0.0 if self.runs else LEAVE)
            return self._lines.get_nowait()
        return None

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def complaint(self) -> str:
        """The last line that it wrote to standard error, or its exit status."""
        lines = self._said().splitlines()
        return lines[-1] if lines else f"exit status {self._process.returncode}"

    def told(self, what: str, seconds: float) -> str | None:
        """Return the word behind this in its standard error; None if none comes in time, or it has ended."""
        until = time.monotonic() + seconds
        while not (found := re.search(rf"{re.escape(what)} (\S+)\n", self._said())):
            if not self.runs or time.monotonic() > until:
                return None
            time.sleep(LOOK)
        return found[1]

    def _said(self) -> str:
        # Both share one place in the file, at which the program writes: reading must not move it.
        return os.pread(self._errors.fileno(), _MOST, 0).decode("utf-8", "replace")

    def stop(self) -> str:
        """End it, by force where it must be, and return the rest of its output."""
        self._process.terminate()
        try:
            self._process.wait(LEAVE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(LEAVE)
        rest = ""
        while not self._lines.empty():
            rest += self._lines.get()
        return rest

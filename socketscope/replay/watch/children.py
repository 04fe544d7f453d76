"""Child processes, which end with this one."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Self

ROOT = Path(__file__).parents[3]

LEAVE = 10.0
"""Seconds that a child has to end."""

LOOK = 0.05
"""Seconds between looks at its output."""

_MOST = 1 << 20
"""The most bytes of its output that are read."""


class Child:
    """``python -m`` with these words; its output is collected, and it ends at the latest with this process.

    It has a process group of its own, so that Ctrl-C in a terminal reaches only this process, which then ends
    its children in order.
    """

    def __init__(self, *words: str) -> None:
        self._output, self._errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - see __exit__
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, "-m", "socketscope.replay.watch.tied", *words],
            cwd=ROOT, process_group=0, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.PIPE, stdout=self._output, stderr=self._errors,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        for file in (self._output, self._errors, self._process.stdin):
            file.close()

    @property
    def runs(self) -> bool:
        """Whether it is running."""
        return self._process.poll() is None

    @property
    def complaint(self) -> str:
        """The last line that it wrote to standard error, or its exit status."""
        lines = _said(self._errors).splitlines()
        return lines[-1] if lines else f"exit status {self._process.returncode}"

    def line(self, seconds: float) -> str | None:
        """Return the first line of its output; None if none comes in time, or it has ended."""
        return self._found(r"(.*)\n", self._output, seconds)

    def told(self, what: str, seconds: float) -> str | None:
        """Return the word after a text in its standard error; None if none comes in time, or it has ended."""
        return self._found(rf"{re.escape(what)} (\S+)\n", self._errors, seconds)

    def stop(self) -> str:
        """End it, by force if necessary, and return its output."""
        self._process.terminate()
        try:
            self._process.wait(LEAVE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return _said(self._output)

    def _found(self, expression: str, file: IO[bytes], seconds: float) -> str | None:
        until = time.monotonic() + seconds
        while True:
            is_over = not self.runs or time.monotonic() > until
            if found := re.search(expression, _said(file)):
                return found[1]
            if is_over:
                return None
            time.sleep(LOOK)


def _said(file: IO[bytes]) -> str:
    # The child shares the file's offset, at which it writes: reading must not move that.
    return os.pread(file.fileno(), _MOST, 0).decode("utf-8", "replace")

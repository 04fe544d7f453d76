"""A program in a terminal of its own, and what a person would see there."""

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyte

ROOT = Path(__file__).parents[3]
PATIENCE = 30.0
END = bytes(3)


class Terminal:
    """A pseudo-terminal, the screen that it draws, and the program that it controls."""

    def __init__(self, *command: str, columns: int = 80, lines: int = 24, folder: Path = ROOT) -> None:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(self._slave)
        self.raw = b""
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        # Of another terminal, these would go before the size of this one.
        environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            cwd=folder, stdin=self._slave, stdout=self._slave, stderr=self._slave,
            env=environment | {"TERM": "xterm-256color"},
        )  # fmt: skip

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 65536):
                self._stream.feed(data)
                self.raw += data

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    @property
    def row(self) -> int:
        """The line that the cursor is on, from 0."""
        return int(self._screen.cursor.y)

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip()

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def sees(self, condition: str | Callable[[str], Any], seconds: float = PATIENCE) -> str:
        """Wait until the screen holds a text, or fulfils a condition, and return what it shows.

        A picture arrives in pieces: only one that was the same a look before is taken for a whole one.
        """
        deadline = time.monotonic() + seconds
        holds = (lambda text: condition in text) if isinstance(condition, str) else condition
        before, text = None, self.text
        while text != before or not holds(text):
            assert time.monotonic() < deadline, f"{condition!r} did not come:\n{text}"
            time.sleep(0.05)
            before, text = text, self.text
        return text

    def wait(self) -> int:
        """Return the exit status, when all that it wrote is on the screen; it must leave all as it was."""
        status = self.process.wait(PATIENCE)
        # What is drawn as nothing comes after all that was written before it.
        os.write(self._slave, END)
        self.sees(lambda _: self.raw.endswith(END))
        assert self.is_as_it_was
        return status

    @property
    def is_as_it_was(self) -> bool:
        """Whether the modes are what they were, the cursor shows, and the first screen does."""
        shown = self.raw.rfind(b"\x1b[?25h") >= self.raw.rfind(b"\x1b[?25l")
        first = self.raw.rfind(b"\x1b[?1049l") >= self.raw.rfind(b"\x1b[?1049h")
        return shown and first and termios.tcgetattr(self._slave) == self.before

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            self.process.kill()
            self.process.wait()
        os.close(self._slave)
        self._reader.join(PATIENCE)
        os.close(self._master)


def children(pid: int) -> list[int]:
    """Return the processes that a program's first thread has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def terminal(*command: str, columns: int = 80, lines: int = 24) -> Iterator[Terminal]:
    shown = Terminal(*command, columns=columns, lines=lines)
    try:
        yield shown
    finally:
        shown.close()

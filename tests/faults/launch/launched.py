"""A program that `socketscope run` has started, and the same one without it."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.server.process import PATIENCE, ROOT, ended, read_all, summed, wait_for

__all__ = ["PATIENCE", "ROOT", "RUN", "Launched", "ask", "ended", "launched", "total", "wait_for"]

RUN = (sys.executable, "-m", "socketscope", "run")


class Launched:
    """A program under `socketscope run`; it prints the port of each of its servers."""

    def __init__(self, *words: str | Path, metrics: str = "127.0.0.1:0", **popen: Any) -> None:
        self.process = subprocess.Popen(
            [*RUN, "--metrics", metrics, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **{"cwd": ROOT, **popen},
        )  # fmt: skip
        self.output = _Read(self.process.stdout)
        self.errors = _Read(self.process.stderr)

    def port(self, number: int = 0) -> int:
        """Return the port that is the first number of a line of its output."""
        lines = wait_for(lambda: len(found := self.output.lines()) > number and found, "a port")
        return int(re.findall(r"\d+", lines[number])[-1])

    def endpoints(self, count: int = 1) -> list[str]:
        """Return the addresses that standard error names, once there are so many."""
        found: list[str] = wait_for(
            lambda: (
                len(urls := re.findall(r"metrics of process \d+: (\S+)", self.errors.text())) >= count
                and urls
            ),
            f"{count} endpoints",
        )
        return found

    def metric(self, name: str, **labels: str) -> float:
        return total(self.endpoints()[0], name, **labels)

    def tell(self) -> None:
        """Have it go on, which waits for a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.output.close()
        self.errors.close()


class _Read:
    """What came from a pipe so far."""

    def __init__(self, pipe: Any) -> None:
        os.set_blocking(pipe.fileno(), False)
        self._pipe = pipe
        self._data = b""

    def text(self) -> str:
        while data := self._pipe.read():
            self._data += data
        return self._data.decode()

    def lines(self) -> list[str]:
        return re.findall(r".*\n", self.text())

    def close(self) -> None:
        self._pipe.close()


@contextlib.contextmanager
def launched(*words: str | Path, **popen: Any) -> Iterator[Launched]:
    program = Launched(*words, **popen)
    try:
        yield program
    finally:
        program.close()


def ask(port: int, data: bytes = b"hello\n") -> bytes:
    """Send on a connection of its own and return all that comes."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(data)
        return read_all(client)


def total(endpoint: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that have these labels."""
    with urllib.request.urlopen(endpoint, timeout=PATIENCE) as answer:
        return summed(answer.read().decode(), f"socketserver_{name}", **labels)

"""The programs of a measurement: compiled, started, waited for, looked at and ended."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

HERE = Path(__file__).parent

PEERS = ("socketserver", "asyncio", "uvloop", "gevent")
"""Names of `benchmarks.peers`."""

OURS = "socketscope"
OFF = "observation off"
C = "C thread pool"
SERVERS = (OURS, OFF, *PEERS, C)

C_THREADS = 16
"""Of the server in C where connections are short: with 4 to 16 it is fastest."""

START_TIMEOUT = 20.0
"""Seconds that a program has to answer."""

NOT_INSTALLED = 3
"""Exit status of a peer whose library is missing."""

_numbers = itertools.count()


class NotInstalledError(Exception):
    """Raised for a peer whose library is missing."""


class Workshop:
    """A folder for compiled programs, sockets and logs; removed at the end.

    Attributes:
        folder: Where it is.
        generator: The load generator.
        server: The server in C.
    """

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="bench-")
        self.folder = Path(self._temporary.name)
        self.generator = self._compile("generator")
        self.server = self._compile("server")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._temporary.cleanup()

    def _compile(self, name: str) -> str:
        program = str(self.folder / name)
        subprocess.run(["cc", "-O2", "-pthread", "-o", program, str(HERE / f"{name}.c")], check=True)
        return program

    def url(self, kind: str) -> str:
        """Return a free address of that kind: tcp, unix or udp."""
        if kind == "unix":
            return f"unix://{self.folder}/{next(_numbers)}.sock"
        with socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            return f"{kind}://127.0.0.1:{probe.getsockname()[1]}"

    @contextlib.contextmanager
    def serving(self, name: str, kind: str = "tcp", *, keep: bool, **settings: Any) -> Iterator["Server"]:
        """Run a server.

        Args:
            name: One of `SERVERS`, or a variant of ours.
            kind: Of address.
            keep: Whether it answers any number of lines a connection.
            settings: As `command` takes them.

        Raises:
            NotInstalledError: Its library is missing.
        """
        url = self.url(kind)
        metrics = self.url("tcp").removeprefix("tcp://")
        command = self._command(name, url, metrics, keep=keep, **settings)
        with (self.folder / f"log-{next(_numbers)}").open("w+b") as log, _running(command, log) as process:
            server = Server(name, url, f"http://{metrics}/metrics" if name == OURS else None, process)
            server.wait_until_it_answers()
            yield server

    def _command(
        self,
        name: str,
        url: str,
        metrics: str,
        *,
        keep: bool,
        clients: int = 0,
        options: tuple[str, ...] = (),
    ) -> list[str]:
        """Return how a server is started.

        Args:
            name: Which.
            url: Where it listens.
            metrics: ``HOST:PORT`` of the endpoint, for ours.
            keep: Whether it answers any number of lines a connection.
            clients: Connections that it must hold at once, where the number of threads is set at the start.
            options: Further ones of ours.
        """
        mode = ["keep"] if keep else []
        if name == C:
            return [self.server, url, str(max(C_THREADS, clients if keep else 0)), *mode]
        if name in PEERS:
            return [sys.executable, "-m", "benchmarks.peers", name, url, *mode]
        ours = ["--listen", url, *(["--keep-alive"] if keep else []), *options]
        if name == OURS:
            return [sys.executable, "-m", "server", "--metrics", metrics, *ours]
        variant = "off" if name == OFF else name
        return [sys.executable, "-m", "benchmarks.variants", variant, "--metrics", "none", *ours]


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        name: Which.
        url: Where it listens.
        metrics: Its endpoint, if it has one.
        process: What runs it.
    """

    name: str
    url: str
    metrics: str | None
    process: "subprocess.Popen[bytes]"

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process has used, of all of its threads."""
        # What clock_getcpuclockid(3) makes of a process id; glibc has no other name for it in Python.
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def status(self, field: str) -> int:
        """Return a field of ``/proc/PID/status``: memory in bytes, others as they are."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{field}:"):
                value = line.split()[1:]
                return int(value[0]) * (1024 if value[1:] == ["kB"] else 1)
        raise KeyError(field)

    def wait_until_it_answers(self) -> None:
        """Return once a line was answered.

        Raises:
            NotInstalledError: Its library is missing.
            RuntimeError: It ended, or did not answer in `START_TIMEOUT`.
        """
        give_up_at = time.monotonic() + START_TIMEOUT
        while time.monotonic() < give_up_at:
            if (status := self.process.poll()) is not None:
                if status == NOT_INSTALLED and self.name in PEERS:
                    raise NotInstalledError(self.name)
                raise RuntimeError(f"{self.name} ended with status {status}")
            with contextlib.suppress(OSError):
                if ask(self.url, b"hello\n"):
                    return
            time.sleep(0.002)
        raise RuntimeError(f"{self.name} did not answer on {self.url}")


def ask(url: str, line: bytes) -> bytes:
    """Return a server's reply to one line."""
    scheme, _, rest = url.partition("://")
    family = socket.AF_UNIX if scheme == "unix" else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM) as sock:
        sock.settimeout(1)
        host, _, port = rest.rpartition(":")
        sock.connect(rest if scheme == "unix" else (host, int(port)))
        sock.sendall(line)
        return sock.recv(512)


@contextlib.contextmanager
def _running(command: list[str], log: IO[bytes]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program to the end of the block, whatever it prints into the log."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, cwd=HERE.parent, env=_environment()
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("SERVER_", "CLIENT_"))}

"""The programs of a measurement: compiling, starting, watching and ending them."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from benchmarks.peers import NOT_INSTALLED, PEERS

HERE = Path(__file__).parent
ROOT = HERE.parent

OURS = "socketscope"
OFF = "observation off"
C = "C thread pool"
SERVERS = (OURS, OFF, *PEERS, C)
"""What is compared."""

C_THREADS = 16
"""Threads of the server in C for short connections; it is fastest with 4 to 16."""

START_TIMEOUT = 20.0
"""Seconds that a program has to give its first answer."""

WORKED_OFF = 3.0
"""Seconds that a server has to deal with its last clients."""

CALM = 0.005
"""The most CPU time, in seconds, that an idle server uses in a tenth of a second."""

Process = subprocess.Popen[bytes]

_numbers = itertools.count()


class NotInstalledError(Exception):
    """Raised for a peer whose library is missing."""


class Workshop:
    """A folder for compiled programs, sockets and logs; removed at the end.

    Attributes:
        generator: Path of the load generator.
        server: Path of the server in C.
    """

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="bench-")
        self.folder = Path(self._temporary.name)
        # Programs start as in their images: compiled, and with no setting of whoever runs this.
        self._environment = {
            **{
                name: text for name, text in os.environ.items() if not name.startswith(("SERVER_", "CLIENT_"))
            },
            "PYTHONPYCACHEPREFIX": f"{self.folder}/pycache",
            "PYTHONDONTWRITEBYTECODE": "",
        }
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
            kind: The kind of address.
            keep: Whether it answers any number of lines a connection.
            settings: See `_command`.

        Raises:
            NotInstalledError: Its library is missing.
        """
        url = self.url(kind)
        metrics = self.url("tcp").removeprefix("tcp://")
        command = self._command(name, url, metrics, keep=keep, **settings)
        began = time.monotonic()
        with self.running(command) as process:
            wait_until_it_answers(name, url, process)
            endpoint = f"http://{metrics}/metrics" if name == OURS else None
            yield Server(name, url, process, endpoint, time.monotonic() - began)

    @contextlib.contextmanager
    def running(self, command: Sequence[str], **streams: Any) -> Iterator[Process]:
        """Run a program to the end of the block; what it prints goes into a file."""
        with (self.folder / f"log-{next(_numbers)}").open("wb") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, **streams}
            process = subprocess.Popen(command, cwd=ROOT, env=self._environment, **streams)
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                for pipe in filter(None, (process.stdin, process.stdout)):
                    pipe.close()

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
        """Return the command that starts a server.

        `clients` is how many connections it must hold at once, for one whose threads are started beforehand;
        `options` are further ones, for ours and the server in C.
        """
        mode = ["keep"] if keep else []
        if name == C:
            return [self.server, url, str(max(C_THREADS, clients if keep else 0)), *mode, *options]
        if name in PEERS:
            return [sys.executable, "-m", "benchmarks.peers", name, url, *mode]
        ours = ["--listen", url, *(["--keep-alive"] if keep else []), *options]
        if name == OURS:
            return [sys.executable, "-m", "server", "--metrics", metrics, *ours]
        variant = "off" if name == OFF else name
        return [sys.executable, "-m", "benchmarks.variants", variant, "--metrics", "none", *ours]


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        metrics: URL of its endpoint, if it has one.
        started_in: Seconds from its start to its first answer, where they were measured.
    """

    name: str
    url: str
    process: Process
    metrics: str | None = None
    started_in: float = 0.0

    @property
    def resident(self) -> int:
        """Its resident memory, in bytes."""
        return resident_bytes(self.process)


@contextlib.contextmanager
def awake(one: Server, servers: Sequence[Server]) -> Iterator[None]:
    """Suspend all servers but one within the block."""
    others = [server for server in servers if server is not one]
    for server in others:
        server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for server in others:
            server.process.send_signal(signal.SIGCONT)


def wait_until_done(process: Process) -> None:
    """Wait until a server has dealt with the clients that a load leaves behind, if it ever has.

    A server suspended before that would begin its next turn with them: 500 clients who were gone took it a
    second, and delayed everybody else by as much.
    """
    give_up_at = time.monotonic() + WORKED_OFF
    used, before = cpu_seconds(process), -1.0
    while used - before > CALM and time.monotonic() < give_up_at:
        time.sleep(0.1)
        before, used = used, cpu_seconds(process)


def cpu_seconds(process: Process) -> float:
    """Return the CPU time that all threads of a process have used."""
    # What clock_getcpuclockid(3) makes of a process id; Python has that for threads alone.
    return time.clock_gettime((~process.pid << 3) | 2)


def resident_bytes(process: Process) -> int:
    """Return the resident memory of a process, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) * 1024


def wait_until_it_answers(name: str, url: str, process: Process) -> None:
    """Wait until a line is answered.

    Raises:
        NotInstalledError: Its library is missing.
        RuntimeError: It ended, or did not answer in `START_TIMEOUT`.
    """
    give_up_at = time.monotonic() + START_TIMEOUT
    while time.monotonic() < give_up_at:
        if (status := process.poll()) is not None:
            if status == NOT_INSTALLED and name in PEERS:
                raise NotInstalledError(name)
            raise RuntimeError(f"{name} ended with status {status}")
        with contextlib.suppress(OSError):
            if ask(url, b"hello\n"):
                return
        time.sleep(0.002)
    raise RuntimeError(f"{name} did not answer on {url}")


def ask(url: str, line: bytes) -> bytes:
    """Return a server's reply to one line."""
    where = urlsplit(url)
    family = socket.AF_UNIX if where.scheme == "unix" else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if where.scheme == "udp" else socket.SOCK_STREAM) as sock:
        sock.settimeout(1)
        sock.connect(where.path or (where.hostname, where.port))
        sock.sendall(line)
        return sock.recv(512)

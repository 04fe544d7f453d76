"""A server process for tests: started as a user would, asked over its endpoint, read through its log."""

import contextlib
import json
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.pages import log_fields

ROOT = Path(__file__).parents[3]
PATIENCE = 20.0


@dataclass(frozen=True)
class Spoken:
    """What a server and its clients speak below their lines, where a test does not say."""

    listen: str = "tcp://127.0.0.1:0"
    options: tuple[str, ...] = ()
    context: ssl.SSLContext | None = None


spoken = Spoken()


@contextlib.contextmanager
def speaking(kind: str, certificate: Path) -> Iterator[None]:
    """Have servers that are started in the block, and their clients, speak this: tcp or tls."""
    global spoken  # noqa: PLW0603 - every test of a module and all that it calls
    before = spoken
    if kind == "tls":
        options = ("--tls-cert", str(certificate), "--tls-key", str(certificate))
        # Of the name that a plain listener has, so that tests find it in either case.
        context = ssl.create_default_context(cafile=certificate)
        spoken = Spoken("tcp=tls://127.0.0.1:0", options, context)
    try:
        yield
    finally:
        spoken = before


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Return the first true value of a condition."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)
    return value


Ended = tuple[int, str, str]
"""Exit status, standard output, standard error."""


def ended(*command: str | Path, stdin: str = "", **popen: Any) -> Ended:
    """Run a command to its end, in the clone's folder: there the library is found without being installed."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, encoding="latin-1", check=False,
        **{"cwd": ROOT, "timeout": PATIENCE * 2, **popen},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


class ServerProcess:
    """`python -m server` on free ports, and what it says."""

    def __init__(
        self,
        *options: str,
        listen: tuple[str, ...] | None = None,
        metrics: str = "127.0.0.1:0",
        prefix: tuple[str, ...] = (),
        log: Path | None = None,
        **popen: Any,
    ) -> None:
        """Start it; with a file for the log only the first line of that is read here."""
        if listen is None:
            listen, options = (spoken.listen,), (*options, *spoken.options)
        listeners = [word for url in listen for word in ("--listen", url)]
        command = [*prefix, sys.executable, "-m", "server", *listeners, "--metrics", metrics, *options]
        with contextlib.nullcontext(subprocess.PIPE) if log is None else log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.PIPE, **{"cwd": ROOT, **popen}
            )
        self._log = log
        self.lines: list[dict[str, Any]] = []
        self.errors = b""
        self.clients: list[socket.socket] = []
        self._readers = [threading.Thread(target=self._read_log), threading.Thread(target=self._read_errors)]
        self._readers[0].start()
        self._readers[1].start()
        try:
            self.started = wait_for(self._start, "the start")
        except BaseException:
            self.close()
            raise
        self.metrics_url: str = self.started["metrics"]

    def _start(self) -> dict[str, Any] | None:
        assert self.process.poll() is None, f"it ended: {self.process.returncode} {self.errors.decode()}"
        return next(iter(self.events("server_started")), None)

    def _read_log(self) -> None:
        if (log := self._log) is not None:
            wait_for(lambda: b"\n" in log.read_bytes() or self.process.poll() is not None, "a line")
            self.lines += [json.loads(line) for line in log.read_bytes().splitlines()[:1]]
            return
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()

    def address(self, listener: str = "tcp") -> tuple[str, int]:
        host, _, port = self.started["listeners"][listener].partition("://")[2].rpartition(":")
        return host.strip("[]"), int(port)

    def connect(self, data: bytes = b"", listener: str = "tcp") -> socket.socket:
        client = socket.create_connection(self.address(listener), timeout=PATIENCE)
        if spoken.context is not None:
            client = spoken.context.wrap_socket(client, server_hostname="localhost")
        self.clients.append(client)
        if data:
            client.sendall(data)
        return client

    def ask(self, data: bytes, listener: str = "tcp") -> bytes:
        """Send on a connection of its own and return all that comes."""
        with self.connect(data, listener) as client:
            return read_all(client)

    def get(self, path: str) -> bytes:
        url = self.metrics_url.removesuffix("/metrics") + path
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            body: bytes = answer.read()
            return body

    def status(self, path: str) -> int:
        """Return the status of an answer that is none of success."""
        with pytest.raises(urllib.error.HTTPError) as refused:
            self.get(path)
        refused.value.close()
        return refused.value.code

    def metric(self, name: str, **labels: str) -> float:
        return summed(self.get("/metrics").decode(), name, **labels)

    def closed(self, outcome: str) -> float:
        return self.metric("socketserver_connections_closed_total", outcome=outcome)

    def events(self, event: str) -> list[dict[str, Any]]:
        return [line for line in list(self.lines) if line["event"] == event]

    def connections(self, count: int) -> list[dict[str, Any]]:
        """Return the lines of connections once there are so many."""
        wait_for(lambda: len(self.events("connection")) >= count, f"{count} connection lines")
        return self.events("connection")

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def memory(self) -> int:
        """Return resident bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Return the exit status once it has ended and all that it wrote was read."""
        status = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(PATIENCE)
        return status

    def stop(self) -> int:
        self.signal()
        return self.wait()

    def close(self) -> None:
        for client in self.clients:
            client.close()
        # In order where it can be: a killed process tells nothing of what it ran.
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        self.process.kill()
        self.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def serving(*options: str, **popen: Any) -> Iterator[ServerProcess]:
    server = ServerProcess(*options, **popen)
    try:
        yield server
    finally:
        server.close()
    for line in server.lines:
        assert_declared(line)


_EVENTS, _COMMON = log_fields()


def assert_declared(line: dict[str, Any]) -> None:
    """See that a line of the library's has the fields of its event, and no others that are no handler's."""
    if "timestamp" in line and (declared := _EVENTS.get(line["event"])) is not None:
        assert set(declared) <= set(line), line
        assert line["event"] in {"connection", "datagram"} or set(line) <= {*declared, *_COMMON}, line


def summed(page: str, name: str, **labels: str) -> float:
    """Return the sum of a page's samples that have these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def read_all(client: socket.socket) -> bytes:
    received = b""
    # As the end is told under TLS to who has said its own.
    with contextlib.suppress(ssl.SSLZeroReturnError):
        while data := client.recv(65536):
            received += data
    return received


@contextlib.contextmanager
def udp_client(family: int = socket.AF_INET) -> Iterator[socket.socket]:
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        yield client


def hears_nothing(client: socket.socket) -> bool:
    """Return whether nothing has come, and no end; under TLS what is TLS' own is nothing."""
    client.settimeout(0)
    try:
        client.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    finally:
        client.settimeout(PATIENCE)
    return False


def unread(client: socket.socket) -> int:
    """Return how much of what a client has sent over IPv4 the other side, on this machine, has not read."""
    (host, port), (other_host, other_port) = client.getpeername(), client.getsockname()
    ends = tuple(
        f"{socket.inet_aton(name)[::-1].hex().upper()}:{number:04X}"
        for name, number in ((host, port), (other_host, other_port))
    )
    # <linux>/net/ipv4/tcp_ipv4.c, get_tcp4_sock: both ends, the state, what waits to be sent, and to be read.
    rows = map(str.split, Path("/proc/net/tcp").read_text().splitlines())
    (waiting,) = (row[4] for row in rows if (row[1], row[2]) == ends)
    return int(waiting.partition(":")[2], 16)


def half_close(client: socket.socket) -> bool:
    """End what is sent, and go on receiving; under TLS by its own word for that.

    Returns:
        Whether what comes can be read. OpenSSL reads when it says its end, and drops a reply that it finds.
    """
    if not isinstance(client, ssl.SSLSocket):
        client.shutdown(socket.SHUT_WR)
        return True
    client.settimeout(0)
    try:
        client.unwrap()  # says so, and would wait for the other side to say it too
    except ssl.SSLWantReadError:
        pass
    except ssl.SSLError as error:
        assert error.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"
        return False
    client.settimeout(PATIENCE)
    return True


def few_descriptors(most: int) -> Callable[[], None]:
    """Return what a process does before it starts to have no more descriptors than these."""
    return partial(resource.setrlimit, resource.RLIMIT_NOFILE, (most, most))


def reset(client: socket.socket) -> None:
    """Close with a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()

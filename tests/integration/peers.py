"""Servers from Debian's packages, each started by a test on a port of its own, with nothing kept on disk."""

import contextlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0


@dataclass(frozen=True)
class Peer:
    """A server that others have written.

    Attributes:
        name: Of its scripts.
        programs: What must be installed: the server, and a client to record.
        command: Its command line, given a port and a folder of its own.
        count: What it says it did, by its own names, given the same.
    """

    name: str
    programs: tuple[str, ...]
    command: Callable[[int, Path], list[str]]
    count: Callable[[int, Path], dict[str, int]]

    @property
    def missing(self) -> list[str]:
        """The programs that are not installed."""
        return [program for program in self.programs if shutil.which(program) is None]

    @contextlib.contextmanager
    def running(self, folder: Path) -> Iterator[int]:
        """Run it; yield its port."""
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port: int = reserved.getsockname()[1]
        folder.mkdir()
        process = subprocess.Popen(self.command(port, folder), cwd=folder, stdout=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait_for(port: int) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        except ConnectionRefusedError:
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        else:
            return


def ask(port: int, question: bytes, end: bytes) -> str:
    """Return what a server says up to an end."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(question)
        answer = b""
        while not answer.endswith(end):
            data = connection.recv(65536)
            assert data, answer
            answer += data
    return answer.decode()


def _redis_counts(port: int, _: Path) -> dict[str, int]:
    # The question is itself counted, after it was answered.
    answer = ask(port, b"INFO commandstats\r\n", b"\r\n\r\n")
    return {name: int(calls) for name, calls in re.findall(r"cmdstat_(\S+):calls=(\d+)", answer)}


def _memcached_counts(port: int, _: Path) -> dict[str, int]:
    answer = ask(port, b"stats\r\n", b"END\r\n")
    wanted = r"STAT (cmd_get|cmd_set|get_hits|get_misses|incr_hits|decr_hits|delete_hits|delete_misses) (\d+)"
    return {name: int(number) for name, number in re.findall(wanted, answer)}


def _beanstalkd_counts(port: int, _: Path) -> dict[str, int]:
    answer = ask(port, b"stats\r\n", b"\n\r\n")
    counts = {name: int(number) for name, number in re.findall(r"cmd-(\S+): (\d+)", answer) if number != "0"}
    del counts["stats"]
    return counts


def _smtp_counts(_: int, folder: Path) -> dict[str, int]:
    return {"messages": len(list((folder / "mail" / "new").iterdir()))}


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "redis",
            ("redis-server", "redis-cli"),
            lambda port, _: ["redis-server", "--port", f"{port}", "--bind", "127.0.0.1", "--save", ""],
            _redis_counts,
        ),
        Peer(
            "memcached",
            ("memcached", "memccp", "memccat", "memcrm", "memcexist"),
            lambda port, _: ["memcached", "-u", "root", "-l", "127.0.0.1", "-p", f"{port}", "-U", "0"],
            _memcached_counts,
        ),
        Peer(
            "smtp",
            ("aiosmtpd", "swaks"),
            lambda port, folder: [
                "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}",
                "-c", "aiosmtpd.handlers.Mailbox", f"{folder}/mail",
            ],
            _smtp_counts,
        ),
        Peer(
            "beanstalkd",
            ("beanstalkd",),
            lambda port, _: ["beanstalkd", "-l", "127.0.0.1", "-p", f"{port}"],
            _beanstalkd_counts,
        ),
    )
}  # fmt: skip

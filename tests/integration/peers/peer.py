"""What the servers have in common: how they are run, asked for what they counted, and spoken to."""

import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports import free_port

PATIENCE = 30.0


@dataclass(frozen=True)
class Place:
    """Where a server runs.

    Attributes:
        port: What it listens on; and a port beside it, for a server that needs two.
        folder: What it may write into; others may look in, as some servers give up their rights.
    """

    port: int
    port_beside: int
    folder: Path

    def write(self, name: str, text: str) -> Path:
        """Write a file that the server reads."""
        path = self.folder / name
        path.write_text(text)
        return path

    def ask(self, question: bytes, end: bytes, *, beside: bool = False) -> str:
        """Return what the server says up to an end."""
        port = self.port_beside if beside else self.port
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(question)
            answer = b""
            while not answer.endswith(end):
                data = connection.recv(65536)
                assert data, answer
                answer += data
        return answer.decode()

    def count_lines(self, name: str, **patterns: str) -> dict[str, int]:
        """Return how many lines of a log have a match of each pattern."""
        lines = (self.folder / name).read_text().splitlines()
        return {
            what: sum(re.search(pattern, line) is not None for line in lines)
            for what, pattern in patterns.items()
        }


@dataclass(frozen=True)
class Peer:
    """A server that others have written.

    Attributes:
        name: Of its script.
        programs: What must be installed: the server, and a client to record.
        start: Writes its configuration and returns its command line.
        count: What it says it did, by its own names.
        a_pass: What it counts for a pass of its script.
        url: Where it is, with the names of the attributes of `Place`.
        options: Of `replay` for it, likewise.
        users: How many play the script at once.
        loops: How often each does.
        client: Talks to a place, to be recorded; none where that cannot be.
        secrets: What its recording takes from the environment.
        differs: What its recording expects of another run of it in vain; empty where it is green.
    """

    name: str
    programs: tuple[str, ...]
    start: Callable[[Place], list[str]]
    count: Callable[[Place], dict[str, int]]
    a_pass: dict[str, int]
    url: str = "tcp://127.0.0.1:{port}"
    options: tuple[str, ...] = ()
    users: int = 4
    loops: int = 25
    client: Callable[[Place], None] | None = None
    secrets: dict[str, str] = field(default_factory=dict)
    differs: str = ""

    @property
    def missing(self) -> list[str]:
        """The programs that are not installed."""
        return [program for program in self.programs if shutil.which(program) is None]

    def target(self, place: Place) -> list[str]:
        """Return the options of `replay` that say where it is."""
        return [part.format_map(vars(place)) for part in ("--target", self.url, *self.options)]

    @contextlib.contextmanager
    def running(self) -> Iterator[Place]:
        """Run it."""
        with tempfile.TemporaryDirectory() as folder:
            place = Place(free_port(), free_port(), Path(folder))
            place.folder.chmod(0o755)
            command = self.start(place)
            with (place.folder / "output").open("w") as output:
                process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
            try:
                wait_for(place.port, place.folder)
                yield place
            finally:
                process.terminate()
                process.wait(PATIENCE)


def wait_for(port: int, folder: Path) -> None:
    """Wait until somebody listens."""
    give_up_at = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        except ConnectionRefusedError:
            assert time.monotonic() < give_up_at, (folder / "output").read_text()
            time.sleep(0.05)
        else:
            return


def say(*command: str, ok: bool = True, given: bytes = b"") -> bytes:
    """Run a client, and return what it printed."""
    ended = subprocess.run(command, input=given, capture_output=True, timeout=PATIENCE, check=False)
    assert not ok or ended.returncode == 0, ended
    return ended.stdout

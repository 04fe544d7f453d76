"""Clients at work: the Job of deploy/kubernetes, for as long as something else goes on."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.integration.conftest import wait_for

from .cluster import MANIFESTS, Namespace

INTERRUPT = "import os, signal; os.kill(1, signal.SIGINT)"


@dataclass
class Played:
    """What became of a load, known when it has ended.

    Attributes:
        attempted: Exchanges.
        lost: Those that did not end well, by outcome.
    """

    attempted: int = 0
    lost: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.attempted} attempted, lost: {self.lost or 'none'}"


@contextlib.contextmanager
def load(namespace: Namespace, rate: int = 40, service: str = "server") -> Iterator[Played]:
    """Have clients play scripts at a rate, a connection for each message, until the block is left."""
    name = f"{service}-{rate}"
    arguments = [
        "replay", "client/scripts", "--target", f"tcp://{service}:21567", "--users", "50",
        "--rate", str(rate), "--forever", "--summary", "json",
    ]  # fmt: skip
    start(namespace, name, arguments)
    job = f"job/replay-{name}"
    try:
        wait_for(lambda: "progress" in namespace.kubectl("logs", job, check=False).stdout, "load")
        played = Played()
        yield played
        namespace.kubectl("exec", job, "--", "python", "-c", INTERRUPT)
        summary = wait_for(lambda: summed_up(namespace, job), "the summary of the load")
        played.attempted = summary["attempted"]
        played.lost = {
            outcome: count for outcome, count in summary["outcomes"].items() if outcome != "ok" and count
        }
    finally:
        namespace.kubectl("delete", job, "--now")


def start(namespace: Namespace, name: str, arguments: list[str]) -> None:
    """Start the Job under a name, with arguments of its own."""
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": arguments}]
    patches = [{"target": {"kind": "Job"}, "patch": json.dumps(patch)}]
    namespace.apply(namespace.make(MANIFESTS / "job", nameSuffix=f"-{name}", patches=patches))


def summed_up(namespace: Namespace, job: str) -> dict[str, Any] | None:
    """Return the summary that a Job's log ends with; None before its end."""
    log = namespace.kubectl("logs", job).stdout.splitlines()
    return next((json.loads(line) for line in reversed(log) if line.startswith('{"schema"')), None)

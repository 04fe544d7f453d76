"""The demo: a server, a replay against it, and `top` for both, in one terminal."""

import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from socketscope.replay.signals import Stopped
from socketscope.replay.watch.children import ROOT, Child
from socketscope.replay.watch.replicas import Watch
from socketscope.replay.watch.top import show

SCRIPTS = ROOT / "client" / "scripts"
SERVICE_PORT, METRICS_PORT = 21567, 9464
"""The default ports of the server, which are used if they are free."""

PATIENCE = 20.0
"""Seconds that a program has to start."""

EVERY = 1.0


class CannotRun(Exception):  # noqa: N818 - a message for the user
    """A program did not start, or has ended."""


def run() -> tuple[str, int]:
    """Show the demo until the user ends it.

    Returns:
        The summary of the replay, and its exit status.

    Raises:
        CannotRun: One of its programs did not start, or has ended.
        Stopped: A signal came before the demo had started.
    """
    if not (ROOT / "server").is_dir():
        raise CannotRun("demo starts this project's server, which pip does not install: run it in a clone")
    with ExitStack() as stack:
        server, started = _server(stack)
        target = started["listeners"]["tcp"]
        replay = stack.enter_context(Child(
            "socketscope", "replay", str(SCRIPTS), "--target", target, "--metrics", "127.0.0.1:0",
            "--forever", "--users", "8", "--think", "50ms", "--shape", "wave:period=1m,low=0.2",
        ))  # fmt: skip
        if (metrics := replay.told("metrics are at", PATIENCE)) is None:
            raise CannotRun(f"the replay did not start: {replay.complaint}")

        def check() -> None:
            for child, name in ((server, "server"), (replay, "replay")):
                if not child.runs:
                    raise CannotRun(f"the {name} has ended: {child.complaint}")

        watches = [Watch(started["metrics"], EVERY), Watch(metrics, EVERY)]
        for watch in watches:
            _answers(watch, check)
        host, _, port = target.removeprefix("tcp://").rpartition(":")
        status = 0
        try:
            show(watches, EVERY, f"try: echo hello | nc {host} {port}", check)
        except Stopped as stopped:
            status = stopped.status
        return replay.stop(), status


def _server(stack: ExitStack) -> tuple[Child, dict[str, Any]]:
    """Return a server, and the line that it writes at its start.

    Raises:
        CannotRun: It did not start.
    """
    # A port that was free may have been taken since, for example by another demo.
    for service, metrics in ((_port(SERVICE_PORT), _port(METRICS_PORT)), (0, 0)):
        server = stack.enter_context(Child(
            "server", "--log-level", "warning", "--listen", f"tcp://127.0.0.1:{service}",
            "--metrics", f"127.0.0.1:{metrics}",
        ))  # fmt: skip
        if (line := server.line(PATIENCE)) is not None:
            return server, json.loads(line)
    raise CannotRun(f"the server did not start: {server.complaint}")


def _port(wanted: int) -> int:
    """Return a loopback port if it is free now, else 0, for any."""
    try:
        socket.create_server(("127.0.0.1", wanted)).close()
    except OSError:
        return 0
    return wanted


def _answers(watch: Watch, check: Callable[[], None]) -> None:
    """Wait until a page can be fetched."""
    deadline = time.monotonic() + PATIENCE
    while (problem := watch.ask()) is not None:
        check()
        if time.monotonic() > deadline:
            raise CannotRun(f"{watch.look.url} does not answer: {problem}")
        time.sleep(0.05)

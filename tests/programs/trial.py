"""Tries one program one way: `python -m tests.programs.trial PROGRAM WAY`; prints what was seen as JSON."""

import collections
import contextlib
import gc
import json
import os
import socketserver
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

import socketscope
from socketscope.observe.served import Served
from socketscope.serve.service import Service
from tests.faults.library import conformance
from tests.programs.program import Program
from tests.programs.programs import PROGRAMS
from tests.programs.relay import DatagramRelay, Passed, Relay

WAYS = ("standard", "run", "observe", "mixin", "class")
AT_ONCE = 4
PATIENCE = 8.0
BEGUN = 5
"""Bytes after which a connection is reset."""


def prepare(way: str) -> None:
    """Have this process be one in which programs are observed in a way."""
    if way == "class":
        conformance.stand_in()
    elif way == "mixin":
        socketserver.ThreadingMixIn = socketscope.ThreadingMixIn  # type: ignore[misc]
        for base in ("TCPServer", "UDPServer", "UnixStreamServer", "UnixDatagramServer"):
            bases = (socketscope.ThreadingMixIn, getattr(socketserver, base))
            setattr(socketserver, f"Threading{base}", type(f"Threading{base}", bases, {}))
        conformance.reload()


def serve(program: Program, way: str) -> dict[str, Any]:
    """Serve some clients; return what they and the metrics saw."""
    made = program.make()
    if way == "observe":
        socketscope.observe(made.server)
    made.start()
    seen: dict[str, Any] = {"server": weakref.ref(made.server)}
    port = made.server.socket.getsockname()[1]
    relay = (DatagramRelay if program.datagrams else Relay)(("127.0.0.1", port))
    try:
        seen["replies"] = [program.talk(relay.address, 0)]
        with ThreadPoolExecutor(AT_ONCE) as clients:
            numbers = range(1, AT_ONCE + 1)
            seen["replies"] += clients.map(lambda number: program.talk(relay.address, number), numbers)
        others = []
        if isinstance(relay, Relay):
            others = [(program.silent, relay.hang_up()), (program.cut, relay.cut(relay.first[:BEGUN]))]
    finally:
        relay.close()
        made.stop()
    seen["ends"] = sorted(passed.end for passed in relay.passed if passed.end)
    seen["expected"] = expected(program, [*(("ok", each) for each in relay.passed), *others])
    seen["counted"] = counted()
    return seen


def expected(program: Program, passed: list[tuple[str, Passed]]) -> dict[str, float]:
    """Return what the metrics must say of what passed, with how it must have ended; zeroes left out."""
    figures = collections.Counter[str]()
    for outcome, each in passed:
        figures["received_bytes_total"] += each.up
        figures["sent_bytes_total"] += each.down
        if program.datagrams:
            figures["datagrams_total ok"] += each.replies
            figures["datagrams_total no_reply"] += each.messages - each.replies
        else:
            figures["accepted_total"] += 1
            figures[f"closed_total {outcome}"] += 1
    return {name: value for name, value in figures.items() if value}


def counted() -> dict[str, float]:
    """Return what the metrics say, zeroes left out."""
    names = {
        "socketserver_connections_accepted_total": "accepted_total",
        "socketserver_connections_closed_total": "closed_total",
        "socketserver_connections_open": "open",
        "socketserver_datagrams_total": "datagrams_total",
        "socketserver_received_bytes_total": "received_bytes_total",
        "socketserver_sent_bytes_total": "sent_bytes_total",
    }
    return {
        f"{names[sample.name]} {sample.labels.get('outcome', '')}".strip(): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name in names and sample.value
    }


def held() -> tuple[list[str], int]:
    """Return threads and descriptors of this process."""
    return sorted(thread.name for thread in threading.enumerate()), len(list(Path("/proc/self/fd").iterdir()))


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something holds, for so long."""
    until = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < until:
        time.sleep(0.1)
        gc.collect()


def left(before: tuple[list[str], int], server: Any) -> dict[str, Any]:
    """Return what a program has left behind, once that becomes no less."""
    wait_for(lambda: held()[0] == before[0] and held()[1] <= before[1])
    gc.collect()
    threads, descriptors = held()
    return {
        "threads": [name for name in threads if name not in before[0]],
        "descriptors": max(descriptors - before[1], 0),
        "objects": sorted(
            type(each).__name__ for each in gc.get_objects() if isinstance(each, (Served, Service))
        ),
        "server": server() is not None,
        "series": counted(),
    }


def main(name: str, way: str) -> None:
    """Try it twice: what is made once in a process, by whomever, is no leftover."""
    program = PROGRAMS[name]
    prepare(way)
    with contextlib.redirect_stdout(sys.stderr):
        initial, _ = held()
        serve(program, way)
        gc.collect()
        wait_for(lambda: held()[0] == initial)
        before = held()
        seen = serve(program, way)
        seen["left"] = left(before, seen.pop("server"))
    print(json.dumps(seen, default=repr))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # whatever still waits for the other side
    sys.stdout.flush()
    os._exit(0)

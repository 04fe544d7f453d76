"""How clients are judged by what their threads do: wait for them, or for a core that others have."""

import contextlib
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest

from socketscope.interpreter import AT_ONCE

from .running import PATIENCE, serving

BUSY = "import time\nuntil = time.monotonic() + 60\nwhile time.monotonic() < until: pass"
CLIENTS = """
import socket, sys, threading, time
until = time.monotonic() + 2
def talk():
    while time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as client:
            sys.stdout.write(client.recv(100).decode() + "\\n")
for client in [threading.Thread(target=talk) for _ in range(8)]:
    client.start()
"""


class Tells(socketserver.StreamRequestHandler):
    """Tells at once which thread serves: who waits for what a busy client sends is slow."""

    def handle(self):
        self.wfile.write(b"%d" % threading.get_native_id())


class TellsHowManyWait(socketserver.StreamRequestHandler):
    """Waits for a fifth of a millisecond, as for a client in the next room; tells how many do at once."""

    waiting: ClassVar[set[int]] = set()

    def handle(self):
        self.waiting.add(thread := threading.get_ident())
        at_once = len(self.waiting)
        time.sleep(0.0002)
        self.waiting.discard(thread)
        self.wfile.write(b"%d" % at_once)


@contextlib.contextmanager
def shared_core(others: int) -> Iterator[None]:
    """Stay on one core, on which other processes compute."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(others)]
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
        for process in busy:
            process.kill()
            process.wait()


def run_clients(server: socketserver.TCPServer) -> list[bytes]:
    """Return what each of many, eight at once, was told."""
    clients = [sys.executable, "-c", CLIENTS, str(server.server_address[1])]
    return subprocess.run(clients, capture_output=True, check=True, timeout=PATIENCE).stdout.split()


def test_who_wants_for_a_core_is_not_taken_for_slow():
    with shared_core(3), serving(handler=Tells) as server:
        served_by = run_clients(server)
    # More threads would wait for the same core. One that is found to be slow has others beside it.
    assert served_by
    assert len(set(served_by)) <= 2


@pytest.mark.skipif(
    AT_ONCE > 1, reason="several threads serve at once without that, as the interpreter has no lock"
)
def test_clients_who_are_quick_and_have_a_thread_wait_do_not_wait_for_each_other():
    until = time.monotonic() + PATIENCE
    with serving(handler=TellsHowManyWait) as server:
        # How soon that shows depends on what else the machine does.
        while time.monotonic() < until:
            at_once = [int(told) for told in run_clients(server)]
            if sum(number > 1 for number in at_once) > len(at_once) / 10:
                return
    # One after the other they would have less than half of the standard library's rate.
    pytest.fail("they were served one after the other")

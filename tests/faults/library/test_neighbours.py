"""A server on a machine that has other things to do."""

import contextlib
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator

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


def test_who_wants_for_a_core_is_not_taken_for_slow():
    with shared_core(3), serving(handler=Tells) as server:
        clients = [sys.executable, "-c", CLIENTS, str(server.server_address[1])]
        served_by = subprocess.run(clients, capture_output=True, check=True, timeout=PATIENCE).stdout.split()
    # More threads would wait for the same core. One that is found to be slow has others beside it.
    assert served_by
    assert len(set(served_by)) <= 2

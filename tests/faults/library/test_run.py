"""`run` in a process of its own: twice in it, with servers of any origin."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

PROGRAM = """
import os, signal, socket, socketserver, threading
from prometheus_client import REGISTRY, CollectorRegistry
import socketscope

class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.request.recv(100))

def value(name, **labels):
    return REGISTRY.get_sample_value("socketserver_" + name, labels)

def ask(server):
    with socket.create_connection(server.server_address, timeout=10) as client:
        client.sendall(b"x")
        assert client.recv(10) == b"x"
"""

TWICE = """
def look(server):
    ask(server)
    seen.append(value("draining"))
    os.kill(os.getpid(), signal.SIGTERM)

seen = []
for _ in range(2):
    server = socketscope.ThreadingTCPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=look, args=(server,)).start()
    assert socketscope.run(server, metrics=None, log=None) == 0
assert seen == [0, 0], seen
assert value("connections_accepted_total", listener="tcp") == 2
"""

PLAIN = """
def look(plain, observed):
    ask(plain)
    ask(observed)
    seen.extend(value("connections_accepted_total", listener=name) for name in ("tcp", "mine"))
    os.kill(os.getpid(), signal.SIGTERM)

seen = []
plain = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
observed = socketscope.observe(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo), listener="mine")
threading.Thread(target=look, args=(plain, observed)).start()
assert socketscope.run(plain, observed, metrics=None, log=None) == 0
assert seen == [1, 1], seen
"""


@pytest.mark.parametrize("program", [TWICE, PLAIN], ids=["twice", "plain and observed"])
def test_run(program):
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM + program],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")

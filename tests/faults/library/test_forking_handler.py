"""A handler that forks, and whose child returns from it: as ever, that is the end of the child."""

import subprocess
import sys

import pytest

from tests.faults.server.process import PATIENCE, ROOT

PROGRAM = """
import os, signal, socket, socketserver, sys, threading, time
import socketscope

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        if self.rfile.readline() == b"fork\\n":
            if not (child := os.fork()):
                signal.alarm(20)
                return
            children.append(child)
            return
        self.wfile.write(b"%d\\n" % os.getpid())

def ask(line):
    with socket.create_connection(server.server_address, timeout=10) as client:
        client.sendall(line)
        return client.makefile().readline()

class Server(socketscope.ThreadingTCPServer, threads=sys.argv[1]):
    pass

children = []
server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
ask(b"fork\\n")
until = time.monotonic() + 5
ended = (0, 0)
while not ended[0] and time.monotonic() < until:
    assert {ask(b"who\\n") for _ in range(20)} == {f"{os.getpid()}\\n"}, "the child serves"
    ended = os.waitpid(children[0], os.WNOHANG)
print("ended", ended[1])
server.shutdown()
"""


@pytest.mark.parametrize("threads", ["elastic", "per-connection"])
def test_its_child_serves_nobody_and_ends(threads):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, threads],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert ended.stdout == "ended 0\n"

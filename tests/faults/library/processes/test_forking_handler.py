"""A handler that forks, and whose child returns from it; with threads that is, as ever, its end."""

import sys

import pytest

from tests.faults.server.process import ended

PROGRAM = """
import os, signal, socket, socketserver, sys, threading, time
import socketscope
from socketscope.serve.threads import executors

executors.STAY = 60.0  # whose thread does not leave at once is here when the test ends

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
    _, output, errors = ended(sys.executable, "-c", PROGRAM, threads)
    assert output == "ended 0\n", errors


SERIAL = """
import os, signal, socket, socketserver, threading
from prometheus_client import REGISTRY
import socketscope

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        if child := os.fork():
            os.waitpid(child, 0)
        else:
            signal.alarm(20)
            self.server.is_child = True

class Server(socketserver.TCPServer):
    is_child = False

    def service_actions(self):
        if self.is_child:
            tell()
            os._exit(0)

def tell():
    print(os.getpid() == parent, *(
        REGISTRY.get_sample_value(f"socketserver_connections_{name}", {"listener": "tcp", **labels})
        for name, labels in (("accepted_total", {}), ("open", {}), ("closed_total", {"outcome": "ok"}))
    ), flush=True)

def come():
    with socket.create_connection(server.server_address, timeout=10) as client:
        client.sendall(b"x\\n")
        client.recv(1)
    server.shutdown()

parent = os.getpid()
server = socketscope.observe(Server(("127.0.0.1", 0), Handler))
threading.Thread(target=come).start()
server.serve_forever()
server.server_close()
tell()
"""


def test_its_child_counts_none_of_the_parents_clients():
    # The warning is of a fork beside threads.
    _, output, errors = ended(sys.executable, "-W", "ignore::DeprecationWarning", "-c", SERIAL)
    assert output == "False 0 0 0\nTrue 1 0 1\n", errors

"""A child process of one that serves, be it forked by a handler or to serve the same listener."""

import os
import subprocess
import sys

import pytest

from tests.faults.server.process import PATIENCE, ROOT, ended

PROGRAM = """
import os, signal, socketserver, sys, threading
import socketscope

if path := sys.argv[1]:
    server = socketscope.ThreadingUnixStreamServer(path, socketserver.BaseRequestHandler)
else:
    server = socketscope.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
server._socketscope.serving.wait()
if not (child := os.fork()):
    signal.alarm(10)
    server.shutdown()
    server.server_close()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), server._socketscope.serving.is_set())
server.shutdown()
"""


@pytest.mark.parametrize("unix", [False, True], ids=["a port", "a path"])
def test_it_closes_what_it_has_inherited_and_its_parent_serves_on(unix, tmp_path):
    path = tmp_path / "socket"
    _, output, errors = ended(sys.executable, "-c", PROGRAM, path if unix else "")
    assert output == "0 True\n", errors
    assert path.exists() == unix


LOCKED = """
import os, signal, socketserver, threading
import socketscope
from socketscope.views import metrics
from socketscope.views.lines.writer import LineWriter

server = socketscope.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
writer = LineWriter(1, lambda _: [])
writer.put(b"parent\\n")
writer._rests = True
# As threads may have them that look, or are about to rest; who has this one may take it again.
looking = threading.Thread(target=metrics._lock.own.acquire)
looking.start()
looking.join()
with writer._lock, writer._woken._cond, writer._closing._cond:
    if not (child := os.fork()):
        signal.alarm(10)
        socketscope.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        writer.put(b"child\\n")
        writer.close()
        os._exit(0)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
writer.close()
raise SystemExit(status)
"""


def test_whatever_was_locked_as_it_was_forked_is_free_in_it():
    # The warning is of a fork beside threads.
    status, output, errors = ended(sys.executable, "-W", "ignore::DeprecationWarning", "-c", LOCKED)
    assert (status, sorted(output.split()), errors) == (0, ["child", "parent"], "")


PREFORK = """
import ctypes, os, socket, socketserver, sys, threading
import socketscope

listener = socket.create_server(("127.0.0.1", 0))
asked, answer = os.pipe()
if not (child := os.fork()):
    os.read(asked, 1)
    if len(sys.argv) > 1:
        os.setsid()
    if not os.geteuid():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    server = socketscope.ThreadingTCPServer(None, socketserver.BaseRequestHandler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    threading.Thread(target=server.serve_forever).start()
    server._socketscope.serving.wait()
    server.shutdown()
    server.server_close()
    os._exit(0)
if os.geteuid():
    ctypes.CDLL(None).prctl(4, 0)  # PR_SET_DUMPABLE: nobody but root may look into it
os.write(answer, b"x")
os.waitpid(child, 0)
socket.create_connection(listener.getsockname(), timeout=5)
"""


@pytest.mark.parametrize("session", [[], ["own"]], ids=["the same session", "a session of its own"])
def test_a_worker_without_privilege_that_stops_leaves_the_listener_to_its_master(session):
    assert ended(sys.executable, "-c", PREFORK, *session) == (0, "", "")


DAEMON = """
import os, socket, socketserver, sys, threading, time
import socketscope

class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        time.sleep(0.1)
        self.request.sendall(b"served")

path = sys.argv[1] if len(sys.argv) > 1 else None
base = socketscope.ThreadingUnixStreamServer if path else socketscope.ThreadingTCPServer
class Server(base, limits=socketscope.Limits(max_connections=1, when_full="queue")): pass
server = Server(path or ("127.0.0.1", 0), Handler)
parent, end = os.pipe()
if child := os.fork():
    os._exit(0)
os.close(end)
os.setsid()
if not os.geteuid() and not path:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
os.read(parent, 1)  # until it has ended
clients = [socket.socket(server.address_family) for _ in range(4)]
for client in clients:
    client.connect(server.server_address)
threading.Thread(target=server.serve_forever).start()
server._socketscope.serving.wait()
server.shutdown()
server.server_close()
print([client.recv(10).decode() for client in clients])
"""


@pytest.mark.parametrize("unix", [True, False], ids=["a path", "a port, without privilege"])
def test_a_daemon_whose_parent_has_ended_has_its_listener_to_itself(unix, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", DAEMON, *([tmp_path / "socket"] if unix else [])],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        told, errors = program.communicate(timeout=PATIENCE)
    assert told == f"{['served'] * 4}\n", errors
    assert list(tmp_path.iterdir()) == []


SPAWNED = """
import multiprocessing, socketserver, sys, threading
from socket import create_connection
import socketscope

class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        limits, name = self.server._socketscope.options.limits, multiprocessing.current_process().name
        self.request.sendall(b"%d %s" % (limits.idle_timeout, name.encode()))

class Server(socketscope.ThreadingTCPServer, limits=socketscope.Limits(idle_timeout=60), threads=sys.argv[1]):
    def __getstate__(self):
        state = self.__dict__.copy()
        del state["_BaseServer__is_shut_down"]  # a lock, and all that cannot be handed on
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._BaseServer__is_shut_down = threading.Event()

if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Handler) as server:
        child = multiprocessing.get_context("spawn").Process(target=server.serve_forever, name="child")
        child.start()
        with create_connection(server.server_address, 10) as client:
            print(client.recv(100).decode())
        child.terminate()
        child.join()
"""


@pytest.mark.parametrize("threads", ["elastic", "per-connection"])
def test_a_server_that_is_handed_to_a_process_of_its_own_serves_there(threads, tmp_path):
    program = tmp_path / "program.py"  # which the child reads again
    program.write_text(SPAWNED)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    _, output, errors = ended(sys.executable, program, threads, env=environment)
    assert output == "60 child\n", errors


PRINTING = """
import os, signal
from socketscope.views.lines.printed import printed_lines

ended, alive = os.pipe()
with printed_lines(lambda line: None):
    if os.fork():
        os._exit(0)
    os.close(alive)
    os.read(ended, 1)  # until its parent has
    signal.alarm(10)
    try:
        while True:
            os.write(1, bytes(1 << 12))
    except BrokenPipeError:
        os.write(2, b"nobody reads")
    os._exit(0)
"""


def test_what_it_prints_does_not_hang_it_once_its_parent_has_ended():
    assert ended(sys.executable, "-W", "ignore", "-c", PRINTING)[2] == "nobody reads"


ENDPOINT = """
import os
from prometheus_client import CollectorRegistry
from socketscope.views.endpoint import Endpoint

def start(port):
    return Endpoint("127.0.0.1", port, CollectorRegistry(), lambda: True)

endpoint = start(0)
(asked, ask), (begun, begin) = os.pipe(), os.pipe()
if not os.fork():
    os.write(begin, b"!")
    os.close(ask)
    os.read(asked, 1)  # until its parent has ended
    os._exit(0)
os.read(begun, 1)
endpoint.close()
start(int(endpoint.url.split(":")[2].partition("/")[0]))
print("free")
"""


def test_it_does_not_keep_the_port_of_the_endpoint():
    assert ended(sys.executable, "-W", "ignore", "-c", ENDPOINT) == (0, "free\n", "")

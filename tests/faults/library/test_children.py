"""A child process of one that serves, be it forked by a handler or to serve the same listener."""

import subprocess
import sys

import pytest

from tests.faults.server.process import PATIENCE, ROOT

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
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, path if unix else ""],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert ended.stdout == "0 True\n", ended.stderr
    assert path.exists() == unix


LOCKED = """
import os, signal, socketserver, threading
import socketscope
from socketscope.views import metrics
from socketscope.views.writer import LineWriter

server = socketscope.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
writer = LineWriter(1, lambda _: [])
writer.put(b"parent\\n")
writer._rests = True
# As threads may have them that look, or are about to rest; who has this one may take it again.
looking = threading.Thread(target=metrics._lock.acquire)
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
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", LOCKED],  # of a fork beside threads
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(ended.stdout.split()) == ["child", "parent"]


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
    ended = subprocess.run(
        [sys.executable, "-c", PREFORK, *session],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")


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

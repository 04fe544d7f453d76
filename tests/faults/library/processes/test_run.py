"""`run` in a process of its own: twice in it, with servers of any origin."""

import json
import sys

import pytest

from tests.faults.server.process import ended

PYTHON = (sys.executable, "-W", "error", "-c")

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

def ask_and_stop(servers):
    for server in servers:
        ask(server)
    os.kill(os.getpid(), signal.SIGTERM)
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


LIMITS = """
from socketscope.serve.mixin import service_of

class Wide(socketscope.ThreadingTCPServer, limits=socketscope.Limits(idle_timeout=5, max_connections=7)):
    pass

class Tight(socketscope.ThreadingTCPServer, limits=socketscope.Limits(idle_timeout=9, max_connections=2)):
    pass

def look(*servers):
    for server in servers:
        ask(server)
        seen.append(service_of(server).options.limits.idle_timeout)
    seen.append(value("connections_limit"))
    os.kill(os.getpid(), signal.SIGTERM)

for given, expected in ((None, [5, 9, 2]), (socketscope.Limits(max_connections=4), [None, None, 4])):
    seen = []
    servers = [kind(("127.0.0.1", 0), Echo) for kind in (Wide, Tight)]
    threading.Thread(target=look, args=servers).start()
    assert socketscope.run(*servers, metrics=None, log=None, limits=given) == 0
    assert seen == expected, seen
"""

ONE_REGISTRY = """
class Named(socketscope.ThreadingTCPServer, registry=REGISTRY): pass

servers = [kind(("127.0.0.1", 0), Echo) for kind in (Named, socketscope.ThreadingTCPServer)]
threading.Thread(target=ask_and_stop, args=(servers,)).start()
assert socketscope.run(*servers, metrics=None, log=None) == 0
"""

OWN_LOOP = """
import time

class Own(socketserver.ThreadingTCPServer):
    timeout = 0.1
    ends = False

    def serve_forever(self, poll_interval=0.5):
        while not self.ends:
            self.handle_request()

class Told(Own):
    def shutdown(self):
        self.ends = True

class Super(socketscope.ThreadingTCPServer):
    ended = 0

    def shutdown(self):
        super().shutdown()
        self.ended += 1

def stop():
    for server in servers:
        ask(server)
    for _ in range(signals):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.7)

tight = socketscope.Limits(drain_timeout=0.3)
for kinds, signals, limits, status in (
    ((Told, Super), 1, None, 0), ((Own,), 1, tight, 3), ((Own, Super), 2, None, 3)
):
    servers = [kind(("127.0.0.1", 0), Echo) for kind in kinds]
    threading.Thread(target=stop).start()
    assert socketscope.run(*servers, metrics=None, log=None, limits=limits) == status
    assert not isinstance(servers[-1], Super) or servers[-1].ended == 1
    assert all(server.fileno() == -1 for server in servers)
"""

BY_NAME = """
class Base(socketserver.TCPServer):
    def serve_forever(self, poll_interval=0.5):
        socketserver.TCPServer.serve_forever(self, poll_interval)

class Threading(socketscope.ThreadingMixIn, Base): pass

servers = [kind(("127.0.0.1", 0), Echo) for kind in (Threading, Base)]
threading.Thread(target=ask_and_stop, args=(servers,)).start()
assert socketscope.run(*servers, metrics=None, log=None) == 0
"""

CHILD = """
import time, warnings

def end_of_child(number):
    if not (child := os.fork()):
        if number:
            os.kill(os.getpid(), number)
        time.sleep(20)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

class Fork(socketserver.BaseRequestHandler):
    def handle(self):
        seen.append(end_of_child(signal.SIGTERM))

warnings.simplefilter("ignore", DeprecationWarning)  # a fork among threads
seen = []
server = socketscope.ThreadingTCPServer(("127.0.0.1", 0), Fork)

def look():
    with socket.create_connection(server.server_address, timeout=10) as client:
        assert client.recv(10) == b""
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=look).start()
assert socketscope.run(server, metrics=None, log=None) == 0
assert seen == [-signal.SIGTERM], seen
"""

ENDS = """
import time

def end():
    ask(servers[0])
    time.sleep(0.5)  # by then run waits for signals
    servers[0].shutdown()
    ended.append(time.monotonic())

ended = []
servers = [socketscope.ThreadingTCPServer(("127.0.0.1", 0), Echo) for _ in range(2)]
threading.Thread(target=end).start()
assert socketscope.run(*servers, metrics=None, log=None) == 0
assert time.monotonic() - ended[0] < 5
"""

ENDPOINT = """
import urllib.request
from tests.ports import free_port

def look(server):
    ask(server)
    with urllib.request.urlopen(f"http://{address}/readyz", timeout=10) as answer:
        assert answer.read() == b"ready\\n"
    os.kill(os.getpid(), signal.SIGTERM)

address = f"127.0.0.1:{free_port()}"
for _ in range(2):
    server = socketscope.ThreadingTCPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=look, args=(server,)).start()
    assert socketscope.run(server, metrics=address, log=None) == 0
"""

FAILS = """
class Own(socketscope.ThreadingTCPServer):
    def serve_forever(self, poll_interval=0.5):
        ask(servers[0])
        raise OSError("of its own")

servers = [kind(("127.0.0.1", 0), Echo) for kind in (socketscope.ThreadingTCPServer, Own)]
try:
    socketscope.run(*servers, metrics=None, log=None)
except OSError as error:
    assert str(error) == "of its own"
else:
    raise AssertionError("nothing was raised")
assert all(server.fileno() == -1 for server in servers)
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""

SILENT = """
def stop(server):
    with socket.create_connection(server.server_address) as silent:
        silent.send(b"x")
        assert began.wait(10)
        os.kill(os.getpid(), signal.SIGTERM)
        ends.wait(30)

class Waiting(socketscope.ThreadingTCPServer, threads="per-connection"):
    def get_request(self):
        request, address = super().get_request()
        request.recv(1)
        began.set()
        request.recv(1)
        return request, address

class Reading(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(1)
        began.set()
        self.request.recv(1)

waiting = Waiting(("127.0.0.1", 0), socketserver.BaseRequestHandler)
serial = socketscope.observe(socketserver.TCPServer(("127.0.0.1", 0), Reading), listener="serial")
for server in (waiting, serial):
    began, ends = threading.Event(), threading.Event()
    client = threading.Thread(target=stop, args=(server,))
    client.start()
    limits = socketscope.Limits(drain_timeout=0.2)
    assert socketscope.run(server, metrics=None, log=None, limits=limits) == 3
    ends.set()
    client.join()
assert value("connections_closed_total", listener="serial", outcome="forced") == 1
"""


IDLE = """
def stop(server):
    with socket.create_connection(server.server_address) as idle:
        idle.send(b"x")
        assert idle.recv(1) == b"x"
        os.kill(os.getpid(), signal.SIGTERM)
        assert idle.recv(1) == b""

class Echoing(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(1):
            self.request.sendall(data)

server = socketscope.observe(socketserver.TCPServer(("127.0.0.1", 0), Echoing))
client = threading.Thread(target=stop, args=(server,))
client.start()
limits = socketscope.Limits(drain_timeout=50)
assert socketscope.run(server, metrics=None, log=None, limits=limits) == 0
client.join()
assert value("connections_closed_total", listener="tcp", outcome="ok") == 1
"""


UNDER_WAY = """
def stop(server):
    with socket.create_connection(server.server_address) as client:
        client.send(b"x")
        began.wait(10)
        os.kill(os.getpid(), signal.SIGTERM)
        replies.append(client.recv(1))

class Slow(socketserver.BaseRequestHandler):
    def handle(self):
        began.set()
        server_is_told.wait(0.5)
        self.request.sendall(b"y")

class Leaving(socketscope.ThreadingTCPServer):
    block_on_close = False

began, server_is_told, replies = threading.Event(), threading.Event(), []
server = Leaving(("127.0.0.1", 0), Slow)
client = threading.Thread(target=stop, args=(server,))
client.start()
assert socketscope.run(server, metrics=None, log=None) == 0
assert value("connections_closed_total", listener="tcp", outcome="ok") == 1
client.join()
assert replies == [b"y"], replies
"""


CLOSES_ONCE = """
class Once(socketserver.ThreadingTCPServer):
    def server_close(self):
        super().server_close()
        closed.append(self)

closed = []
servers = [Once(("127.0.0.1", 0), Echo) for _ in range(2)]
threading.Thread(target=ask_and_stop, args=(servers,)).start()
assert socketscope.run(*servers, metrics=None, log=None) == 0
assert len(closed) == 2 and set(closed) == set(servers), closed
with socket.create_server(("127.0.0.1", 0)) as taken:
    try:
        server = Once(("127.0.0.1", 0), Echo)
        socketscope.run(server, metrics="127.0.0.1:%d" % taken.getsockname()[1], log=None)
    except OSError:
        assert closed[2:] == [server], closed
    else:
        raise AssertionError("nothing was raised")
"""

FAILS_IN_CLOSING = """
class Fails(socketscope.ThreadingTCPServer):
    def server_close(self):
        super().server_close()
        raise OSError("of its close")

class FailsAtOnce(Fails):
    def serve_forever(self, poll_interval=0.5):
        ask(servers[-1])
        raise OSError("of its loop")

for kind, told in ((Fails, "of its close"), (FailsAtOnce, "of its loop")):
    servers = [kind(("127.0.0.1", 0), Echo) for kind in (kind, Fails, socketscope.ThreadingTCPServer)]
    if kind is Fails:
        threading.Thread(target=ask_and_stop, args=(servers[-1:],)).start()
    try:
        socketscope.run(*servers, metrics=None, log=None)
    except OSError as error:
        seen = error
        while seen.__context__ is not None:
            seen = seen.__context__
        assert str(seen) == told, seen
    else:
        raise AssertionError("nothing was raised")
    assert all(server.fileno() == -1 for server in servers)
"""


PROGRAMS = {
    "one that ends is the end of all": ENDS,
    "one that fails": FAILS,
    "each is closed once": CLOSES_ONCE,
    "one that fails in closing": FAILS_IN_CLOSING,
    "an endpoint at one place, twice": ENDPOINT,
    "twice": TWICE,
    "plain and observed": PLAIN,
    "limits": LIMITS,
    "one registry, named or not": ONE_REGISTRY,
    "loops and ends of their own": OWN_LOOP,
    "loops of the standard library's": BY_NAME,
    "a child is ended as ever": CHILD,
    "who waits for a silent client": SILENT,
    "an idle client of a server without threads": IDLE,
    "a request under way, where the server would not wait for it": UNDER_WAY,
}


STUCK = """
def stop(server):
    with socket.create_connection(server.server_address):
        began.wait(10)
        os.kill(os.getpid(), signal.SIGTERM)
        ends.wait(30)

class Stuck(socketserver.BaseRequestHandler):
    def handle(self):
        began.set()
        ends.wait(30)

class Server(socketserver.TCPServer):
    def shutdown(self):
        super().shutdown()

began, ends = threading.Event(), threading.Event()
server = socketscope.observe(Server(("127.0.0.1", 0), Stuck))
client = threading.Thread(target=stop, args=(server,))
client.start()
assert socketscope.run(server, metrics=None, limits=socketscope.Limits(drain_timeout=0.2)) == 3
ends.set()
client.join()
"""


def test_a_handler_that_stays_counts_once():
    status, output, errors = ended(*PYTHON, PROGRAM + STUCK)
    assert (status, errors) == (0, "")
    finished = [event for line in output.splitlines() if "forced" in (event := json.loads(line))]
    assert [event["forced"] for event in finished] == [1]


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_run(program):
    assert ended(*PYTHON, PROGRAM + program) == (0, "", "")

"""What a launched program serves is observed, and served as without."""

import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from functools import partial
from typing import Any

import pytest

from tests.faults.launch.launched import PATIENCE, ROOT, RUN, ask, ended, launched, total, wait_for
from tests.ports import free_port

WITH_LIBRARY = os.environ | {"PYTHONPATH": str(ROOT)}

HEAD = """
import os, socketserver, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())

class Web(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_): pass

def told(server):
    print(type(server).__name__, server.server_address[1], flush=True)
    return server
"""


THREADING = "told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo)).serve_forever()"
SERVERS = {
    "threading": THREADING,
    "serial": "told(socketserver.TCPServer(('127.0.0.1', 0), Echo)).serve_forever()",
    "web": "told(HTTPServer(('127.0.0.1', 0), Web)).serve_forever()",
    "threading web": "told(ThreadingHTTPServer(('127.0.0.1', 0), Web)).serve_forever(poll_interval=0.1)",
    "a mixin that stands behind": """
class Behind(socketserver.TCPServer, socketserver.ThreadingMixIn):
    def finish_request(self, *args):
        assert threading.current_thread() is threading.main_thread()
        super().finish_request(*args)
told(Behind(('127.0.0.1', 0), Echo)).serve_forever()
""",
    "one at a time": """
server = told(socketserver.TCPServer(('127.0.0.1', 0), Echo))
while True:
    server.handle_request()
""",
    "a loop of its own": """
import select
server = told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo))
while select.select([server], [], []):
    server._handle_request_noblock()
""",
    "made before, in a thread": """
server = told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo))
serve = server.serve_forever
threading.Thread(target=serve).start()
""",
    "called by name": """
socketserver.TCPServer.serve_forever(told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo)))
""",
    "overridden": """
class Own(socketserver.ThreadingTCPServer):
    entered = 0
    def serve_forever(self, poll_interval=0.5):
        self.entered += 1
        assert self.entered == 1
        try:
            super().serve_forever(poll_interval)
        finally:
            self.server_close()
told(Own(('127.0.0.1', 0), Echo)).serve_forever()
""",
    "of the library": """
import socketscope
class Own(socketscope.ThreadingTCPServer, limits=socketscope.Limits(max_connections=3)): pass
told(Own(('127.0.0.1', 0), Echo)).serve_forever()
""",
    "observed by itself": """
import socketscope
told(socketscope.observe(socketserver.TCPServer(('127.0.0.1', 0), Echo), listener="tcp")).serve_forever()
""",
}


@pytest.mark.parametrize("kind", SERVERS)
def test_it_is_counted_and_logged(program, kind):
    request = b"GET / HTTP/1.0\r\n\r\n" if "web" in kind else b"hello\n"
    # Where it is the program that imports the library, it is found as ever.
    with launched("--log", "json", program(SERVERS[kind]), env=WITH_LIBRARY) as running:
        port = running.port()
        for _ in range(3):
            assert ask(port, request)
        wait_for(
            lambda: running.metric("connections_closed_total", listener="tcp", outcome="ok") == 3, "counts"
        )
        assert running.metric("exchanges_total") == 3
        wait_for(lambda: len(logged(running.errors.lines())) == 3, "log lines")
        assert {line["outcome"] for line in logged(running.errors.lines())} == {"ok"}
        with urllib.request.urlopen(running.endpoints()[0].replace("metrics", "readyz")) as answer:
            assert answer.read() == b"ready\n"
        running.process.send_signal(signal.SIGTERM)
        assert running.wait() == -signal.SIGTERM
        assert len(running.output.lines()) == 1


def logged(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines if line.startswith("{")]


OVERRIDES = """
class Base(socketserver.TCPServer):
    pass

def override(name):
    def hook(self, *args):
        called.add(name)
        return getattr(super(Base, self), name)(*args)
    setattr(Base, name, hook)

called = set()
for name in ("serve_forever", "shutdown", "shutdown_request", "close_request", "server_close"):
    override(name)

class Threading(socketserver.ThreadingMixIn, Base): pass

for kind in Base, Threading:
    server = kind(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with socket.create_connection(server.server_address) as client:
        client.sendall(b"x\\n")
        client.makefile().read()
    server.shutdown()
    thread.join()
    server.server_close()
    print(kind.__name__, *sorted(called))
    called.clear()
"""


LAZY = """
import importlib.util, sys, threading  # what loads modules late needs that one

assert importlib.util.find_spec("socketserver") is not None  # as who asks whether there is one

class Lazy:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, *args):
        spec = self.finder.find_spec(*args)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec

sys.meta_path[:] = map(Lazy, sys.meta_path)
import served
served.serve
"""


def test_a_program_that_puts_a_finder_of_its_own_around_each(program, tmp_path):
    # As Mercurial does, whose modules are loaded when they are used.
    program(f"serve = {THREADING}", "served.py")
    (path := tmp_path / "main.py").write_text(LAZY)
    with launched(path) as running:
        assert ask(running.port(), b"hello\n") == b"hello\n"
        wait_for(lambda: running.metric("connections_closed_total", outcome="ok") == 1, "the count")


def test_what_a_base_class_overrides_is_called_as_without(program):
    path = program("import socket" + OVERRIDES)
    status, output, errors = ended(sys.executable, path)
    assert (status, len(output.split()), errors) == (0, 12, "")
    assert ended(*RUN, "--metrics", "none", path) == (status, output, errors)


def test_a_module_of_the_standard_library(tmp_path):
    (tmp_path / "page.html").write_text("what is served")
    words = ("-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(tmp_path))
    with launched("--log", "json", *words, env=os.environ | {"PYTHONUNBUFFERED": "1"}) as running:
        (line,) = wait_for(running.output.lines, "the address")
        port = int(line.split()[5])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/page.html") as answer:
            assert answer.read() == b"what is served"
        wait_for(lambda: running.metric("connections_closed_total", outcome="ok") == 1, "the count")
        (line,) = wait_for(lambda: logged(running.errors.lines()), "the log's line")
        assert line["sent_bytes"] > len("what is served")
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 0
        assert running.output.lines() == [
            f"Serving HTTP on 127.0.0.1 port {port} (http://127.0.0.1:{port}/) ...\n",
            "\n",
            "Keyboard interrupt received, exiting.\n",
        ]


def test_an_interrupt_ends_it_as_without(program):
    with launched(program(THREADING)) as running:
        running.port()
        running.endpoints()
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == -signal.SIGINT
        assert running.errors.lines()[-1] == "KeyboardInterrupt\n"


def test_where_the_default_address_is_free_nothing_is_said(program):
    text = """
server = socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo)
threading.Timer(0.3, server.shutdown).start()
server.serve_forever()
server.server_close()
"""
    address = f"127.0.0.1:{free_port()}"
    path = program(text)
    alone = ended(sys.executable, path)
    assert (
        ended(*RUN, "--metrics", address, path)
        == ended(*RUN, "--metrics", "none", path)
        == alone
        == (0, "", "")
    )


def test_a_process_is_ready_until_the_last_of_its_servers_has_closed(program):
    text = """
servers = [told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo)) for _ in range(2)]
for server in servers:
    threading.Thread(target=server.serve_forever).start()
for server in servers:
    sys.stdin.readline()
    server.shutdown()
    server.server_close()
    print("closed", 1, flush=True)
sys.stdin.readline()
"""
    with launched(program(text)) as running:
        assert ask(running.port()) == ask(running.port(1)) == b"hello\n"
        ready = running.endpoints()[0].replace("metrics", "readyz")
        running.tell()
        running.port(2)
        urllib.request.urlopen(ready, timeout=PATIENCE).close()
        running.tell()
        running.port(3)
        with pytest.raises(urllib.error.HTTPError, match="503") as refused:
            urllib.request.urlopen(ready, timeout=PATIENCE)
        refused.value.close()
        running.tell()
        assert running.wait() == 0


@pytest.mark.parametrize(
    "closing",
    [
        "sys.stderr = None",
        "sys.stderr.close()",
        "os.close(2)",
        "sys.stderr = type('Broken', (), {'write': 0, 'flush': int})()",
    ],
)
def test_a_program_without_standard_error_serves_as_without(program, closing):
    text = f"""
server = told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo))
{closing}
for _ in range(2):
    server.handle_request()
"""
    address = f"127.0.0.1:{free_port()}"
    with launched("--log", "json", program(text), metrics=address) as running:
        assert ask(running.port()) == b"hello\n"
        assert total(f"http://{address}/metrics", "connections_accepted_total") == 1
        assert ask(running.port()) == b"hello\n"
        assert running.wait() == 0
    # Where there would be something to say.
    with launched(program(text)) as running:
        assert ask(running.port()) == ask(running.port()) == b"hello\n"
        assert running.wait() == 0


def test_a_file_of_the_programs_that_has_standard_errors_number_gets_no_line(program, tmp_path):
    text = f"""
with open({str(tmp_path / "data")!r}, "w") as data:
    assert data.fileno() == 2
    told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo)).handle_request()
"""
    closed = partial(os.close, 2)
    with launched("--log", "json", program(text), preexec_fn=closed) as running:
        assert ask(running.port()) == b"hello\n"
        assert running.wait() == 0
    assert (tmp_path / "data").read_text() == ""


def test_limits_hold_over_all_of_a_process_servers(program):
    text = """
for _ in range(2):
    server = told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo))
    threading.Thread(target=server.serve_forever).start()
"""
    with launched("--max-connections", "1", program(text)) as running:
        first, second = running.port(0), running.port(1)
        with socket.create_connection(("127.0.0.1", first), PATIENCE):
            wait_for(lambda: running.metric("connections_open") == 1, "the connection")
            assert ask(second, b"") == b""
            assert running.metric("connections_rejected_total", reason="capacity") == 1
        assert running.metric("connections_limit") == 1
        wait_for(lambda: running.metric("connections_open") == 0, "its end")
        assert ask(second) == b"hello\n"


def test_threads_are_new_for_each_connection_unless_asked_otherwise(program):
    text = """
kept = threading.local()
class Count(socketserver.StreamRequestHandler):
    def handle(self):
        kept.count = getattr(kept, "count", 0) + 1
        self.wfile.write(b"%d" % kept.count)
told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Count)).serve_forever()
"""
    path = program(text)
    for options, expected in (((), {b"1"}), (("--threads", "elastic"), {b"1", b"2", b"3", b"4"})):
        with launched(*options, path) as running:
            port = running.port()
            seen = [ask(port, b"") for _ in range(4)]
            assert set(seen) == expected


def test_a_server_that_forks_is_left_alone_with_one_line(program):
    text = """
class Own(socketserver.ForkingTCPServer): pass
server = told(Own(('127.0.0.1', 0), Echo))
for _ in range(2):
    server.handle_request()
threading.Timer(0.5, server.shutdown).start()
server.serve_forever()
server.server_close()
print([each.name for each in threading.enumerate() if not isinstance(each, threading.Timer)])
"""
    with launched("--log", "json", program(text)) as running:
        port = running.port()
        assert ask(port) == ask(port) == ask(port) == b"hello\n"
        assert running.wait() == 0
        assert running.output.lines()[1] == "['MainThread']\n"
        (line,) = running.errors.lines()
        assert line.startswith("socketscope: Own forks for each client")
        assert line.endswith("it is not observed\n")


def test_a_program_with_metrics_of_the_same_names_is_left_alone_with_one_line(program):
    text = "import prometheus_client; prometheus_client.Gauge('socketserver_threads', 'own')\n" + THREADING
    with launched(program(text)) as running:
        assert ask(running.port()) == b"hello\n"
        (line,) = wait_for(running.errors.lines, "a line")
        assert "have no room in the registry" in line


@pytest.mark.parametrize(
    ("library", "module", "asked", "name"),
    [
        ("gevent", "gevent.monkey", "is_module_patched", "threading"),
        ("eventlet", "eventlet.patcher", "is_monkey_patched", "thread"),
    ],
)
def test_what_green_threads_serve_is_left_alone_with_one_line(program, library, module, asked, name):
    text = (
        f"""
import socket, ssl, types
sys.modules["{module}"] = types.SimpleNamespace({asked}=lambda name: name == "{name}")
ssl.SSLSocket = type("SSLSocket", (socket.socket,), {{}})  # replaced as well, by one that is made otherwise
"""
        + THREADING
    )
    with launched(program(text)) as running:
        assert ask(running.port()) == b"hello\n"
        (line,) = wait_for(running.errors.lines, "a line")
        assert line.startswith(f"socketscope: {library} has replaced {name}: ")
        assert line.endswith("; it is not observed\n")


def test_what_the_library_runs_is_its_own(program):
    text = """
import socketscope
server = told(socketscope.ThreadingTCPServer(('127.0.0.1', 0), Echo))
sys.exit(socketscope.run(server, metrics=None, log=None))
"""
    with launched("--log", "json", program(text), env=WITH_LIBRARY) as running:
        assert ask(running.port()) == b"hello\n"
        running.process.send_signal(signal.SIGTERM)
        assert running.wait() == 0
        assert running.errors.text() == ""


@pytest.mark.parametrize("met", ["socketscope.launch.settings", "socketscope.views.log", "class"])
@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "Stop"])
def test_a_signal_that_meets_the_library_being_loaded_is_the_program_s(program, met, raised):
    """The last of the meetings is where Python 3.11 makes another error of it.

    Any of a process' threads may be given what another one has blocked.
    """
    text = """
import os
import signal
import threading
import time

class Stop(Exception):
    pass

def stop(*_):
    raise RAISED

def send():
    if not sent:
        sent.append(1)
        os.kill(os.getpid(), signal.SIGUSR1)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == MET:
            send()

class Counted(int):
    def __set_name__(self, owner, name):
        send()

def with_name(*args, **kwargs):
    if MET == "class":
        type("Owner", (), {"name": Counted()})
    return register(*args, **kwargs)

threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
sent, register, os.register_at_fork = [], os.register_at_fork, with_name
signal.signal(signal.SIGUSR1, stop)
sys.meta_path.insert(0, Finder())
server = told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo))
try:
    server.serve_forever()
except RAISED:
    print("stopped", flush=True)
"""
    text = text.replace("RAISED", raised).replace("MET", repr(met))
    with launched("--log", "json", program(text), metrics="none") as running:
        assert running.wait() == 0
        assert running.output.lines()[-1] == "stopped\n"
        assert running.errors.text() == ""


def test_what_a_library_has_set_for_a_signal_stays(program):
    """As GLib does, behind Python's back, which goes on naming its own handler."""
    text = """
import ctypes
import signal
ctypes.CDLL(None).signal(signal.SIGINT, signal.SIG_IGN)
"""
    with launched(program(text + THREADING)) as running:
        assert ask(running.port()) == b"hello\n"
        running.process.send_signal(signal.SIGINT)
        assert ask(running.port()) == b"hello\n"


def test_a_signal_that_meets_a_child_of_a_program_which_has_served_is_not_lost(program):
    text = """
import os
import signal
import socket
import threading

class Stop(Exception):
    pass

def stop(*_):
    raise Stop

def start_and_send(thread):
    start(thread)
    os.kill(os.getpid(), signal.SIGUSR1)

server = socketserver.TCPServer(('127.0.0.1', 0), Echo)
socket.create_connection(server.server_address).close()
server.handle_request()
child = os.fork()
if child:
    os.waitpid(child, 0)
else:
    signal.alarm(20)
    signal.signal(signal.SIGUSR1, stop)
    start, threading.Thread.start = threading.Thread.start, start_and_send
    try:
        server.serve_forever()
    except Stop:
        print("stopped", flush=True)
"""
    with launched("--log", "json", program(text), metrics="none") as running:
        assert running.wait() == 0
        assert running.output.lines()[-1:] == ["stopped\n"]
        assert "not observed" not in running.errors.text()


def test_an_interpreter_that_lacks_the_library_s_needs_says_so_once(program, tmp_path):
    (tmp_path / "prometheus_client.py").write_text("raise ImportError('not here')")
    text = """
server = told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo))
server.handle_request()
if len(sys.argv) == 1:
    import subprocess
    subprocess.run([sys.executable, __file__, "child"])
"""
    with launched(program(text)) as running:
        assert ask(running.port(0)) == b"hello\n"
        assert ask(running.port(1)) == b"hello\n"
        assert running.wait() == 0
        assert running.errors.text() == f"socketscope: {sys.executable} observes nothing: not here\n"


def test_a_program_that_cannot_load_anything_any_more_serves_all_the_same(program):
    text = """
sys.path.clear()  # as `os.chroot` does
sys.modules.pop("dataclasses", None)  # which coverage has loaded
server = told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo))
server.handle_request()
server.handle_request()
"""
    with launched(program(text)) as running:
        assert [ask(running.port()) for _ in range(2)] == [b"hello\n"] * 2
        assert running.wait() == 0
        told = f"socketscope: {sys.executable} observes nothing: No module named 'dataclasses'\n"
        assert running.errors.text() == told


def test_where_there_can_be_no_more_threads_the_library_is_loaded_all_the_same(program):
    text = """
def start(_):
    raise RuntimeError("can't start new thread")

server = told(socketserver.TCPServer(('127.0.0.1', 0), Echo))
begin, threading.Thread.start = threading.Thread.start, start
server.handle_request()
threading.Thread.start = begin
print("_socketscope" in vars(server), flush=True)
"""
    with launched(program(text), metrics="none") as running:
        assert ask(running.port()) == b"hello\n"
        assert running.wait() == 0
        assert (running.output.lines()[-1], running.errors.text()) == ("True\n", "")


def test_where_standard_error_is_full_a_program_that_is_not_observed_serves_all_the_same(program, tmp_path):
    def fill() -> None:
        os.dup2(os.open("/dev/full", os.O_WRONLY), 2)

    (tmp_path / "prometheus_client.py").write_text("raise ImportError('not here')")
    text = """
server = socketserver.TCPServer(('127.0.0.1', 0), Echo)
server.timeout = 0
server.handle_request()
print("served")
"""
    assert ended(*RUN, program(text), preexec_fn=fill)[:2] == (0, "served\n")


@pytest.mark.parametrize("env", [None, WITH_LIBRARY], ids=["without the library", "with it"])
def test_the_path_is_as_before_when_something_has_served(program, env):
    text = """
before = list(sys.path)
server = told(socketserver.TCPServer(('127.0.0.1', 0), Echo))
server.handle_request()
print(sys.path == before, "socketscope" in sys.modules, 1)
"""
    with launched(program(text), env=env) as running:
        assert ask(running.port()) == b"hello\n"
        assert running.wait() == 0
        assert running.output.lines()[1] == "True True 1\n"


def test_the_log_is_complete_when_the_program_ends(program):
    text = """
server = told(socketserver.TCPServer(('127.0.0.1', 0), Echo))
for _ in range(3):
    server.handle_request()
"""
    with launched("--log", "json", program(text)) as running:
        port = running.port()
        for _ in range(3):
            ask(port)
        assert running.wait() == 0
        assert len(logged(running.errors.lines())) == 3


def test_the_log_is_there_where_the_program_has_put_a_partial_in_place_of_orjson_s_own(program):
    pytest.importorskip("orjson", reason="orjson is not for an interpreter without a lock")
    text = """
import functools
import orjson

orjson.dumps = functools.partial(orjson.dumps, option=orjson.OPT_NON_STR_KEYS)  # as Glances does
told(socketserver.TCPServer(('127.0.0.1', 0), Echo)).handle_request()
"""
    with launched("--log", "json", program(text)) as running:
        ask(running.port())
        assert running.wait() == 0
        assert [line["outcome"] for line in logged(running.errors.lines())] == ["ok"]


@pytest.mark.parametrize(("log", "loads"), [("none", "False\n"), ("json", "True\n")])
def test_what_a_log_needs_is_loaded_where_there_is_one(program, log, loads):
    text = """
server = told(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo))
server.handle_request()
print("structlog" in sys.modules)
"""
    with launched("--log", log, program(text)) as running:
        assert ask(running.port()) == b"hello\n"
        assert running.wait() == 0
        assert running.output.lines()[1] == loads

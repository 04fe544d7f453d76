"""A program of several processes: each that serves is observed, and has an endpoint of its own."""

import contextlib
import os
import signal
import socket
import urllib.request

import pytest

from tests.faults.launch.launched import PATIENCE, ask, launched, total, wait_for
from tests.ports import free_port

HEAD = """
import multiprocessing, os, signal, socketserver, subprocess, sys, threading, time

class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())

def make():
    server = socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo)
    print(os.getpid(), server.server_address[1], flush=True)
    return server
"""


def asked(port: int, times: int) -> None:
    for _ in range(times):
        assert ask(port) == b"hello\n"


def test_workers_on_one_listener_have_an_endpoint_each(program):
    text = """
server = make()
children = []
for _ in range(3):
    if not (child := os.fork()):
        server.serve_forever()
    children.append(child)
signal.signal(signal.SIGTERM, lambda *_: [os.kill(child, signal.SIGKILL) for child in children])
for child in children:
    os.waitpid(child, 0)
"""
    with launched(program(text)) as running:
        port = running.port()
        endpoints = running.endpoints(3)
        assert len(set(endpoints)) == 3
        asked(port, 30)
        assert sum(total(each, "connections_accepted_total") for each in endpoints) == 30
        wait_for(lambda: sum(total(each, "connections_open") for each in endpoints) == 0, "the end")
        running.process.terminate()
        assert running.wait() == 0


def test_the_first_has_the_address_that_was_asked_for_and_whoever_follows_it(program):
    text = """
def serve():
    make().serve_forever()

for _ in range(2):
    children = [multiprocessing.get_context("fork").Process(target=serve) for _ in range(2)]
    for number, child in enumerate(children):
        child.start()
        print("started", number, flush=True)
    sys.stdin.readline()
    for child in children:
        child.kill()
        child.join()
"""
    address = f"127.0.0.1:{free_port()}"
    with launched(program(text), metrics=address) as running:
        running.endpoints(1)
        assert serves_metrics(address)
        running.tell()
        running.endpoints(2)
        assert serves_metrics(address)
        running.tell()
        assert running.wait() == 0


def serves_metrics(address: str) -> bool:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE) as answer:
        return b"socketserver_connections_open" in answer.read()


def test_a_process_that_is_spawned_is_observed(program):
    text = """
def serve():
    make().serve_forever()

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=serve, daemon=True)
    child.start()
    sys.stdin.readline()
"""
    with launched(program(text)) as running:
        asked(running.port(), 3)
        wait_for(lambda: running.metric("connections_closed_total", outcome="ok") == 3, "the count")
        running.tell()
        assert running.wait() == 0


def test_a_worker_of_multiprocessing_loses_no_line_of_the_log(program):
    text = """
def serve():
    server = make()
    for _ in range(3):
        server.handle_request()
    server.server_close()

child = multiprocessing.get_context("fork").Process(target=serve)
child.start()
child.join()
sys.exit(child.exitcode)
"""
    with launched("--log", "json", program(text)) as running:
        asked(running.port(), 3)
        assert running.wait() == 0
        wait_for(lambda: sum('"connection"' in line for line in running.errors.lines()) == 3, "three lines")


def test_what_a_thread_held_that_was_left_behind_holds_up_no_child(program):
    text = """
server = make()
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.readline()
modules = sys.modules
with modules["socketscope.views.metrics"]._lock.own, modules["socketscope.launch.program"]._lock.own:
    if not (child := os.fork()):
        server.serve_forever()
print(child, flush=True)
sys.stdin.readline()
os.kill(child, signal.SIGKILL)
"""
    with launched(program(text)) as running:
        asked(running.port(), 1)
        running.tell()
        running.port(1)
        assert total(running.endpoints(2)[1], "connections_open") == 0
        running.tell()
        assert running.wait() == 0


def test_a_forked_process_does_at_its_exit_nothing_for_the_log_of_its_parent(program):
    text = """
server = make()
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.readline()
if not os.fork():
    writer = sys.modules["socketscope.views.lines.writer"].LineWriter
    writer.close = lambda _: print("closed", flush=True)
    sys.exit()
os.wait()
"""
    with launched("--log", "json", program(text)) as running:
        asked(running.port(), 1)
        running.tell()
        assert running.wait() == 0
        assert len(running.output.lines()) == 1


@pytest.mark.parametrize(
    "way",
    ["subprocess.run([sys.executable, *sys.argv])", "os.execv(sys.executable, [sys.executable, *sys.argv])"],
)
def test_a_program_that_starts_itself_again_is_observed(program, way):
    text = f"""
server = make()
server.timeout = 0
server.handle_request()
if "again" not in os.environ:
    os.environ["again"] = "yes"
    server.server_close()
    {way}
else:
    server.serve_forever()
"""
    with launched(program(text)) as running:
        port = running.port(1)
        asked(port, 2)
        endpoint = running.endpoints(2)[1]
        wait_for(lambda: total(endpoint, "connections_closed_total", outcome="ok") == 2, "the count")
        for line in running.output.lines():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split()[0]), signal.SIGKILL)


def test_a_child_of_a_process_that_serves_begins_anew(program):
    """What goes on in a forked child counts there from nothing, and holds nothing of its parent's."""
    text = """
server = make()
serving = threading.Thread(target=server.serve_forever, daemon=True)
serving.start()
sys.stdin.readline()
if not (child := os.fork()):
    again = threading.Thread(target=server.serve_forever, daemon=True)
    again.start()
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
sys.stdin.readline()
os._exit(0)
"""
    with launched(program(text)) as running:
        port = running.port()
        with socket.create_connection(("127.0.0.1", port), PATIENCE):
            asked(port, 5)
            first = running.endpoints(1)[0]
            wait_for(lambda: total(first, "connections_closed_total") == 5, "the count")
            running.tell()
            child = running.port(1)
            try:
                second = running.endpoints(2)[1]
                assert total(second, "connections_accepted_total") == total(second, "connections_open") == 0
                running.tell()
                assert running.wait() == 0
                # Nobody holds the first one's port.
                host, _, number = first.split("/")[2].partition(":")
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection((host, int(number)), PATIENCE)
                asked(port, 4)
                wait_for(lambda: total(second, "connections_closed_total", outcome="ok") == 4, "the count")
            finally:
                os.kill(child, signal.SIGKILL)


def test_another_program_in_it_may_be_launched_too(program):
    text = """
server = make()
threading.Thread(target=server.serve_forever, daemon=True).start()
if len(sys.argv) == 1:
    sys.stdin.readline()
    command = [sys.executable, "-m", "socketscope", "run", __file__, "inner"]
    subprocess.run(command)
else:
    sys.stdin.readline()
"""
    address = f"127.0.0.1:{free_port()}"
    with launched(program(text), metrics=address) as running:
        asked(running.port(0), 1)
        assert serves_metrics(address)
        running.tell()
        asked(running.port(1), 2)
        wait_for(
            lambda: total(running.endpoints(1)[0], "connections_closed_total", outcome="ok") == 2, "counts"
        )
        running.tell()
        assert running.wait() == 0

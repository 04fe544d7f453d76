"""A program of the standard library with one import swapped, in a folder where there is nothing else."""

import importlib.util
import sys
import zipfile
from pathlib import Path

import pytest

from tests.faults.server.process import ROOT, ended

PROGRAM = """
import http.server, socketserver, socket, threading
from socketscope import ThreadingTCPServer
from prometheus_client import REGISTRY

class Plain(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.request.recv(100))

class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())

class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_): pass

for handler, request in ((Plain, b"x\\n"), (Lines, b"x\\n"), (Web, b"GET / HTTP/1.0\\r\\n\\r\\n")):
    with ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        with socket.create_connection(server.server_address) as client:
            client.sendall(request)
            assert client.recv(1000)
        server.shutdown()
        serving.join()

def value(name, **labels):
    return REGISTRY.get_sample_value(name, {"listener": "tcp", **labels})

assert value("socketserver_connections_accepted_total") == 3
assert value("socketserver_connections_closed_total", outcome="ok") == 3
assert value("socketserver_exchanges_total") == 3
assert value("socketserver_connections_open") == 0
print("seen")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("pip") is None:
        pytest.skip("the wheel is built with pip, which this environment lacks")
    folder = tmp_path_factory.mktemp("wheel")
    pip_wheel = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps")
    assert ended(*pip_wheel, "--wheel-dir", folder, ROOT, timeout=100)[0] == 0
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_library_and_its_plug_in_alone(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"socketscope", "pytest_socketscope.py"}
    assert len(tops) == 3


def test_the_wheel_asks_for_what_the_library_needs_and_no_more(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    needs = {
        line.split()[1].partition(">")[0]: line.partition("; ")[2]
        for line in lines
        if line.startswith("Requires-Dist")
    }
    assert {need for need, when in needs.items() if not when} == {
        "orjson", "prometheus-client", "structlog", "waitress",
    }  # fmt: skip
    assert {when for when in needs.values() if when} == {"extra == 'client'"}


def test_the_wheel_holds_what_replay_reads_beside_its_modules(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        assert "socketscope/replay/show/report.html" in archive.namelist()


def test_handlers_of_the_standard_library_are_served_and_seen_unmodified(wheel: Path, tmp_path: Path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    # What it needs is in this environment.
    pip_install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    assert ended(*pip_install, "--target", site, wheel, timeout=100)[0] == 0
    where = {"cwd": empty, "env": {"PYTHONPATH": str(site)}}
    assert ended(sys.executable, "-W", "error", "-c", PROGRAM, **where) == (0, "seen\n", "")


def test_the_library_loads_no_program_no_endpoint_and_no_log():
    unwanted = (
        "waitress structlog rich orjson click jinja2 argparse "
        "socketscope.views.endpoint socketscope.commands socketscope.replay"
    )
    program = f"import sys, socketscope; print(set({unwanted.split()}) & set(sys.modules))"
    assert ended(sys.executable, "-c", program) == (0, "set()\n", "")


@pytest.mark.parametrize("address", ["{folder}/socket", "\\0{folder}"], ids=["path", "abstract"])
def test_it_compares_no_bytes_with_text(tmp_path: Path, address: str):
    program = (
        "import os, signal, socketscope, socketserver\n"
        f"server = socketscope.ThreadingUnixStreamServer('{address.format(folder=tmp_path)}', "
        "socketserver.BaseRequestHandler)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"  # run takes it once it serves
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "raise SystemExit(socketscope.run(server, metrics=None))\n"
    )
    status, _, errors = ended(sys.executable, "-bb", "-c", program)
    assert (status, errors) == (0, "")

"""What docs/your-own-server.md tells its reader to do works as it stands there."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from .clone import clone
from .conftest import get, remove, wait_for
from .readme import title, told
from .session import Session, replies, serves

PAGE = (Path(__file__).parents[2] / "docs" / "your-own-server.md").read_text()
THINGS = {title(thing): thing for thing in told(PAGE)}
LAUNCH = "socketscope run --log json echo.py"
FOR_PROMETHEUS = "socketscope run --metrics :9470 echo.py"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Make a clone, and an environment that has the library beside what this one has."""
    for port, again in ((9000, 0), (9464, 1), (9470, 1)):
        with socket.socket() as probe:
            # As the standard library's servers bind: not where a connection has ended a moment ago.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, again)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                pytest.skip(f"port {port} of the page cannot be had: {error.strerror}")
    folder: Path = tmp_path_factory.mktemp("reader") / "socketscope"
    clone(folder)
    environment = folder.parent / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "beside.pth").write_text(sysconfig.get_path("purelib"))
    name = f"socketscope-test-{uuid.uuid4().hex[:8]}"
    ports = dict.fromkeys(("GRAFANA_PORT", "PROMETHEUS_PORT", "SERVER_PORT", "SERVER_METRICS_PORT"), "0")
    images = {"SERVER_IMAGE": f"{name}-server", "CLIENT_IMAGE": f"{name}-client"}
    with (
        mock.patch.dict(os.environ, {"COMPOSE_PROJECT_NAME": name, **images, **ports}),
        contextlib.closing(Session(folder, "")) as session,
    ):
        session.from_now_on(f". {environment}/bin/activate")
        session.run(do("pip install ."))
        session.write("echo.py", do("import socketserver"))
        yield session


def do(thing: str) -> str:
    """Return something that the page tells to do."""
    done.add(thing)
    return THINGS[thing]


done: set[str] = set()


def counted(metrics: int = 9464) -> str:
    return get(f"http://localhost:{metrics}/metrics")


without_nc = pytest.mark.skipif(shutil.which("nc") is None, reason="nc is not installed")


@without_nc
def test_a_program_that_nobody_changes(session: Session):
    shown = session.open(do(LAUNCH))
    wait_for(lambda: accepts(9000), "the program", 30)
    first, second = (
        do("echo hello | nc -N localhost 9000"),
        "curl --silent localhost:9464/metrics | grep accepted_total{",
    )
    # Of a connection that asked whether it is there, the page knows nothing.
    told_of = do("hello").replace("} 1.0", "} 2.0")
    assert session.run(first) + session.run(do(second)) == told_of
    line = next(thing for thing in THINGS if thing.startswith('{"timestamp"'))
    pattern = re.escape(do(line).replace("\n", "")).replace("…", "[^,]*?")
    shown.sees(lambda text: re.search(pattern, text.replace("\n", "")))
    session.end(LAUNCH, status=-signal.SIGINT)


def accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


def test_the_stack_s_prometheus_finds_it(session: Session, without_grafana: str):
    session.without_grafana = without_grafana or "not needed for this"
    rules = session.folder / "prometheus" / "prometheus.yml"
    rules.write_text(rules.read_text() + do("  - job_name: mine"))
    session.open(do(FOR_PROMETHEUS))
    try:
        serves(9000, 9470)
        session.run(do("docker compose up --build --wait") + " server prometheus", seconds=300)
        port = int(session.run("docker compose port prometheus 9090").rpartition(":")[2])
        query = f"http://localhost:{port}/api/v1/query?query=socketserver_connections_accepted_total"
        wait_for(lambda: '"job":"mine"' in get(query), "the program's metrics in Prometheus")
    finally:
        remove(session.folder)
        session.end(FOR_PROMETHEUS, status=-signal.SIGINT)


def test_a_module_and_the_options(session: Session):
    command = do("socketscope run -m http.server 9000")
    session.open(command)
    wait_for(lambda: accepts(9000), "the module", 30)
    get("http://localhost:9000")
    assert 'outcome="ok"' in counted()
    session.end(command)
    assert "SOCKETSCOPE_IDLE_TIMEOUT" in session.run(do("socketscope run --help"))


@pytest.mark.parametrize(
    "program", ["from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer", "import http.server"]
)
def test_a_program_of_run_that_serves_pages(session: Session, program: str):
    session.write("web.py", do(program))
    session.open("python web.py").sees("server_started")
    get("http://localhost:9000")
    wait_for(lambda: 'connections_closed_total{listener="web",outcome="ok"} 1.0' in counted(), "the count")
    session.end("python web.py")


def test_a_ready_made_class(session: Session):
    session.write("ready.py", do("from echo import Echo"))
    session.open("python ready.py").sees("server_started")
    serves(9000)
    # The dashboard in a terminal.
    command = do("python -m client top localhost:9464")
    session.open(command).sees("1 of 1 up")
    session.end(command, "q")
    session.end("python ready.py")


@without_nc
@pytest.mark.usefixtures("session")
def test_all_of_the_page_is_tried():
    assert not replies(9000)
    assert done == THINGS.keys()

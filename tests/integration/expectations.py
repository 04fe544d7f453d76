"""What README.md promises of each thing that it tells its reader to do, by the thing's first line."""

import json
import re
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import PATIENCE, get, wait_for
from .session import SERVICES, Session, alerts, answering, replies, serves

Expectation = Callable[[Session, str], object]
EXPECTED: dict[str, Expectation] = {}

README = (Path(__file__).parents[2] / "README.md").read_text()
ACTIVATE = "make .venv/.ready && . .venv/bin/activate"
DEMO = "make demo"
RECORD = "python -m client record --listen tcp://localhost:6380 --target tcp://localhost:6379 recorded"
REDIS = "redis-server --bind 127.0.0.1 --save ''"


def of(*titles: str) -> Callable[[Expectation], Expectation]:
    """Have a function do something of README.md as it stands there, and see what comes of it."""

    def enter(expectation: Expectation) -> Expectation:
        EXPECTED.update(dict.fromkeys(titles, expectation))
        return expectation

    return enter


@of("docker compose up --build --wait")
def whole_stack(session: Session, command: str) -> None:
    session.up(command)
    serves()


@of("make test")
def tests(session: Session, command: str) -> None:
    # Here they run already; that they are found is left to show.
    found = session.run(command, seconds=180, PYTEST_ADDOPTS="--collect-only --quiet")
    assert re.search(r"^\d+ tests collected", found, re.MULTILINE)


@of("http://localhost:3000")
def grafana(session: Session, address: str) -> None:
    if session.without_grafana:
        pytest.skip(session.without_grafana)
    assert "socketscope" in get(f"{address}/api/dashboards/home")


@of("http://localhost:9090")
def prometheus(_: Session, address: str) -> None:
    assert json.loads(get(f"{address}/api/v1/alerts"))["status"] == "success"


@of("http://localhost:9464/metrics")
def endpoint(_: Session, address: str) -> None:
    assert "socketserver_connections_open" in get(address)
    for beside in ("/healthz", "/readyz"):
        get(address.replace("/metrics", beside))


@of("echo hello | nc localhost 21567")
def by_hand(session: Session, command: str) -> None:
    if shutil.which("nc") is None:
        pytest.skip("nc is not installed")
    assert re.fullmatch(r"\[.{24}\] hello\n", session.run(command))


@of("GRAFANA_PORT=3001 PROMETHEUS_PORT=9091 SERVER_PORT=21600 SERVER_METRICS_PORT=9500")
def other_ports(session: Session, variables: str) -> None:
    session.up(f"{variables} docker compose up --build --wait")
    serves(21600, 9500)
    alerts(9091)


@of("docker compose up --build --wait server client prometheus")
def without_grafana(session: Session, command: str) -> None:
    session.run(command)
    serves()


@of("docker compose up --wait --no-recreate --scale replica=2")
def more_servers(session: Session, command: str) -> None:
    for more in (1, 0, 2):
        scale(session, command, more)


@of("docker compose kill replica")
def killing(session: Session, command: str) -> None:
    again = "docker compose up --wait --no-recreate --scale replica=2"
    wait_for(lambda: answering() == 3, "three servers scraped", PATIENCE)
    session.run(command)
    wait_for(lambda: "ReplicaDown" in alerts(), "the alert", PATIENCE)
    scale(session, again, 2)
    wait_for(lambda: not alerts(), "no alert", PATIENCE)
    scale(session, again, 0)


def scale(session: Session, command: str, replicas: int) -> None:
    session.up(command.replace("=2", f"={replicas}"), f"{SERVICES} replica")
    assert len(session.run("docker compose ps --quiet replica").split()) == replicas
    serves()


@of("docker compose stop server")
def stopping(session: Session, command: str) -> None:
    session.run(command)
    assert not replies(21567)
    fired = wait_for(alerts, "an alert", PATIENCE)
    assert all(f"`{alert}`" in README for alert in fired)


@of("docker compose start server")
def starting(session: Session, command: str) -> None:
    session.run(command)
    serves()
    wait_for(lambda: not alerts(), "no alert", PATIENCE)


@of("make drill")
def drills(session: Session, command: str) -> None:
    assert "slow-clients" in session.run(command)


@of("make drill slow-clients")
def drill(session: Session, command: str) -> None:
    assert "ConnectionsFail has resolved" in session.run(command, seconds=600)


@of("docker compose up --build --wait alertmanager receiver")
def alerting(session: Session, command: str) -> None:
    if session.without_alertmanager:
        pytest.skip(session.without_alertmanager)
    session.run(command)


@of("docker compose logs receiver")
def receiver(session: Session, command: str) -> None:
    # What it prints is shown beside.
    session.run(command)


@of("docker compose logs server")
def log(session: Session, command: str) -> None:
    lines = re.findall(r"\| (\{.*\})$", session.run(command), re.MULTILINE)
    line = next(line for line in map(json.loads, lines) if line["event"] == "connection")
    assert line.keys() >= {"outcome", "received_bytes", "sent_bytes", "handle_seconds"}


@of("docker compose exec client python -m client talk --target tcp://server:21567", "python -m client talk")
def talking(session: Session, command: str) -> None:
    shown = session.open(command)
    shown.sees(">")
    shown.type("hello\r")
    shown.sees(lambda text: re.search(r"^\[.{24}\] hello$", text, re.MULTILINE))
    session.end(command, "\r")


@of("docker compose --profile alerts down --volumes")
def cleaning_up(session: Session, command: str) -> None:
    session.run(command)
    assert session.run("docker compose ps --all --quiet") == ""
    assert session.run("docker volume ls --quiet --filter name=^${COMPOSE_PROJECT_NAME}_") == ""
    assert not replies(21567)


@of(ACTIVATE)
def environment(session: Session, command: str) -> None:
    session.from_now_on(command)
    assert session.run("python -c 'import sys; print(sys.prefix)'").strip() == f"{session.folder}/.venv"


@of("pip install .")
def installing(session: Session, command: str) -> None:
    in_one_of_their_own(session, f"{command} && cd / && python -c 'import socketscope'")


@of("pip install '.[client]'")
def installing_the_client(session: Session, command: str) -> None:
    in_one_of_their_own(session, f"{command} && cd / && socketscope check --help")


def in_one_of_their_own(session: Session, commands: str) -> None:
    """Run commands in another environment: who goes on in that of the page has installed nothing."""
    session.run(f"(python -m venv --clear ../own && . ../own/bin/activate && {commands})")


@of("import socketserver")
def program(session: Session, text: str) -> None:
    session.write("echo.py", text)
    session.write("mymodule.py", text.partition("\nwith ")[0])


@of("python -m socketscope run --log json echo.py")
def launched(session: Session, command: str) -> None:
    shown = session.open(command)
    serves(9000)
    # A terminal breaks the line.
    shown.sees(lambda text: '"outcome":"ok"' in text.replace("\n", ""))
    # Nobody catches it there, as nobody does without.
    session.end(command, status=-signal.SIGINT)


@of("from socketscope import Limits, ThreadingTCPServer, run  # was socketserver's")
def program_of_run(session: Session, text: str) -> None:
    handler = (session.folder / "mymodule.py").read_text()
    session.write("program.py", f"{handler}\n{text}")
    session.open("python program.py").sees("server_started")
    serves(9000)
    session.end("python program.py")


@of("python -m server --handler mymodule:Echo")
def handler(session: Session, command: str) -> None:
    session.open(command).sees("server_started")
    serves()
    session.end(command)


@of("python -m server --help", "python -m client replay --help")
def usage(session: Session, command: str) -> None:
    assert session.run(command).startswith(f"Usage: {command.removesuffix(' --help')}")


@of("@timeout 500ms")
def script(session: Session, text: str) -> None:
    session.write("redis.talk", text)


@of("python -m client check redis.talk")
def checking(session: Session, command: str) -> None:
    assert "redis.talk: 6 messages in 3 steps" in session.run(command)


def redis(session: Session) -> None:
    """Have a Redis where README.md has one."""
    if REDIS in session.opened:
        return
    if missing := [name for name in ("redis-server", "redis-cli") if shutil.which(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    try:
        socket.create_server(("127.0.0.1", 6379)).close()
    except OSError:
        pytest.skip("port 6379 is taken: a Redis that is somebody's is left alone")
    session.open(REDIS).sees("Ready to accept connections")


@of("python -m client replay redis.talk --target tcp://localhost:6379 --connect pass")
def playing(session: Session, command: str) -> None:
    redis(session)
    assert session.run(command).startswith("PASS\n")


@of(
    "python -m client replay redis.talk --target tcp://localhost:6379 --connect user"
    " --users 20 --rate 500 --duration 10s --fail-on 'p99 > 20ms'"
)
def loading(session: Session, command: str) -> None:
    redis(session)
    # How fast it is depends on what else the machine does.
    told = session.run(command, status={0, 1})
    assert re.match(r"PASS$|FAIL: p99 > 20ms", told, re.MULTILINE)
    assert " ok, 0 failed\n" in told


@of(RECORD)
def recording(session: Session, command: str) -> None:
    redis(session)
    session.open(command).sees("forwards to")


@of("redis-cli -p 6380 SET greeting hello")
def recorded(session: Session, command: str) -> None:
    redis(session)
    assert session.run(command) == "OK\n"
    session.end(RECORD)


@of("python -m client replay recorded --target tcp://localhost:6379")
def playing_what_was_recorded(session: Session, command: str) -> None:
    redis(session)
    assert session.run(command).startswith("PASS\n")


@of(DEMO)
def demo(session: Session, command: str) -> None:
    session.open(command).sees("2 of 2 up")
    serves()


@of("python -m client top localhost:9464")
def dashboard(session: Session, command: str) -> None:
    session.open(command).sees("1 of 1 up")
    session.end(command, "q")


@of(
    "python -m client replay client/scripts --target tcp://localhost:21567 --users 20 --rate 100"
    " --duration 10s --report run.html"
)
def page(session: Session, command: str) -> None:
    told = session.run(command)
    assert told.startswith("PASS\n")
    # How much of its rate it held depends on what else the machine does; one user would hold a tenth.
    share = re.search(r"asked for \((.*) %\)", told)
    assert share
    assert float(share[1]) > 50
    assert "PASS" in (session.folder / "run.html").read_text()
    session.end(DEMO)

"""What a user can do wrong at the start: one line that says what, and an exit status."""

import os
import socket
import sys
from pathlib import Path

import pytest

from .process import ended, few_descriptors, read_all, serving

FREE = ("--listen", "tcp://127.0.0.1:0", "--metrics", "none")
SECURE = ("--listen", "tls://127.0.0.1:0", "--metrics", "none")
CLASHING = """
from prometheus_client import Gauge
from socketserver import BaseRequestHandler as X

Gauge("socketserver_threads", "of the user's own")
"""
LONG_NAME = "a" * 70 + ".com"


def start(*options: str, **popen) -> tuple[int, str]:
    """Start a server that cannot; return its exit status and what it said."""
    status, _, said = ended(sys.executable, "-m", "server", *options, **popen)
    return status, said


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        (["--listen", f"tcp://{LONG_NAME}:1"], 1, f"cannot listen on tcp://{LONG_NAME}:1: label"),
        (["--listen", "unix:///" + "a" * 200], 1, "AF_UNIX path too long"),
        ([*FREE, "--metrics", f"{LONG_NAME}:1"], 1, f"cannot serve metrics on {LONG_NAME}:1: "),
        ([*FREE, "--handler", "clashing:X"], 1, "cannot start: the server's metrics have no room in the reg"),
        ([*SECURE, "--tls-cert", "none", "--tls-key", "x"], 1, "cannot start: cannot read none: No such"),
        ([*SECURE, "--tls-cert", "LICENSE", "--tls-key", "x"], 1, "cannot start: cannot read x: No such"),
        ([*SECURE, "--tls-cert", "LICENSE", "--tls-key", "LICENSE"], 1, "cannot start: no certificate in"),
        (["--listen", "unix:///no\n\x1b[1mwhere/x"], 1, r"on unix:///no\n\x1b[1mwhere/x: No such file or"),
        ([*FREE, "--colour"], 2, "No such option"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(tmp_path, options, status, told):
    (tmp_path / "clashing.py").write_text(CLASHING)
    code, said = start(*options, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert (code, said.count("\n")) == (status, 1), said
    assert said.startswith("server: ")
    assert told in said


def test_a_taken_port_is_told_in_one_line():
    with serving() as server:
        host, port = server.address()
        metrics = server.metrics_url.removeprefix("http://").removesuffix("/metrics")
        assert start("--listen", f"tcp://{host}:{port}", "--metrics", "none") == (
            1,
            f"server: cannot listen on tcp://{host}:{port}: Address already in use\n",
        )
        status, said = start("--listen", "tcp://127.0.0.1:0", "--metrics", metrics)
        assert (status, said.count("\n")) == (1, 1)
        assert said.startswith(f"server: cannot serve metrics on {metrics}: Address already in use")


def test_a_listener_that_its_handler_closes_is_told_as_that():
    with serving("--handler", "tests.faults.server.handlers:Closer") as server:
        assert server.ask(b"") == b""
        assert server.wait() == 1
        assert server.errors == b"server: the listener was closed\n"


@pytest.mark.parametrize("option", ["--listen", "--metrics"])
def test_where_a_later_address_is_taken_an_earlier_path_is_left_to_others(option, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        address = f"tcp://127.0.0.1:{port}" if option == "--listen" else f"127.0.0.1:{port}"
        listen = ("--listen", f"unix://{tmp_path}/socket")
        status, said = start("--metrics", "none", *listen, option, address)
    assert (status, said.count("\n")) == (1, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_standard_output_is_told_in_one_line():
    status, said = start(*FREE, preexec_fn=lambda: os.close(1))
    assert (status, said) == (1, "server: cannot write the log: standard output is closed\n")


def test_too_few_descriptors_for_anything_are_told_in_one_line():
    status, said = start(*FREE, preexec_fn=few_descriptors(30))
    assert (status, said.count("\n")) == (1, 1)
    assert "this process may have 30 file descriptors and needs more than 32" in said


def test_lists_in_the_environment_are_parted_by_spaces():
    given = {"SERVER_LISTEN": "a=tcp://127.0.0.1:0 b=udp://127.0.0.1:0", "SERVER_MAX_CONNECTIONS": "7"}
    with serving(listen=(), env=os.environ | given) as server:
        assert list(server.started["listeners"]) == ["a", "b"]
        assert server.metric("socketserver_connections_limit") == 7


@pytest.mark.parametrize(
    ("variables", "options", "replies"),
    [
        ({"SERVER_KEEP_ALIVE": "1"}, (), 2),
        ({"SERVER_KEEP_ALIVE": "false"}, (), 1),
        ({"SERVER_KEEP_ALIVE": ""}, (), 1),
        ({"SERVER_ONE_SHOT": "false"}, (), 2),
        ({"SERVER_KEEP_ALIVE": "1"}, ("--one-shot",), 1),
    ],
)
def test_a_choice_of_two_has_a_variable_for_each(variables, options, replies):
    with serving(*options, env=os.environ | variables) as server, server.connect(b"a\nb\n") as client:
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).count(b"\n") == replies


def test_what_an_image_calls_its_version_is_no_option():
    with serving(env=os.environ | {"SERVER_VERSION": "1.2.3"}) as server:
        assert server.ask(b"x\n").endswith(b"] x\n")


@pytest.mark.parametrize(
    ("options", "policy"), [((), os.SCHED_BATCH), (("--scheduling", "other"), os.SCHED_OTHER)]
)
def test_its_threads_leave_the_core_to_who_has_it_unless_told_otherwise(options, policy):
    with serving(*options) as server:
        server.ask(b"x\n")
        threads = Path(f"/proc/{server.process.pid}/task").iterdir()
        assert {os.sched_getscheduler(int(thread.name)) for thread in threads} == {policy}


def told_settings(*options: str, clients: int = 1) -> list[list[str]]:
    """Return the interpreter's switch interval, the policy, and how often each client's thread has served."""
    with serving("--handler", "tests.faults.server.handlers:Settings", *options) as server:
        return [server.ask(b"").decode().split() for _ in range(clients)]


def test_the_interpreter_switches_as_often_as_it_is_told():
    assert told_settings()[0][0] == "0.01"
    assert told_settings("--switch-interval", "2ms")[0][0] == "0.002"


def test_threads_are_pooled_or_new_for_each_connection():
    assert {served for _, _, served in told_settings("--threads", "per-connection", clients=5)} == {"1"}
    assert max(int(served) for _, _, served in told_settings(clients=5)) > 1

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import product
from pathlib import Path

import pytest

from .process import PATIENCE, ROOT, few_descriptors, hears_nothing, read_all, serving, wait_for

each_stream = pytest.mark.usefixtures("each_stream")


def test_case_17_what_is_in_flight_and_what_waits_in_the_backlog_is_answered():
    with serving(
        "--handler", "tests.faults.server.handlers:Slow", "--max-connections", "50", "--when-full", "queue"
    ) as server:
        clients = [server.connect(b"x\n") for _ in range(120)]
        time.sleep(0.1)
        server.signal()
        assert [read_all(client) for client in clients] == [b"x\n"] * 120
        assert server.wait() == 0


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
def test_what_waits_in_the_backlog_for_want_of_descriptors_is_answered(scheme, tmp_path):
    path = str(tmp_path / "socket")

    def connect() -> socket.socket:
        if scheme == "tcp":
            return server.connect()
        client = socket.socket(socket.AF_UNIX)
        server.clients.append(client)
        client.settimeout(PATIENCE)
        client.connect(path)
        return client

    options = ("--handler", "tests.faults.server.handlers:Miser", "--read-timeout", "5m")
    url = f"unix://{path}" if scheme == "unix" else "tcp://127.0.0.1:0"
    with serving(*options, listen=(url,), preexec_fn=few_descriptors(60)) as server:
        clients = [connect()]
        wait_for(lambda: server.descriptors() == 60, "it has them all")
        clients += [connect(), connect()]
        wait_for(lambda: server.events("accept_error"), "accept fails")
        server.signal()
        wait_for(lambda: server.events("drain_started"), "the drain starts")
        time.sleep(0.5)
        for client in clients:
            client.sendall(b"x\n")
            assert read_all(client) == b"x\n"
        assert server.wait() == 0
    assert list(tmp_path.iterdir()) == []


@each_stream
def test_case_18_idle_clients_are_closed_at_once_silent_ones_after_a_grace_and_partial_ones_at_the_deadline():
    with serving("--keep-alive", "--read-timeout", "4s", "--drain-grace", "1s") as server:
        idle, silent, partial = server.connect(b"x\n"), server.connect(), server.connect(b"half")
        assert idle.recv(100)
        wait_for(lambda: server.metric("socketserver_connections_open") == 3, "all are open")
        server.signal()
        assert read_all(idle) == b""
        assert hears_nothing(silent)
        assert hears_nothing(partial)
        assert read_all(silent) == b""
        assert hears_nothing(partial)
        assert read_all(partial) == b"ERR timeout\r\n"
        assert server.wait() == 0
        outcomes = sorted(line["outcome"] for line in server.events("connection"))
        assert outcomes == ["empty", "ok", "read_timeout"]


@each_stream
def test_a_request_that_is_on_its_way_at_the_stop_is_answered():
    with serving("--drain-grace", "5m") as server, server.connect() as client:
        wait_for(lambda: server.metric("socketserver_connections_open") == 1, "it is open")
        server.signal()
        wait_for(lambda: server.events("drain_started"), "the drain starts")
        time.sleep(0.3)
        client.sendall(b"late\n")
        assert read_all(client).endswith(b"late\n")
        assert server.wait() == 0


@each_stream
def test_without_a_grace_a_silent_client_is_closed_at_once():
    options = ("--drain-grace", "0", "--read-timeout", "5m", "--drain-timeout", "5m")
    with serving(*options) as server, server.connect() as client:
        wait_for(lambda: server.metric("socketserver_connections_open") == 1, "it is open")
        assert server.stop() == 0
        assert read_all(client) == b""
        assert server.events("drain_finished")[0]["seconds"] < 0.9


@each_stream
def test_a_client_that_was_greeted_and_answered_nothing_has_no_grace():
    options = ("--drain-grace", "5m", "--read-timeout", "5m", "--drain-timeout", "5m")
    with (
        serving("--handler", "tests.faults.server.handlers:Greeting", *options) as server,
        server.connect() as client,
    ):
        assert client.recv(100) == b"hello\n"
        assert server.stop() == 0
        assert read_all(client) == b""


def test_who_waits_for_room_at_the_stop_gets_that_of_the_idle():
    options = ("--keep-alive", "--max-connections", "2", "--when-full", "queue", "--idle-timeout", "5m")
    with serving(*options) as server:
        idle = [server.connect(b"x\n") for _ in range(2)]
        for client in idle:
            assert client.recv(100)
        waiting = [server.connect(b"later\n") for _ in range(10)]
        server.signal()
        for client in waiting:
            assert client.recv(100).endswith(b"later\n")
        assert [read_all(client) for client in (*idle, *waiting)] == [b""] * 12
        assert server.wait() == 0
        assert server.events("drain_finished")[0]["seconds"] < PATIENCE / 2


STOP_SIGNALS = pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP]
)
TWO_OF_THEM = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
AGAIN = 0.6
"""Seconds after which a signal that comes again is a second one."""


@STOP_SIGNALS
def test_each_stop_signal_drains(number, tmp_path):
    path = tmp_path / "s"
    with (
        serving("--handler", "tests.faults.server.handlers:Slow", listen=(f"unix://{path}",)) as server,
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.settimeout(PATIENCE)
        client.connect(str(path))
        client.sendall(b"x\n")
        wait_for(lambda: server.metric("socketserver_received_bytes_total") == 2, "it is served")
        server.signal(number)
        assert read_all(client) == b"x\n"
        assert server.wait() == 0
        assert not path.exists()


@TWO_OF_THEM
def test_a_signal_that_is_sent_twice_at_once_is_one(number):
    with serving("--handler", "tests.faults.server.handlers:Slow") as server:
        client = server.connect(b"x\n")
        wait_for(lambda: server.metric("socketserver_received_bytes_total") == 2, "it is served")
        server.signal(number)
        # Two that came before the first is handled would be one in any case.
        time.sleep(0.05)
        server.signal(number)
        assert read_all(client) == b"x\n"
        assert server.wait() == 0


@STOP_SIGNALS
def test_case_19_signals_that_go_on_to_the_very_end_change_nothing(number):
    with serving() as server:
        assert server.ask(b"x\n")
        while server.process.poll() is None:
            server.signal(number)
            time.sleep(0.001)
        assert server.wait() == 0
        assert server.errors == b""
        assert server.lines[-1]["event"] == "drain_finished"


@TWO_OF_THEM
def test_case_19_a_second_signal_forces_at_once(number):
    with serving("--read-timeout", "5m", "--drain-timeout", "5m") as server, server.connect():
        wait_for(lambda: server.metric("socketserver_connections_open") == 1, "it is open")
        server.signal(number)
        wait_for(lambda: server.events("drain_started"), "the drain starts")
        time.sleep(AGAIN)
        server.signal(number)
        assert server.wait() == 3
        assert server.events("connection")[0]["outcome"] == "forced"
        assert server.events("drain_finished")[0]["forced"] == 1


@TWO_OF_THEM
def test_case_19_a_second_signal_ends_what_a_thread_of_the_handlers_own_keeps(number):
    with serving("--handler", "tests.faults.server.handlers:Parent") as server:
        assert server.ask(b"x\n") == b"x\n"
        server.signal(number)
        wait_for(lambda: server.events("drain_finished"), "the drain has finished")
        time.sleep(AGAIN)
        assert server.process.poll() is None
        server.signal(number)
        assert server.wait() == 3
        assert server.errors == b""


@each_stream
def test_an_idle_client_is_none_to_force_however_short_the_drain_is():
    with serving("--keep-alive", "--drain-timeout", "0", "--max-connections", "100") as server:
        # Few, as each has to leave within a tenth of a second.
        clients = [server.connect(b"x\n") for _ in range(8)]
        for client in clients:
            assert client.recv(100)
        server.connect(b"half")
        wait_for(lambda: server.metric("socketserver_connections_open") == 9, "all are open")
        assert server.stop() == 3
        assert [read_all(client) for client in clients] == [b""] * 8
        outcomes = [line["outcome"] for line in server.events("connection")]
        assert (outcomes.count("ok"), outcomes.count("forced")) == (8, 1)
        assert server.events("drain_finished")[0]["forced"] == 1


def test_a_server_under_nohup_outlives_its_terminal():
    with serving(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as server:
        server.signal(signal.SIGHUP)
        assert server.ask(b"still\n").endswith(b"still\n")
        assert not catches(server.process, signal.SIGHUP)
        assert server.events("drain_started") == []
        assert server.stop() == 0


def catches(process: subprocess.Popen[bytes], number: int) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) & 1 << number - 1)


@pytest.mark.parametrize(
    ("number", "delay"),
    [
        *product([signal.SIGTERM, signal.SIGINT], [0.0, 0.05, 0.1, 0.2, 0.4]),
        *product([signal.SIGQUIT, signal.SIGHUP], [0.0, 0.3]),
    ],
)
def test_case_19_a_signal_during_the_start_ends_it_in_order(number, delay):
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "--listen", "tcp://127.0.0.1:0", "--metrics", "127.0.0.1:0"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    # Before the program's first line the signal is the interpreter's, which catches no SIGHUP.
    wait_for(lambda: catches(process, signal.SIGHUP), "the first line has run")
    time.sleep(delay)
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize(
    ("url", "env"),
    [(("--listen", "tls://127.0.0.1:0"), {}), ((), {"SERVER_LISTEN": "name=tls://127.0.0.1:0"})],
)
def test_case_19_a_hangup_during_the_start_stops_nothing_where_there_is_a_certificate(url, env, files):
    options = ("--tls-cert", str(files[0]), "--tls-key", str(files[1]), "--metrics", "none")
    with subprocess.Popen(
        [sys.executable, "-m", "server", *options, *url],
        cwd=ROOT, env=os.environ | env, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        wait_for(lambda: catches(process, signal.SIGHUP), "the first line has run")
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None
        assert b'"server_started"' in process.stdout.readline()
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_case_19_under_nohup_a_hangup_stops_nothing_whatever_the_environment_says_of_certificates():
    with subprocess.Popen(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-m", "server",
         "--listen", "tcp://127.0.0.1:0", "--metrics", "none"],
        cwd=ROOT, env=os.environ | {"SERVER_LISTEN": "tls://127.0.0.1:0"}, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert b'"server_started"' in process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_case_19_a_signal_while_the_program_is_still_imported_ends_it_in_order(tmp_path):
    (tmp_path / "click.py").write_text(
        "import sys, time; sys.stderr.write('x'); sys.stderr.flush(); time.sleep(30)"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "server"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(tmp_path)}, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.read(1) == b"x"
    process.terminate()
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, b"")


def test_case_19_who_connects_while_the_server_is_bound_and_stopped_is_answered():
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "--listen", "tcp://127.0.0.1:0", "--metrics", "none",
         "--handler", "tests.faults.server.slow_start:Lines"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    port = int(process.stderr.readline())
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(b"early\n")
        process.terminate()
        assert read_all(client) == b"early\n"
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, b"")


@each_stream
@pytest.mark.parametrize("threads", ["elastic", "per-connection"])
def test_case_20_what_has_not_ended_by_the_deadline_is_forced(threads):
    options = ("--drain-timeout", "300ms", "--threads", threads)
    with (
        serving("--handler", "tests.faults.server.handlers:Stuck", *options) as server,
        server.connect(),
    ):
        wait_for(lambda: server.metric("socketserver_connections_open") == 1, "it is open")
        assert server.stop() == 3
        (line,) = server.events("connection")
        assert (line["outcome"], line["level"]) == ("forced", "warning")
        assert server.events("drain_finished")[0]["seconds"] >= 0.3


@each_stream
def test_what_is_still_served_shows_during_the_drain():
    with serving() as server, server.connect() as client:
        wait_for(lambda: server.metric("socketserver_connections_open") == 1, "it is open")
        server.signal()

        def closed() -> bool:
            try:
                socket.create_connection(server.address(), timeout=0.2).close()
            except OSError:
                return True
            return False

        wait_for(closed, "the listener is closed")
        # Who tried it before it was closed is a client too, and an idle thread that leaves is busy with that.
        wait_for(lambda: server.metric("socketserver_connections_open") == 1, "one is open")
        wait_for(lambda: server.metric("socketserver_threads", state="busy") == 1, "one is busy")
        assert server.metric("socketserver_connections_limit") == 1000
        client.sendall(b"last\n")
        assert read_all(client).endswith(b"last\n")
        assert server.wait() == 0


@each_stream
def test_readiness_turns_before_anything_else_does():
    with serving("--drain-delay", "5m") as server:
        assert server.get("/readyz") == b"ready\n"
        server.signal()
        wait_for(lambda: server.events("drain_started"), "the drain starts")
        assert server.status("/readyz") == 503
        assert server.get("/healthz") == b"ok\n"
        assert server.metric("socketserver_draining") == 1
        assert server.ask(b"still\n").endswith(b"still\n")
        time.sleep(AGAIN)
        # A second signal ends the delay, and there is nothing that it could force.
        assert server.stop() == 0


def test_a_server_that_was_shut_down_by_its_handler_is_not_ready():
    with serving("--handler", "tests.faults.server.handlers:Stopper") as server:
        client = server.connect(b"stop\n")
        wait_for(lambda: server.metric("socketserver_draining"), "it drains")
        assert server.status("/readyz") == 503
        client.sendall(b"last\n")
        assert read_all(client) == b"last\n"
        assert server.wait() == 0


def test_a_delay_may_be_longer_than_the_kernel_waits_at_once():
    with serving("--drain-delay", "1000000000s") as server:
        server.signal()
        wait_for(lambda: server.events("drain_started"), "the drain starts")
        assert server.ask(b"still\n").endswith(b"still\n")
        time.sleep(AGAIN)
        assert server.stop() == 0


def test_a_drain_under_load_loses_no_reply():
    lost, answered = [], 0
    with serving("--drain-delay", "200ms") as server:

        def loop() -> None:
            nonlocal answered
            while True:
                try:
                    client = socket.create_connection(server.address(), timeout=0.5)
                except OSError:
                    return
                with client:
                    client.settimeout(PATIENCE)
                    try:
                        client.sendall(b"x\n")
                        reply = read_all(client)
                    except OSError as error:
                        reply = repr(error).encode()
                if reply.endswith(b"] x\n"):
                    answered += 1
                else:
                    lost.append(reply)

        threads = [threading.Thread(target=loop) for _ in range(16)]
        for thread in threads:
            thread.start()
        wait_for(lambda: answered > 100, "load")
        assert server.stop() == 0
        for thread in threads:
            thread.join()
    assert lost == []

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from socketscope.views import endpoint

from .handlers import MEETING
from .process import PATIENCE, ROOT, few_descriptors, read_all, serving, wait_for

LEAST = 4 + endpoint.LIMITS["threads"]
"""Threads, the main one among them, that are no use without one more: it takes connections."""

each_stream = pytest.mark.usefixtures("each_stream")


def test_case_11_above_the_limit_each_connection_is_refused_and_counted_and_room_is_used_again():
    with serving("--max-connections", "20", "--read-timeout", "5m") as server:
        held = [server.connect() for _ in range(20)]
        wait_for(lambda: server.metric("socketserver_connections_open") == 20, "20 are open")
        refused = [server.connect() for _ in range(50)]
        assert [read_all(client) for client in refused] == [b"ERR too many connections\r\n"] * 50
        assert server.metric("socketserver_connections_rejected_total", reason="capacity") == 50
        assert server.metric("socketserver_connections_accepted_total") == 20
        for client in held:
            client.sendall(b"x\n")
            assert read_all(client).endswith(b"x\n")
        assert server.ask(b"again\n").endswith(b"again\n")
        rejected = wait_for(lambda: server.events("connection_rejected"), "the rejections are logged")
        wait_for(
            lambda: sum(line["count"] for line in server.events("connection_rejected")) == 50,
            "all are logged",
        )
        assert {(line["listener"], line["reason"]) for line in rejected} == {("tcp", "capacity")}


def test_a_handler_of_another_protocol_has_no_words_of_the_line_service_put_into_it():
    with serving(
        "--max-connections", "1", "--read-timeout", "5m", "--handler", "tests.faults.server.handlers:Echo"
    ) as server:  # fmt: skip
        held = server.connect()
        wait_for(lambda: server.metric("socketserver_connections_open") == 1, "one is open")
        assert read_all(server.connect()) == b""
        assert server.metric("socketserver_connections_rejected_total", reason="capacity") == 1
        held.close()


def test_case_12_a_refused_client_that_does_not_listen_blocks_nobody():
    with serving("--max-connections", "2", "--backlog", "8", "--read-timeout", "5m") as server:
        for _ in range(2):
            server.connect()
        wait_for(lambda: server.metric("socketserver_connections_open") == 2, "both are open")
        # They send and never read, so an orderly close has to wait for them.
        for _ in range(100):
            server.connect(b"x" * 1000)
        # Each is given 2 s; one after the other they would take longer than anybody waits here.
        assert read_all(server.connect()) == b"ERR too many connections\r\n"


def test_queued_connections_wait_for_room():
    with serving("--max-connections", "2", "--when-full", "queue", "--read-timeout", "5m") as server:
        held = [server.connect() for _ in range(2)]
        wait_for(lambda: server.metric("socketserver_connections_open") == 2, "both are open")
        waiting = [server.connect(b"later\n") for _ in range(10)]
        time.sleep(0.3)
        assert server.metric("socketserver_connections_accepted_total") == 2
        for client in held:
            client.close()
        assert all(read_all(client).endswith(b"later\n") for client in waiting)
        assert server.metric("socketserver_connections_rejected_total") == 0


@pytest.mark.parametrize("more", [-1, 1])
def test_as_many_may_wait_as_was_asked_for_or_as_the_kernel_grants_which_is_told(more):
    granted = int(Path("/proc/sys/net/core/somaxconn").read_text())
    with serving("--backlog", str(granted + more)) as server:
        assert server.metric("socketserver_accept_queue_limit") == min(granted, granted + more)
        assert server.stop() == 0
    told = f"server: --backlog is {granted}, not {granted + 1}: the kernel limits it"
    assert server.errors.decode() == f"{told} (net.core.somaxconn)\n" * (more > 0)


@each_stream
def test_slow_handlers_get_as_many_threads_as_there_are_clients():
    with serving("--handler", "tests.faults.server.handlers:Meeting", "--read-timeout", "5m") as server:
        clients = [server.connect(b"x\n") for _ in range(MEETING)]
        assert [read_all(client) for client in clients] == [b"x\n"] * MEETING


def test_case_13_running_out_of_descriptors_costs_no_cpu_and_passes():
    with serving("--read-timeout", "60s", preexec_fn=few_descriptors(60)) as server:
        clients = [server.connect() for _ in range(100)]
        wait_for(lambda: "accept_error" in {line["event"] for line in server.lines}, "accept fails")
        before = server.cpu_seconds()
        time.sleep(2)
        assert server.cpu_seconds() - before < 0.3
        for client in clients:
            client.close()

        def dealt_with() -> float:
            refused = server.metric("socketserver_connections_rejected_total")
            return server.metric("socketserver_connections_accepted_total") + refused

        wait_for(lambda: dealt_with() == len(clients), "nobody waits in the queue")
        wait_for(lambda: server.metric("socketserver_connections_open") == 0, "all have left")
        assert server.ask(b"back\n").endswith(b"back\n")
        failed = server.metric("socketserver_accept_errors_total", error="fd_limit")
        assert failed > 0
        server.close()
        told = server.events("accept_error")
        assert {(line["listener"], line["error"]) for line in told} == {("tcp", "fd_limit")}
        assert sum(line["count"] for line in told) == failed
        assert b"--max-connections is 28, not 1000" in server.errors


def test_case_13_a_scrape_that_finds_no_descriptor_costs_no_cpu_and_is_no_news_and_is_answered_later():
    with serving("--read-timeout", "60s", preexec_fn=few_descriptors(60)) as server:
        clients = [server.connect() for _ in range(100)]
        wait_for(lambda: server.events("accept_error"), "accept fails")
        where = urlsplit(server.metrics_url)
        with socket.create_connection((where.hostname, where.port), timeout=PATIENCE) as scrape:
            scrape.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            before = server.cpu_seconds()
            time.sleep(2)
            assert server.cpu_seconds() - before < 0.3
            assert not [line for line in server.lines if "logger" in line]
            for client in clients:
                client.close()
            assert read_all(scrape).startswith(b"HTTP/1.0 200 OK\r\n")


def test_case_13_handlers_that_use_up_the_descriptors_start_no_flood_of_threads():
    options = ("--handler", "tests.faults.server.handlers:Hoarder", "--read-timeout", "5m")
    with serving(*options, preexec_fn=few_descriptors(300)) as server:
        hoarder = server.connect(b"200\n")
        assert hoarder.recv(100) == b"200\n"
        clients = [server.connect() for _ in range(200)]
        wait_for(lambda: "accept_error" in {line["event"] for line in server.lines}, "accept fails")
        wait_for(lambda: server.threads() < 120, "threads leave that could not help the half that waits")
        before = server.cpu_seconds()
        time.sleep(2)
        assert server.threads() < 120
        assert server.cpu_seconds() - before < 0.3
        hoarder.close()
        for client in clients:
            client.sendall(b"0\n")
            assert client.recv(100) == b"0\n"
            client.close()


@pytest.mark.parametrize("threads", range(1, LEAST + 3))
def test_case_14_a_start_without_threads_is_told_in_one_line_or_serves_with_fewer(threads):
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "--listen", "tcp://127.0.0.1:0", "--metrics", "127.0.0.1:0",
         "--handler", "tests.faults.server.scarce:Echo"],
        cwd=ROOT, env=os.environ | {"MOST_THREADS": str(threads)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    started = process.stdout.readline()
    if started:
        host, port = json.loads(started)["listeners"]["tcp"].removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
            client.sendall(b"x\n")
            assert client.recv(100) == b"x\n"
        process.terminate()
    _, errors = process.communicate(timeout=PATIENCE)
    if started:
        assert (process.returncode, errors) == (0, b"")
    else:
        assert (process.returncode, errors) == (1, b"server: cannot start: can't start new thread\n")
    assert bool(started) == (threads > LEAST)


@pytest.mark.parametrize("threads", ["elastic", "per-connection"])
def test_case_14_threads_that_cannot_be_started_later_leave_fewer_that_serve(threads):
    with serving("--handler", "tests.faults.server.scarce:Echo", "--threads", threads) as server:
        held = [server.connect(b"x\n") for _ in range(12)]
        answered = 0
        for client in held:
            client.settimeout(1)
            try:
                answered += bool(client.recv(100))
            except TimeoutError:
                continue
        assert 0 < answered < 12
        wait_for(
            lambda: server.metric("socketserver_accept_errors_total", error="other") > 0, "a thread is missed"
        )
        for client in held:
            client.close()
        assert wait_for(lambda: server.metric("socketserver_connections_open") == 0, "all have left")
        with server.connect(b"x\n") as client:
            assert client.recv(100) == b"x\n"

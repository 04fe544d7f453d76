"""Servers that are given the files of their certificate, and leave the rest to the library."""

import contextlib
import http.client
import http.server
import json
import signal
import socketserver
import ssl
import subprocess
import sys

import pytest

import socketscope
from socketscope import TLS
from socketscope.serve.mixin import service_of
from tests.faults.library.running import (
    PATIENCE,
    Echo,
    ask,
    asked,
    connect,
    count,
    descriptors,
    ended,
    observed,
    reset,
    running,
    subclass,
    wait_for,
)
from tests.faults.server.process import ROOT


@pytest.fixture
def tls(certificate):
    return TLS(certificate)


@pytest.mark.parametrize("threads", ["elastic", "per-connection"])
def test_a_class_of_ones_own(tls, client_context, threads):
    server = subclass(socketscope.ThreadingTCPServer, tls=tls, threads=threads)(("127.0.0.1", 0), Echo)
    with running(server):
        with asked(server, client_context):
            pass
        ended(server, "ok")
        assert service_of(server).name == "tls"
        assert count(server, "tls_certificate_expiry_timestamp_seconds") == service_of(server).expiry


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_a_server_that_something_else_made(tls, client_context, base):
    with running(observed(base(("127.0.0.1", 0), Echo), tls=tls)) as server:
        with asked(server, client_context):
            pass
        ended(server, "ok")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the ssl module leaves half of a socket behind
@pytest.mark.parametrize(("said", "outcome"), [(b"", "empty"), (b"GET / HTTP/1.0\r\n\r\n", "tls_error")])
def test_who_has_reset_before_it_was_taken_is_no_error_of_a_handlers(tls, said, outcome):
    server = subclass(socketscope.ThreadingTCPServer, tls=tls)(("127.0.0.1", 0), Echo)
    with connect(server) as client:
        client.sendall(said)
        reset(client)
    with running(server):
        ended(server, outcome)


def test_a_path(tls, client_context, tmp_path):
    server = subclass(socketscope.ThreadingUnixStreamServer, tls=tls)(str(tmp_path / "s"), Echo)
    with running(server):
        with asked(server, client_context):
            pass
        ended(server, "ok")
        assert service_of(server).name == "unix"


def test_a_web_server(tls, client_context, tmp_path):
    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_):
            pass

    (tmp_path / "page").write_text("hello")
    server = subclass(socketscope.ThreadingHTTPServer, tls=tls)(("127.0.0.1", 0), Handler)
    with running(server):
        client = http.client.HTTPSConnection("localhost", server.server_address[1], context=client_context)
        for _ in range(2):
            client.request("GET", "/page")
            assert client.getresponse().read() == b"hello"
        client.close()
        ended(server, "ok")
        assert count(server, "exchanges_total") == 2


def test_hooks_are_called_after_the_handshake_with_what_the_handler_gets(certificate, client_context):
    seen = []

    class Server(socketscope.ThreadingTCPServer):
        def verify_request(self, request, client_address):
            seen.append(request.getpeercert()["subject"][0])
            return super().verify_request(request, client_address)

        def process_request(self, request, client_address):
            seen.append(request)
            super().process_request(request, client_address)

        def shutdown_request(self, request):
            seen.append(request)
            super().shutdown_request(request)

    client_context.load_cert_chain(certificate)
    tls = TLS(certificate, client_ca=certificate)
    with running(subclass(Server, tls=tls)(("127.0.0.1", 0), Echo)) as server:
        with asked(server, client_context):
            pass
        ended(server, "ok")
    assert seen[0] == (("commonName", "localhost"),)
    assert isinstance(seen[1], ssl.SSLSocket)
    assert seen[1] is seen[2]


def test_a_handshake_that_fails_is_told_by_no_hook_but_the_last_and_its_socket_is_closed(tls, capfd):
    def note(name):
        def hook(self, *args):
            called.add(name)
            return getattr(super(Noting, self), name)(*args)

        setattr(Noting, name, hook)

    class Noting(socketscope.ThreadingTCPServer):
        pass

    called: set[str] = set()
    for name in ("verify_request", "process_request", "finish_request", "handle_error", "shutdown_request"):
        note(name)
    with running(subclass(Noting, tls=tls)(("127.0.0.1", 0), Echo)) as server:
        before = descriptors()
        for _ in range(20):
            with contextlib.suppress(OSError):
                ask(server, b"GET / HTTP/1.0\r\n\r\n")
        ended(server, "tls_error", 20)
        # The loop's own are among them.
        wait_for(lambda: descriptors() <= before + 5, "all are closed")
    assert called == {"shutdown_request"}
    assert capfd.readouterr().err == ""


PROGRAM = """
import socketserver, sys
from socketscope import TLS, ThreadingTCPServer, run

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())

class Server(ThreadingTCPServer, tls=TLS(sys.argv[1])):
    pass

sys.exit(run(Server(("127.0.0.1", 0), Handler), ThreadingTCPServer(("127.0.0.1", 0), Handler), metrics=None))
"""


def test_run_reads_them_again_at_a_hangup_and_ends_at_another_signal(certificate, tmp_path):
    copy = tmp_path / "copy.pem"
    copy.write_bytes(certificate.read_bytes())
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(copy)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with program:
        assert program.stdout is not None
        assert program.stderr is not None
        lines = map(json.loads, program.stdout)
        started = next(lines)["listeners"]
        assert {name: url.partition(":")[0] for name, url in started.items()} == {"tls": "tls", "tcp": "tcp"}
        program.send_signal(signal.SIGHUP)
        # The plain one has nothing to read.
        assert next(lines)["event"] == "certificate_read"
        copy.write_text("")
        program.send_signal(signal.SIGHUP)
        told = next(lines)
        assert (told["event"], told["listener"]) == ("certificate_kept", "tls")
        assert told["error"] == f"no certificate in PEM form is in {copy}"
        program.send_signal(signal.SIGTERM)
        assert [line["event"] for line in lines] == ["drain_started", "drain_finished"]
        assert program.wait(PATIENCE) == 0
        assert program.stderr.read() == b""

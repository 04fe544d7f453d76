"""A few of the inputs of `make fuzz`, and that it would find something."""

import contextlib
import shutil
import socketserver
from dataclasses import replace
from random import Random

import pytest

from tests.fuzz import campaign, requests, scripts
from tests.fuzz.targets import TARGETS
from tests.threads import in_a_thread


def played(name, folder, inputs=200, **changed):
    """Give a target some inputs; return what is wrong with their answers, and with what is left of it."""
    if name == "tls" and shutil.which("openssl") is None:
        pytest.skip("its certificate is made with openssl, which is not installed")
    target = replace(TARGETS[name], **changed)
    with campaign.serving(target, folder) as server:
        place = None if server is None else campaign.place_of(target, server)
        given = campaign.give(name, place, seed=1, step=1, inputs=inputs, case=0)
        assert given.inputs >= inputs or given.faults
        return given.faults, [] if server is None else list(campaign.aftermath(server, folder / "log", 0))


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_bent_is_answered_as_it_must_be(name, tmp_path):
    assert played(name, tmp_path) == ([], [])


@pytest.mark.parametrize("name", ["tcp", "unix", "tls"])
def test_another_service_is_found_out(name, tmp_path):
    handler = ("--handler", "tests.faults.server.handlers:Echo")
    options = ["300ms" if option == "3s" else option for option in TARGETS[name].options]
    faults, _ = played(name, tmp_path, options=(*options, *handler))
    assert len(faults) == campaign.ENOUGH


def test_a_handler_that_fails_is_found_out(tmp_path):
    handler = ("--handler", "tests.faults.server.handlers:BrokenSetup")
    faults, left = played("one-shot", tmp_path, options=handler)
    assert len(faults) == campaign.ENOUGH
    assert any(each.startswith("the handler failed") for each in left)


def test_an_endpoint_that_fails_is_found_out():
    class Failing(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(ConnectionResetError):
                self.request.recv(1 << 16)
                self.request.sendall(b"HTTP/1.1 500 Internal Server Error\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Failing) as server:
        in_a_thread(server.serve_forever, 0.01)
        try:
            with pytest.raises(AssertionError, match=r"^answered \[500\]"):
                [requests.http(server.server_address, Random(case)) for case in range(50)]
        finally:
            server.shutdown()


def test_a_parser_that_fails_is_found_out(monkeypatch):
    monkeypatch.setattr(scripts, "explain", lambda _: 1 / 0)
    faults = campaign.give("script", None, seed=1, step=1, inputs=200, case=0).faults
    assert faults[0].endswith("ZeroDivisionError: division by zero")

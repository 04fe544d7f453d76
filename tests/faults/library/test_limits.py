"""The limits hold from outside, and nobody is charged for what is not theirs."""

import tempfile
import time

import pytest

from .running import (
    PATIENCE,
    Lines,
    ask,
    connect,
    ended,
    handling,
    serving,
)

SHORT = 0.4


def test_a_handlers_own_work_is_not_charged_to_who_has_sent_everything():
    def handle(request):
        head = request.recv(4)
        time.sleep(3 * SHORT)
        request.sendall(head + request.recv(4))

    with serving(handling(handle), read_timeout=SHORT) as server:
        assert ask(server, b"12345678") == b"12345678"
        ended(server, "ok")


def test_a_handler_that_polls_with_a_timeout_of_its_own_serves_well_and_ends_at_a_deadline():
    def handle(request):
        request.settimeout(SHORT / 10)
        while True:
            try:
                data = request.recv(100)
            except TimeoutError:
                continue
            if not data:
                return
            request.sendall(data)

    with serving(handling(handle), idle_timeout=3 * SHORT) as server, connect(server) as client:
        time.sleep(SHORT)
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        assert client.recv(1) == b""
        ended(server, "idle_timeout")


def test_a_handler_that_polls_does_not_hide_a_client_that_is_late():
    def handle(request):
        request.settimeout(SHORT / 10)
        while True:
            try:
                if not request.recv(100):
                    return
            except TimeoutError as late:
                if "did not send" in str(late):
                    raise

    with serving(handling(handle), read_timeout=SHORT) as server, connect(server) as client:
        client.sendall(b"half")
        assert client.recv(1) == b""
        ended(server, "read_timeout")


@pytest.mark.parametrize("way", ["sendall", "sendfile"])
def test_a_handlers_longer_timeout_does_not_put_off_who_takes_nothing(way):
    def handle(request):
        request.settimeout(PATIENCE)
        with tempfile.TemporaryFile() as file:
            file.truncate(32 << 20)
            getattr(request, way)(file if way == "sendfile" else file.read())

    with serving(handling(handle), write_timeout=SHORT) as server, connect(server):
        began = time.monotonic()
        ended(server, "write_timeout")
        assert time.monotonic() - began < PATIENCE / 4


@pytest.mark.parametrize(
    ("sent", "limits", "outcome"),
    [
        (b"", {"read_timeout": SHORT}, "empty"),
        (b"half", {"read_timeout": SHORT}, "read_timeout"),
        (b"whole\n", {"idle_timeout": SHORT}, "idle_timeout"),
    ],
)
def test_who_is_late_is_cut_in_time_and_told_nothing_else(sent, limits, outcome, capfd):
    with serving(Lines, **limits) as server, connect(server) as client:
        began = time.monotonic()
        client.sendall(sent)
        if sent.endswith(b"\n"):
            assert client.recv(100) == sent
        assert client.recv(100) == b""
        assert SHORT / 2 < time.monotonic() - began < PATIENCE / 4
        ended(server, outcome)
    capfd.readouterr()

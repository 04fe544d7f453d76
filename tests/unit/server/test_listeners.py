"""Listeners of the program."""

import socketserver
from typing import Any

import pytest

from server.listeners import bind, parse_listen


@pytest.mark.parametrize(("scheme", "timeout"), [("tcp", 0.0), ("unix", 0.0), ("udp", None)])
def test_those_of_connections_do_not_block_and_what_they_accept_does(scheme, timeout, tmp_path):
    url = f"unix://{tmp_path}/socket" if scheme == "unix" else f"{scheme}://127.0.0.1:0"
    _, address = parse_listen(url)
    handler = socketserver.BaseRequestHandler
    server: Any
    (server,) = bind(None, address, handler, 1, "elastic", None, one_reply=False, refusal=b"")
    with server:
        assert server.socket.gettimeout() == timeout
        if timeout is not None:
            with pytest.raises(BlockingIOError):
                server.get_request()
            with server.socket.__class__(server.socket.family) as client:
                client.connect(server.server_address)
                request, _ = server.get_request()
                with request:
                    assert request.gettimeout() is None


@pytest.mark.parametrize("name", ["web", "odd-Name_1", "9000", "2nd", "-"])
def test_a_name_has_letters_digits_dashes_and_underscores_in_any_order(name):
    assert parse_listen(f"{name}=unix:///run/a=b")[0] == name


def test_a_path_may_have_an_equals_sign_where_no_name_is_given():
    name, address = parse_listen("unix:///run/a=b")
    assert (name, address.path) == (None, "/run/a=b")


@pytest.mark.parametrize("name", ["", "a b", "a.b", 'a"'])
def test_a_name_has_nothing_else(name):
    with pytest.raises(ValueError, match="is not a name for a listener"):
        parse_listen(f"{name}=tcp://127.0.0.1:0")

import errno
import socket
from contextlib import ExitStack
from typing import Any

import pytest

from socketscope import binding

NOT_HERE = "192.0.2.1"  # RFC 5737: of no machine


def bind(*args: Any) -> list[Any]:
    """Bind, close, and return the addresses."""
    with ExitStack() as opened:
        return [opened.enter_context(sock).getsockname() for sock in binding.bind(*args)]


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_name_of_both_families_is_bound_on_both_at_one_port(names, ipv6, kind):
    names["both"] = [ipv6, "127.0.0.1", ipv6]
    (first, port, *_), (second, same) = bind("both", 0, kind)
    assert (first, second) == ("::1", "127.0.0.1")
    assert port == same != 0


def test_an_address_that_is_not_this_machines_is_left_out_unless_it_is_the_only_one(names):
    names["some"] = [NOT_HERE, "127.0.0.1"]
    assert [host for host, _ in bind("some", 0)] == ["127.0.0.1"]
    with pytest.raises(OSError, match="assign"):
        bind(NOT_HERE, 0)


def test_a_port_that_is_taken_at_one_address_is_taken(names):
    names["twins"] = ["127.0.0.1", "127.0.0.2"]
    with socket.create_server(("127.0.0.2", 0)) as taken, pytest.raises(OSError, match="in use"):
        bind("twins", taken.getsockname()[1])


class Crowded(socket.socket):
    """A socket of a machine where each port is taken at 127.0.0.2, but for the last of so many."""

    taken = 0

    def bind(self, address: Any) -> None:
        if address[0] == "127.0.0.2" and Crowded.taken:
            Crowded.taken -= 1
            raise OSError(errno.EADDRINUSE, "Address already in use")
        super().bind(address)


def test_the_kernel_is_asked_for_another_port_until_one_is_free_at_all_addresses(names, monkeypatch):
    names["twins"] = ["127.0.0.1", "127.0.0.2"]
    monkeypatch.setattr(socket, "socket", Crowded)
    Crowded.taken = binding.TRIES - 1
    (_, port), (_, same) = bind("twins", 0)
    assert port == same
    Crowded.taken = binding.TRIES
    with pytest.raises(OSError, match="in use"):
        bind("twins", 0)
    assert Crowded.taken == 0


def test_a_port_that_was_asked_for_is_tried_once(names, monkeypatch):
    names["twins"] = ["127.0.0.1", "127.0.0.2"]
    ((_, free),) = bind("127.0.0.1", 0)
    monkeypatch.setattr(socket, "socket", Crowded)
    Crowded.taken = 2
    with pytest.raises(OSError, match="in use"):
        bind("twins", free)
    assert Crowded.taken == 1


def test_a_port_is_free_again_while_what_it_served_is_in_time_wait():
    (listener,) = binding.bind("127.0.0.1", 0)
    with listener:
        listener.listen()
        where = listener.getsockname()
        with socket.create_connection(where, timeout=10) as client:
            listener.accept()[0].close()  # who closes first has the wait
            assert client.recv(1) == b""
    assert bind(*where) == [where]


@pytest.mark.usefixtures("ipv6")
def test_all_addresses_of_one_family_leave_those_of_the_other():
    (one,) = binding.bind("::", 0)
    with one:
        one.listen()
        port = one.getsockname()[1]
        assert bind("0.0.0.0", port) == [("0.0.0.0", port)]


@pytest.mark.parametrize("host", ["", "*"])
def test_no_host_is_one_socket_for_both_families(ipv6, host):
    (sock,) = binding.bind(host, 0)
    with sock:
        sock.listen()
        for address in ("127.0.0.1", ipv6):
            socket.create_connection((address, sock.getsockname()[1]), timeout=10).close()


def test_what_can_be_no_name_is_an_error_like_an_unknown_one():
    with pytest.raises(socket.gaierror, match="label empty or too long"):
        bind("a" * 70 + ".com", 0)

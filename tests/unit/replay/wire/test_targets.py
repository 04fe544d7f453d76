"""Names and their addresses; what is spoken over them is in the fault tests."""

import socket
import ssl
from dataclasses import replace
from random import Random

import pytest

from socketscope.addresses import Address
from socketscope.replay.play.failing import not_connected
from socketscope.replay.record.listening import leads_to_itself
from socketscope.replay.wire import targets
from socketscope.replay.wire.connection import Connection
from socketscope.replay.wire.loop import Loop
from socketscope.replay.wire.targets import Target
from tests.threads import in_a_thread


def connect(target: Target) -> None:
    """Connect, and close at once."""
    loop = Loop()
    try:
        loop.complete(target.connect(loop, Random())).close()
    finally:
        loop.close()


@pytest.fixture
def replicas(monkeypatch):
    """Make a name of two addresses on loopback, and give the two listeners."""
    first = socket.create_server(("127.0.0.1", 0), backlog=100)
    port = first.getsockname()[1]
    second = socket.create_server(("127.0.0.2", port), backlog=100)
    asked = []

    def resolve(host, port, *_, flags, **__):
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        asked.append(host)
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*stream, ("127.0.0.1", port)), (*stream, ("127.0.0.2", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with first, second:
        yield Target(Address("tcp", "replicas.test", port)), (first, second), asked


def accepted(listener: socket.socket) -> int:
    listener.setblocking(False)
    number = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return number
        number += 1


def test_a_name_is_resolved_for_each_connection_and_all_its_addresses_get_some(replicas):
    target, listeners, asked = replicas
    for _ in range(60):
        connect(target)
    counts = [accepted(listener) for listener in listeners]
    assert sum(counts) == len(asked) == 60
    # That a fair coin falls 55 times on one side has a chance of one in ten thousand million.
    assert min(counts) > 5


def assert_only_it_answers(listener, target):
    for _ in range(10):
        connect(target)
    assert accepted(listener) == 10
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        connect(target)


def test_an_address_that_refuses_is_passed_over_for_one_that_answers(replicas):
    target, (first, second), _ = replicas
    first.close()
    assert_only_it_answers(second, target)


def test_what_one_that_answers_says_is_told_and_not_that_another_refuses(replicas):
    target, (first, second), _ = replicas
    first.close()
    tries = 10

    def speak_no_tls():
        for _ in range(tries):
            with second.accept()[0] as client:
                client.sendall(b"220 no TLS here\r\n")
                client.recv(1000)

    answering = in_a_thread(speak_no_tls)
    for _ in range(tries):
        with pytest.raises(ssl.SSLError):
            connect(replace(target, tls=ssl.create_default_context()))
    answering.join()


def test_a_handshake_of_tls_that_gets_no_answer_is_no_silence_of_the_address(replicas, monkeypatch):
    monkeypatch.setattr("socketscope.replay.wire.targets.CONNECT_TIMEOUT", 0.1)
    target, (first, _), _ = replicas
    first.close()
    with pytest.raises(ssl.SSLError) as caught:
        connect(replace(target, tls=ssl.create_default_context()))
    told = "the server did not answer the handshake"
    assert not_connected(caught.value) == ("tls_error", told)


def test_an_address_without_a_host_is_passed_over_for_one_that_answers(replicas, monkeypatch):
    monkeypatch.setattr("socketscope.replay.wire.targets.CONNECT_TIMEOUT", 0.5)
    target, (silent, second), _ = replicas
    silent.listen(0)  # holds one who waits, and leaves all others without an answer
    with socket.socket() as waiting:
        waiting.connect(silent.getsockname())
        for _ in range(10):
            connect(target)
    assert accepted(second) == 10


def test_an_address_of_a_family_that_this_machine_has_not_is_passed_over(replicas, monkeypatch):
    target, (_, second), _ = replicas
    resolve = socket.getaddrinfo

    def with_another(host, port, *arguments, **named):
        found = resolve(host, port, *arguments, **named)
        return [(socket.AF_AX25, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)), found[1]]

    monkeypatch.setattr(socket, "getaddrinfo", with_another)
    assert_only_it_answers(second, target)


def test_an_address_that_a_name_has_twice_is_tried_once(replicas, monkeypatch):
    target, (first, _), _ = replicas
    first.close()
    resolve, tried = socket.getaddrinfo, []

    class Counted(Connection):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            tried.append(self)

    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **named: resolve(*given, **named)[:1] * 2)
    monkeypatch.setattr(targets, "Connection", Counted)
    with pytest.raises(ConnectionRefusedError):
        connect(target)
    assert len(tried) == 1


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a" * 64, "a..b"])
def test_a_name_that_is_none_is_one_kind_of_error(host):
    with pytest.raises(socket.gaierror):
        connect(Target(Address("tcp", host, 1)))


def test_a_link_to_a_path_leads_there(tmp_path):
    (link := tmp_path / "link").symlink_to(path := tmp_path / "path")
    assert leads_to_itself(Address("unix", path=str(path)), Address("unix", path=str(link)))


@pytest.mark.parametrize("host", ["", "0.0.0.0"])
def test_the_same_port_of_another_machine_is_another_server(host):
    another = Address("tcp", "192.0.2.1", 9000)  # of nobody's, RFC 5737
    assert not leads_to_itself(Address("tcp", host, 9000), another)


def test_links_that_lead_in_a_circle_lead_to_nobody(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.symlink_to(other)
    other.symlink_to(one)
    assert not leads_to_itself(Address("unix", path=str(one)), Address("unix", path=str(other)))

"""What an accept that failed is counted as: only for want of room does the loop pause."""

import errno
import os
import socket
import ssl

import pytest

from socketscope.observe.outcomes import accept_error
from socketscope.observe.totals import Figures
from socketscope.serve import serving
from socketscope.serve.mixin import service_of
from tests.unit.socketscope.serve.test_service import make

GONE = (
    errno.ECONNRESET,
    errno.EPIPE,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ECONNABORTED,
    errno.ENOTCONN,
)


@pytest.mark.parametrize("number", GONE, ids=errno.errorcode.get)
def test_a_peer_that_has_left_is_gone_and_no_want_of_room(number):
    assert accept_error(OSError(number, os.strerror(number))) == "aborted"


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (OSError(errno.EMFILE, ""), "fd_limit"),
        (OSError(errno.ENFILE, ""), "fd_limit"),
        (OSError(errno.ENOBUFS, ""), "no_buffers"),
        (OSError(errno.ENOMEM, ""), "no_buffers"),
        (OSError(errno.EPERM, ""), "other"),
        (ssl.SSLError(1, "no TLS"), "aborted"),
    ],
)
def test_the_others_are_as_they_are(error, counted):
    assert accept_error(error) == counted


@pytest.mark.parametrize(
    ("number", "pauses"),
    [(errno.ECONNABORTED, []), (errno.EMFILE, [serving.ACCEPT_PAUSE]), (errno.EAGAIN, [])],
    ids=["gone", "no room", "nobody"],
)
def test_nobody_waits_for_a_peer_that_has_left(monkeypatch, number, pauses):
    slept: list[float] = []
    monkeypatch.setattr(serving, "sleep", slept.append)
    with make() as server:
        service_of(server).note_not_taken(OSError(number, os.strerror(number)))
        monkeypatch.undo()
    assert slept == pauses


@pytest.mark.parametrize("refused", [OSError("not you"), OSError(errno.EBADF, "it is closed")], ids=repr)
def test_nobody_waits_where_a_hook_refuses_its_client(monkeypatch, refused):
    slept: list[float] = []
    monkeypatch.setattr(serving, "sleep", slept.append)

    def refuse():
        raise refused

    with make() as server:
        server.get_request = refuse
        service_of(server).handle_one(server)
        counted = service_of(server).totals.snapshot()
        monkeypatch.undo()
    assert isinstance(counted, Figures)
    assert counted.accept_errors["other"] == 1
    assert not slept


def test_a_hook_that_the_object_was_given_just_now_refuses_likewise(monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(serving, "sleep", slept.append)

    def refuse():
        raise OSError("not you")

    with make() as server:
        service = service_of(server)
        service.hooks.find(server)
        server.get_request = refuse
        assert service.try_to_receive(server) is None
        assert service.receive(server) is None
        monkeypatch.undo()
    assert not slept


def test_a_hook_that_the_kernel_gives_no_client_to_waits_as_ever(monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(serving, "sleep", slept.append)
    with make() as server:
        server.get_request = lambda: type(server).get_request(server)
        server.socket.shutdown(socket.SHUT_RDWR)  # what is told of it ever after is EINVAL
        service_of(server).handle_one(server)
        monkeypatch.undo()
    assert slept == [serving.ACCEPT_PAUSE]

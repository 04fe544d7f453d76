import socket

import pytest

from socketscope.observe import adoption, reader
from tests.unit.socketscope.observed import observed_pair


@pytest.fixture(params=["plain", "observed"])
def pair(request):
    near, far = socket.socketpair() if request.param == "plain" else observed_pair()[:2]
    with near, far:
        yield near, far


def test_a_file_reads_lines_until_the_end(pair):
    near, far = pair
    with near.makefile("rb") as file:
        far.sendall(b"one\ntwo\nrest")
        far.close()
        assert file.readline() == b"one\n"
        assert file.readline(2) == b"tw"
        assert file.read() == b"o\nrest"
        assert file.read() == b""


def test_a_file_outlives_its_socket_and_closes_it(pair):
    near, far = pair
    file = near.makefile("rb")
    near.close()
    far.sendall(b"hello\n")
    assert file.readline() == b"hello\n"
    file.close()
    assert far.recv(1) == b""
    with pytest.raises(ValueError, match="closed"):
        file.readline()
    with pytest.raises(ValueError, match="closed"):
        file.raw.readinto(bytearray(1))


def test_a_file_that_has_timed_out_once_reads_no_more(pair):
    near, far = pair
    near.settimeout(0.001)
    with near.makefile("rb") as file:
        with pytest.raises(TimeoutError):
            file.readline()
        far.sendall(b"hello\n")
        with pytest.raises(OSError, match="cannot read from timed out object"):
            file.readline()


def test_a_file_of_a_socket_that_must_not_wait_has_nothing(pair):
    near, _ = pair
    with near.makefile("rb") as file:
        near.setblocking(False)
        assert file.raw.readinto(bytearray(1)) is None
        assert file.read() is None


def test_a_file_tells_of_a_peer_that_is_gone(pair):
    near, far = pair
    with near.makefile("rb") as file:
        near.sendall(b"never read")
        far.close()
        with pytest.raises(ConnectionResetError):
            file.readline()


def test_what_a_file_reads_is_counted_also_once_others_had_the_descriptor():
    near, far, record = observed_pair()
    with near, far, near.makefile("rb") as file:
        far.sendall(b"one\n")
        assert file.readline() == b"one\n"
        assert record.received == 4
        assert near.fileno() >= 0
        far.sendall(b"two\n")
        assert file.readline() == b"two\n"
        assert record.received == 8


def test_what_is_quickly_closed_is_closed_as_its_base_class_is(monkeypatch):
    monkeypatch.setattr(adoption, "buffered", reader._QuicklyClosed)
    near, far, _ = observed_pair()
    with near, far:
        far.sendall(b"one\ntwo\n")
        file = near.makefile("rb")
        near.close()
        assert file.readline() == b"one\n"
        file.close()
        file.close()
        assert file.closed
        assert near.fileno() == -1
        with pytest.raises(ValueError, match="closed file"):
            file.readline()

"""Files sent through an observed socket, in whole, in part and not at all."""

import tempfile
from io import BytesIO

import pytest

from tests.unit.socketscope.observed import observed_pair

FILE = bytes(1 << 20)


@pytest.fixture
def file():
    with tempfile.TemporaryFile() as file:
        file.write(FILE)  # so it is read or written somewhere else than it is sent from
        file.flush()
        yield file


def fill(sock):
    sock.setblocking(False)
    try:
        while True:
            sock.send(FILE)
    except BlockingIOError:
        sock.settimeout(0.01)


def test_of_a_file_that_nobody_takes_nothing_is_counted(file):
    near, far, record = observed_pair()
    with near, far:
        fill(near)
        before = record.sent
        with pytest.raises(TimeoutError):
            near.sendfile(file)
        assert record.sent == before


def test_of_one_that_is_taken_in_part_that_part_is(file):
    near, far, record = observed_pair()
    with near, far:
        near.settimeout(0.01)
        with pytest.raises(TimeoutError):
            near.sendfile(file, 10)
        assert record.sent == file.tell() - 10 > 0


def test_one_that_is_none_of_the_systems_counts_once_in_whole_and_in_part():
    near, far, record = observed_pair()
    with near, far:
        assert near.sendfile(BytesIO(b"hello")) == record.sent == 5
        near.settimeout(0.01)
        file = BytesIO(FILE)
        with pytest.raises(TimeoutError):
            near.sendfile(file)
        assert record.sent == 5 + file.tell() > 5


@pytest.mark.parametrize("wrong", [{"count": -1}, {"offset": "x"}])
def test_after_a_call_that_is_wrong_nobody_seems_to_send(file, wrong):
    near, far, record = observed_pair()
    with near, far:
        with pytest.raises((ValueError, TypeError)):
            near.sendfile(file, **wrong)
        assert not record.blocked


def test_what_cannot_tell_its_place_does_not_hide_what_went_wrong(file):
    class Placeless:
        mode, fileno = "rb", file.fileno

    near, far, record = observed_pair()
    with near, far:
        fill(near)
        with pytest.raises(TimeoutError):
            near.sendfile(Placeless())
        assert not record.blocked

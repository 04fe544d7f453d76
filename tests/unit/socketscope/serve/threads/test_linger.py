"""Sockets that were shut down for writing, and whose peers go on sending."""

import os
import selectors
import socket
import sys
import threading
from contextlib import suppress
from functools import partial
from types import SimpleNamespace

import pytest

from socketscope.serve.threads import linger
from socketscope.serve.threads.linger import BYTES, SECONDS, Linger, unread
from tests.threads import ends, together
from tests.unit.socketscope.observed import tcp_pair
from tests.unit.socketscope.patience import PATIENCE, until


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(linger, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def lingering():
    lingering = Linger()
    yield lingering
    lingering.join(PATIENCE)
    assert lingering._thread is None


class Peer:
    """The far end of a socket that lingers."""

    def __init__(self, lingering: Linger):
        self.near, self.far = socket.socketpair()
        self.closed = threading.Event()
        lingering.add(self.near, self._close)

    def _close(self):
        self.near.close()
        self.closed.set()


def test_what_comes_is_read_away_until_the_peer_closes(lingering):
    peer = Peer(lingering)
    for _ in range(10):
        peer.far.sendall(bytes(1000))
    assert not peer.closed.is_set()
    peer.far.close()
    assert peer.closed.wait(PATIENCE)


def test_it_has_a_thread_as_long_as_there_is_something_to_do(lingering):
    for _ in range(3):
        peer = Peer(lingering)
        thread = lingering._thread
        assert thread is not None
        peer.far.close()
        ends(thread)


def test_for_want_of_memory_a_peer_is_read_later(lingering, monkeypatch):
    select = selectors.PollSelector.select
    failing = iter([MemoryError])

    def scarce(*args):
        for error in failing:
            raise error
        return select(*args)

    monkeypatch.setattr(selectors.PollSelector, "select", scarce)
    peer = Peer(lingering)
    peer.far.close()
    assert peer.closed.wait(PATIENCE)
    assert not list(failing)


def test_who_begins_to_read_needs_no_memory_for_a_selector(lingering, monkeypatch):
    def fail(_):
        raise MemoryError

    monkeypatch.setattr(selectors.PollSelector, "__init__", fail)
    peer = Peer(lingering)
    peer.far.close()
    assert peer.closed.wait(PATIENCE)


def test_the_more_linger_the_longer_it_rests_from_one_look_to_the_next(lingering, monkeypatch):
    rests: list[float] = []
    monkeypatch.setattr(linger, "sleep", rests.append)
    peers: list[Peer] = []
    for number, rest in ((1, linger._REST), (10, 10 * linger._REST), (300, linger._TICK)):
        peers += [Peer(lingering) for _ in range(number - len(peers))]
        until(partial(rests.__contains__, rest))
    assert max(rests) == linger._TICK
    for peer in peers:
        peer.far.close()


def test_a_peer_that_stays_is_closed_after_some_seconds(clock, lingering):
    peer = Peer(lingering)
    clock.now = SECONDS - 0.1
    assert not peer.closed.wait(3 * linger._TICK)
    clock.now = SECONDS
    assert peer.closed.wait(PATIENCE)
    assert peer.far.recv(1) == b""
    peer.far.close()


def test_a_peer_that_never_ends_is_closed_after_so_many_bytes(lingering):
    peer = Peer(lingering)
    peer.far.settimeout(PATIENCE)
    sent = 0
    with suppress(BrokenPipeError, ConnectionResetError):
        while sent < 100 * BYTES:
            sent += peer.far.send(bytes(linger._CHUNK))
    assert BYTES <= sent < 10 * BYTES
    assert peer.closed.wait(PATIENCE)
    peer.far.close()


def test_only_so_many_linger_and_one_more_is_closed_at_once(lingering, monkeypatch):
    monkeypatch.setattr(linger, "MOST", 2)
    peers = [Peer(lingering) for _ in range(3)]
    assert [peer.closed.is_set() for peer in peers] == [False, False, True]
    for peer in peers:
        peer.far.close()
    assert all(peer.closed.wait(PATIENCE) for peer in peers)
    lingering.join(PATIENCE)
    another = Peer(lingering)
    assert not another.closed.is_set()
    another.far.close()


def test_what_cannot_linger_is_closed(lingering, monkeypatch):
    def fail(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        peer = Peer(lingering)
        assert peer.closed.is_set()
        peer.far.close()
    peer = Peer(lingering)
    assert not peer.closed.is_set()
    peer.far.close()


def test_what_somebody_else_has_closed_is_no_harm(lingering):
    near, far = socket.socketpair()
    near.close()
    closed = threading.Event()
    lingering.add(near, closed.set)
    assert closed.wait(PATIENCE)
    far.close()


@pytest.mark.parametrize("error", [AttributeError, RuntimeError])
def test_what_is_no_socket_may_raise_anything_and_others_still_linger(lingering, error):
    near, far = socket.socketpair()
    closed = threading.Event()

    class Request:
        asked = 0

        def fileno(self):
            self.asked += 1
            if self.asked > 1:  # after it was watched
                raise error
            return near.fileno()

    with near, far:
        other = Peer(lingering)
        lingering.add(Request(), closed.set)
        far.send(b"more")
        assert closed.wait(PATIENCE)
        other.far.close()
        assert other.closed.wait(PATIENCE)


def test_joining_takes_no_longer_than_it_may(lingering):
    peer = Peer(lingering)
    lingering.join(0)
    lingering.join(-1)
    assert not peer.closed.is_set()
    peer.far.close()


def test_many_threads_may_add_while_it_reads(lingering):
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    closed = []
    try:

        def add():
            for _ in range(100):
                near, far = socket.socketpair()
                far.send(b"unread")
                far.close()

                def close(near=near):
                    near.close()
                    closed.append(near)

                lingering.add(near, close)

        together(lambda _: add(), 4)
        lingering.join(PATIENCE)
    finally:
        sys.setswitchinterval(interval)
    assert len(closed) == 400
    assert not lingering._held


@pytest.mark.parametrize(
    ("pair", "charged"), [(tcp_pair, True), (tcp_pair, False), (socket.socketpair, False)]
)
def test_whether_something_is_unread(pair, charged):
    near, far = pair()
    assert not unread(near, charged=charged)
    far.send(b"x")
    assert unread(near, charged=charged)
    near.recv(1)
    assert not unread(near, charged=charged)
    far.close()
    assert not unread(near, charged=charged)
    near.close()
    assert not unread(near, charged=charged)


def test_what_a_pipe_holds_may_be_the_next_request():
    read, write = os.pipe()
    with os.fdopen(read, "rb") as request, os.fdopen(write, "wb", buffering=0) as peer:
        peer.write(b"x")
        assert not unread(request, charged=False)


@pytest.mark.parametrize("error", [NotImplementedError, AttributeError])
def test_of_a_request_without_a_descriptor_nothing_is_known_to_be_unread(error):
    class Request:
        def fileno(self):
            raise error

    assert not unread(Request(), charged=True)

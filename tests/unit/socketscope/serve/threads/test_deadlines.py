"""Overdue connections are shut down from outside, at a clock that the test sets."""

import fcntl
import socket
import ssl
import struct
import threading
import weakref
from array import array
from contextlib import suppress
from mmap import mmap
from time import monotonic
from types import SimpleNamespace

import pytest

from socketscope import Limits
from socketscope.observe.adoption import adopt
from socketscope.observe.record import Record
from socketscope.observe.sockets import STEP
from socketscope.observe.totals import Capacity, StreamTotals
from socketscope.serve.threads import deadlines
from socketscope.serve.threads.deadlines import Deadlines
from tests.threads import ends, in_a_thread
from tests.unit.socketscope.observed import observed_pair, tcp_pair
from tests.unit.socketscope.patience import PATIENCE, until

LIMITS = Limits(read_timeout=10, write_timeout=10, idle_timeout=60)


def plain(near, far):
    return near, far


def encrypted(near, far):
    """Return what is made of two sockets by TLS, of a kind that needs no certificate."""
    contexts = [ssl.SSLContext(kind) for kind in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT)]
    for context in contexts:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("aNULL:@SECLEVEL=0")
    server, client = contexts
    near = server.wrap_socket(near, server_side=True, do_handshake_on_connect=False)
    greeting = in_a_thread(near.do_handshake)
    far = client.wrap_socket(far)
    greeting.join(PATIENCE)
    return near, far


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(deadlines, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def totals():
    return StreamTotals(Capacity(10))


@pytest.fixture(params=[socket.socketpair, tcp_pair], ids=["unix", "tcp"])
def watched(totals, request):
    """A connection's socket, its peer, its record, and who watches over it."""
    near, far = request.param()
    record = Record(totals, "", 0.0, LIMITS)
    assert totals.accept(record)
    record.socket = near
    near.setblocking(False)
    far.settimeout(PATIENCE)
    with near, far:
        yield near, far, record, Deadlines(totals)


def fill(near, record):
    try:
        while True:
            record.gave(near.send(bytes(1 << 16)), 0.0)
    except BlockingIOError:
        record.blocked = True


def in_flight(near):
    """Return how many segments the peer has not acknowledged; a Unix socket has none."""
    if near.family == socket.AF_UNIX:
        return 0
    info = near.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
    return struct.unpack_from("I", info, 24)[0]  # tcpi_unacked


def ended(near):
    try:
        return near.recv(1) == b""
    except BlockingIOError:
        return False


def drain(far):
    far.setblocking(False)
    with suppress(BlockingIOError):
        while far.recv(1 << 20):
            pass


def test_who_does_not_send_in_time_is_shut_down_for_reading_and_can_still_be_told(clock, watched):
    near, far, record, over = watched
    record.wait(0.0)
    clock.now = 9.9
    assert over._look()
    assert not ended(near)
    clock.now = 10.0
    over._look()
    assert ended(near)
    assert record.late
    near.send(b"refused")
    assert far.recv(100) == b"refused"


def test_who_takes_nothing_is_shut_down_altogether(clock, watched):
    near, _, record, over = watched
    fill(near, record)
    over._look()
    clock.now = 9.9
    over._look()
    assert record.failure is None
    clock.now = 10.0
    over._look()
    assert record.outcome == "write_timeout"
    with pytest.raises(OSError, match="Broken pipe"):
        near.send(b"x")


def test_who_takes_something_is_not_though_the_send_goes_on(clock, watched):
    near, far, record, over = watched
    fill(near, record)
    over._look()
    clock.now = 9.0
    drain(far)
    over._look()
    clock.now = 18.0
    over._look()
    assert record.failure is None
    clock.now = 19.0
    over._look()
    assert record.failure == "write_timeout"


def test_who_takes_all_of_it_piece_by_piece_is_not(clock, watched):
    near, far, record, over = watched
    for now in range(0, 90, 9):
        clock.now = now
        record.gave(near.send(b"piece"), now)
        record.blocked = True
        over._look()
        assert far.recv(5) == b"piece"
    assert record.failure is None


def test_the_time_of_a_send_that_went_on_is_not_charged_to_the_next(clock, watched):
    near, _, record, over = watched
    fill(near, record)
    over._look()
    clock.now = 9.0
    record.blocked = False
    over._look()
    clock.now = 18.0
    record.blocked = True
    over._look()
    clock.now = 27.0
    over._look()
    assert record.failure is None
    clock.now = 28.0
    over._look()
    assert record.failure == "write_timeout"


def test_who_is_sent_nothing_is_not_held_to_take_it(clock, watched):
    _, _, record, over = watched
    for now in (0.0, 100.0, 1e6):
        clock.now = now
        over._look()
    assert record.failure is None


def test_without_limits_nobody_is_shut_down(clock, watched):
    near, _, record, over = watched
    record.limits = Limits()
    fill(near, record)
    record.wait(0.0)
    for now in (0.0, 1e6):
        clock.now = now
        over._look()
    assert record.failure is None
    assert not ended(near)


def test_the_socket_may_be_known_weakly_gone_closed_or_none_of_sockets_class(clock, totals):
    shut = []
    closed = socket.socket()
    closed.close()

    class Wrapped:
        def shutdown(self, how):
            shut.append(how)

    class Gone(socket.socket):
        pass

    gone = Gone()
    gone.close()
    sockets = [None, closed, weakref.ref(gone), Wrapped(), object()]
    del gone
    for each in sockets:
        record = Record(totals, "", 0.0, LIMITS)
        assert totals.accept(record)
        record.socket, record.blocked = each, each is not closed
        record.wait(0.0)
    clock.now = 100.0
    assert Deadlines(totals)._look()
    assert shut == [socket.SHUT_RD]
    assert all(record.late for record in totals.records)


def test_that_little_is_taken_shows_only_once_it_is_a_step_of_the_kernels(clock, watched):
    near, far, record, over = watched
    fill(near, record)
    until(lambda: not in_flight(near))
    over._look()
    assert len(far.recv(1000)) == 1000
    clock.now = 9.0
    over._look()
    assert over._sending[record][1] == 0.0  # as if it had taken nothing
    drain(far)

    def seen():
        over._look()
        return over._sending[record][1] == 9.0

    until(seen)


@pytest.fixture(params=[plain, encrypted])
def crossed(totals, request):
    """An observed socket over a Unix one, whose queue is as full at every look, its peer and its record."""
    near, far, record = observed_pair(LIMITS, 0.0, totals)
    near, far = request.param(near, far)
    far.settimeout(PATIENCE)
    with near, far:
        yield near, far, record


LONG = 1 << 22


@pytest.mark.parametrize("method", ["send", "sendall"])
@pytest.mark.parametrize(
    "data", [bytes(LONG), mmap(-1, LONG), array("d", bytes(LONG))], ids=["bytes", "mmap", "array"]
)
def test_a_queue_that_is_full_at_every_look_as_its_reader_takes_all_of_it_is_no_stall(
    clock, totals, crossed, method, data, monkeypatch
):
    monkeypatch.setattr(fcntl, "ioctl", lambda *_: b"full")
    near, far, record = crossed
    over, taken_at_once = Deadlines(totals), 1 << 18
    with far.makefile("rb") as reader:
        sender = in_a_thread(getattr(near, method), data)
        taken = 0
        while taken < LONG:
            taken += len(reader.read(taken_at_once))
            until(lambda: record.sent > taken - taken_at_once)  # noqa: B023 - called at once
            over._look()
            assert record.failure is None
            clock.now += 9.0
        sender.join(PATIENCE)
        assert record.sent == LONG


@pytest.mark.parametrize("data", ["long" * STEP, memoryview(bytes(4 * STEP))[::2]], ids=["text", "gaps"])
def test_what_cannot_be_sent_is_refused_as_ever(totals, data):
    near, far, _ = observed_pair(LIMITS, 0.0, totals)
    plain, peer = socket.socketpair()
    with near, far, plain, peer:
        for method in ("send", "sendall"):
            with pytest.raises((TypeError, BufferError)) as theirs:
                getattr(plain, method)(data)
            with pytest.raises(theirs.type, match=str(theirs.value)):
                getattr(near, method)(data)


@pytest.mark.parametrize("data", [bytes(1 << 20), bytearray(1 << 20), memoryview(bytes(1 << 20)).cast("Q")])
def test_a_send_whose_peer_goes_returns_what_went_out(totals, data):
    near, far, record = observed_pair(LIMITS, 0.0, totals)
    sent = []
    with near, far:
        sender = in_a_thread(lambda: sent.append(near.send(data)))
        assert far.recv(1)
        far.close()
        sender.join(PATIENCE)
        assert 0 < sent[0] < 1 << 20
        assert sent[0] == record.sent
        with pytest.raises(ConnectionError):
            near.send(data)


def test_a_send_with_a_timeout_ends_with_what_there_is_room_for(totals):
    near, far, record = observed_pair(LIMITS, 0.0, totals)
    with near, far:
        near.settimeout(0.01)
        assert 0 < near.send(bytes(LONG)) == record.sent < LONG


def test_who_goes_when_its_request_is_late_is_gone_to_who_sends():
    near, far, record = observed_pair(Limits(read_timeout=1.0))
    with near:
        record.wait(0.0)
        assert record.overdue(2.0)
        far.close()
        with pytest.raises(BrokenPipeError):
            near.send(b"late")


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_sendall_calls_no_send_of_a_class_of_ones_own(totals, timeout):
    class Framed(socket.socket):
        def send(self, _data, _flags=0):
            raise AssertionError

    plain, far = socket.socketpair()
    near = Framed(fileno=plain.detach())
    adopt(near, Record(totals, "", 0.0, LIMITS))
    near.settimeout(timeout)
    with near, far, far.makefile("rb") as reader:
        sender = in_a_thread(near.sendall, bytes(1 << 22))
        assert len(reader.read(1 << 22)) == 1 << 22
        sender.join(PATIENCE)


def test_a_message_stays_one_however_long(totals):
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    record = Record(totals, "", 0.0, LIMITS)
    adopt(near, record)
    with near, far:
        near.sendall(bytes(100_000))
        assert len(far.recv(1 << 20)) == 100_000


def watchers():
    return [thread for thread in threading.enumerate() if thread.name == "deadlines"]


@pytest.fixture
def hurried(monkeypatch):
    """A watcher that looks a hundred times as often, and that has left at the end."""
    until(lambda: not watchers())  # one of a test before this may still look for its last second
    monkeypatch.setattr(deadlines, "LOOK", 0.001)
    yield
    for watcher in watchers():
        watcher.join(PATIENCE)
    assert watchers() == []


@pytest.mark.usefixtures("hurried")
def test_a_receive_that_waits_is_woken_and_says_why(totals):
    near, far, record = observed_pair(Limits(read_timeout=0.001), monotonic(), totals)
    with near, far:
        Deadlines(totals).watch()
        with pytest.raises(TimeoutError, match="the client did not send in time"):
            near.recv(1)
        assert near.recv(1) == b""  # told once; a handler that polls would never leave
        totals.close(record, 0.0)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_a_send_that_waits_is_woken_and_says_why(totals, timeout):
    near, far, record = observed_pair(Limits(write_timeout=0.01), monotonic(), totals)
    with near, far:
        near.settimeout(timeout)
        Deadlines(totals).watch()
        with pytest.raises(TimeoutError, match="the client did not take the reply in time"):
            near.sendall(bytes(1 << 24))
        assert record.outcome == "write_timeout"
        totals.close(record, 0.0)


@pytest.mark.usefixtures("hurried")
def test_there_is_one_thread_while_there_are_connections_and_none_afterwards(totals):
    near, far, record = observed_pair(totals=totals)
    over = Deadlines(totals)
    with near, far:
        for _ in range(3):
            over.watch()
        (watcher,) = watchers()
        assert totals.close(record, 1.0)
        ends(watcher)
    near, far, again = observed_pair(totals=totals)
    with near, far:
        totals.accept(again)
        over.watch()
        (watcher,) = watchers()
        totals.close(again, 1.0)
        watcher.join(PATIENCE)


@pytest.mark.usefixtures("hurried")
def test_for_want_of_memory_it_looks_again(totals):
    class Scarce(dict[object, object]):
        fails = True

        def __iter__(self):
            if self.fails:
                self.fails = False
                raise MemoryError
            return super().__iter__()

    near, far, record = observed_pair(totals=totals)
    totals.records = Scarce(totals.records)
    with near, far:
        Deadlines(totals).watch()
        (watcher,) = watchers()
        until(lambda: not totals.records.fails)
        totals.close(record, 1.0)
        watcher.join(PATIENCE)
    assert watchers() == []


@pytest.mark.usefixtures("hurried")
def test_where_no_thread_can_be_started_the_next_connection_tries_again(totals, monkeypatch):
    def fail(_):
        raise RuntimeError("can't start new thread")

    near, far, record = observed_pair(totals=totals)
    over = Deadlines(totals)
    with near, far:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            over.watch()
        assert watchers() == []
        over.watch()
        (watcher,) = watchers()
        totals.close(record, 1.0)
        watcher.join(PATIENCE)

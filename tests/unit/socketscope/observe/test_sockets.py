"""An observed socket and a plain one side by side: the same calls do the same, and what passes is counted."""

import select
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketscope.observe import noting, sockets
from tests.unit.socketscope.observed import observed_pair
from tests.unit.socketscope.patience import PATIENCE

SIZES = st.integers(0, 40)
DATA = st.binary(max_size=40)
OPERATIONS = st.one_of(
    st.tuples(st.just("recv"), SIZES),
    st.tuples(st.just("recv"), SIZES, st.sampled_from([socket.MSG_PEEK, socket.MSG_DONTWAIT])),
    st.tuples(st.just("recv"), st.just(-1)),
    st.tuples(st.sampled_from(["recv_into", "recvfrom_into"]), SIZES),
    st.tuples(st.just("recv_into"), SIZES, SIZES),
    st.tuples(st.just("peek_into"), SIZES, st.booleans()),
    st.tuples(st.just("recvmsg_into"), SIZES),
    st.tuples(st.sampled_from(["recvfrom", "recvmsg"]), SIZES),
    st.tuples(st.sampled_from(["send", "sendall"]), DATA),
    st.tuples(st.sampled_from(["send", "sendall"]), DATA, st.just(socket.MSG_DONTWAIT)),
    st.tuples(st.just("send"), st.sampled_from([memoryview(b"view"), bytearray(b"array"), "text", None])),
    st.tuples(st.just("sendall"), st.sampled_from([memoryview(b"view"), bytearray(b"array"), "text", None])),
    st.tuples(st.just("sendmsg"), st.lists(DATA, max_size=3)),
    st.tuples(st.just("sendfile"), DATA),
    st.tuples(st.just("settimeout"), st.sampled_from([0, 0.001, -1, "soon"])),
    st.tuples(st.just("setblocking"), st.just(False)),
    st.tuples(st.just("shutdown"), st.sampled_from([socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR, 9])),
    st.tuples(st.just("getsockopt"), st.just(socket.SOL_SOCKET), st.just(socket.SO_TYPE)),
    st.tuples(st.sampled_from(["gettimeout", "getblocking", "detach", "close", "getpeername"])),
    st.tuples(st.just("readline"), st.sampled_from(["rb", "r", "rwb", "b", "x"]), st.integers(-1, 9)),
    st.tuples(st.just("write"), st.sampled_from(["wb", "w", "rwb"]), DATA),
    st.tuples(st.just("by dup"), DATA),
    st.tuples(st.just("ready")),
    st.tuples(st.just("far send"), DATA),
    st.tuples(st.just("far line")),
    st.tuples(st.just("far recv")),
    st.tuples(st.just("far shutdown")),
    st.tuples(st.just("far close")),
)  # fmt: skip


def do(near: socket.socket, far: socket.socket, name: str, *args: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 - table
    """Return what an operation does, as far as it can be told from without."""
    match name, args:
        case (("recv_into" | "recvfrom_into"), (size, *more)):
            buffer = bytearray(size)
            return getattr(near, name)(buffer, *more), buffer
        case "peek_into", (size, named):
            buffer = bytearray(size)
            peek: dict[str, int] = {"flags": socket.MSG_PEEK} if named else {}
            return near.recv_into(buffer, *[] if named else [size, socket.MSG_PEEK], **peek), buffer
        case "recvmsg_into", (size,):
            buffers = [bytearray(size), bytearray(3)]
            return near.recvmsg_into(buffers), buffers
        case "sendfile", (data,):
            with tempfile.TemporaryFile() as file:
                file.write(data)
                file.seek(1)
                return near.sendfile(file, 1), file.tell()
        case "readline", (mode, buffering):
            with near.makefile(mode, buffering) as read:
                return type(read).__name__, read.readline()
        case "write", (mode, data):
            with near.makefile(mode) as file:
                return file.write(data if "b" in mode else data.hex())
        case "by dup", (data,):
            with near.dup() as twin:
                return twin.send(data), twin.gettimeout()
        case "ready", ():
            return [bool(each) for each in select.select([near], [near], [], 0)]
        case "far send", (data,):
            return far.send(data, socket.MSG_DONTWAIT)
        case "far line", ():
            return far.send(b"line\n", socket.MSG_DONTWAIT)
        case "far recv", ():
            return far.recv(1000, socket.MSG_DONTWAIT)
        case "far shutdown", ():
            return far.shutdown(socket.SHUT_WR)
        case "far close", ():
            return far.close()
        case "detach", ():
            descriptor = near.detach()
            if descriptor >= 0:
                socket.close(descriptor)
            return descriptor >= 0
    return getattr(near, name)(*args)


def outcome(near: socket.socket, far: socket.socket, operation: tuple[Any, ...]) -> Any:
    try:
        return do(near, far, *operation)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other must raise the same
        return type(error), getattr(error, "errno", None), str(error)


@given(st.lists(OPERATIONS, max_size=25), st.booleans())
def test_it_does_what_a_plain_one_does(operations, counting):
    plain, its_peer = socket.socketpair()
    near, far, record = observed_pair()
    if not counting:
        near._socketscope = None
    with plain, its_peer, near, far:
        plain.settimeout(0)
        near.settimeout(0)
        for operation in operations:
            assert outcome(near, far, operation) == outcome(plain, its_peer, operation)
        if not counting:
            assert (record.received, record.sent) == (0, 0)
            return
        came = sum(len(data) for name, *data in operations if name == "far send" for data in data)
        came += 5 * operations.count(("far line",))
        assert 0 <= record.received <= came


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20), st.data())
def test_every_byte_is_counted_once_whichever_way_it_went(parts, data):
    near, far, record = observed_pair()
    receive = ["recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into", "file"]
    send = ["send", "sendall", "sendmsg", "write", "by dup"]
    with near, far:
        passed = 0
        for part in parts:
            far.sendall(part)
            left = len(part)
            while left:
                near.recv(100, socket.MSG_PEEK)
                # A file object may keep what it has read; without a buffer it takes what it returns.
                match data.draw(st.sampled_from(receive)):
                    case "file":
                        with near.makefile("rb", 0) as file:
                            left -= len(file.read(9))
                    case "recv" | "recvfrom" | "recvmsg" as way:
                        got = getattr(near, way)(7)
                        left -= len(got if way == "recv" else got[0])
                    case way:
                        buffer = bytearray(5)
                        got = getattr(near, way)([buffer] if way == "recvmsg_into" else buffer)
                        left -= got if way == "recv_into" else got[0]
            way = data.draw(st.sampled_from(send))
            do(
                near,
                far,
                way,
                *(["wb", part] if way == "write" else [[part]] if way == "sendmsg" else [part]),
            )
            passed += len(part)
            assert far.recv(100) == part
            assert (record.received, record.sent) == (passed, passed)


def test_send_and_sendall_on_a_blocking_socket_send_all():
    near, far, record = observed_pair()
    size = 8 << 20
    with near, far, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(far.recv, 2 * size, socket.MSG_WAITALL)
        assert near.send(bytes(size)) == size
        near.sendall(bytes(size))
        assert len(reading.result(20)) == 2 * size
        assert record.sent == 2 * size


def test_a_call_that_must_not_wait_does_not_on_a_socket_that_blocks():
    near, far, _ = observed_pair()
    with near, far:
        with pytest.raises(BlockingIOError):
            near.recv(1, socket.MSG_DONTWAIT)
        for size in (1000, 8 << 20):
            with pytest.raises(BlockingIOError):
                sum(near.send(bytes(size), socket.MSG_DONTWAIT) for _ in range(1 << 20))


def test_a_timeout_of_sendall_is_for_the_whole():
    near, far, record = observed_pair()
    with near, far:
        near.settimeout(0.01)
        with pytest.raises(TimeoutError, match="timed out") as wrong:
            near.sendall(bytes(8 << 20))
        assert record.outcome == "ok"
        assert record.knows(wrong.value)
        assert not record.blocked


def test_a_timeout_of_sendall_is_for_the_whole_though_the_peer_takes_something_time_and_again(monkeypatch):
    near, far, _ = observed_pair()
    size, times = 8 << 20, iter([0.0])
    monkeypatch.setattr(sockets, "monotonic", lambda: next(times, 2 * PATIENCE))
    with near, far, ThreadPoolExecutor(1) as pool:
        near.settimeout(PATIENCE)
        reading = pool.submit(far.recv, size, socket.MSG_WAITALL)
        with pytest.raises(TimeoutError, match="timed out"):
            near.sendall(bytes(size))
        near.shutdown(socket.SHUT_WR)
        assert 0 < len(reading.result(PATIENCE)) < size


def test_who_has_ended_receiving_alone_loses_a_peer_that_goes():
    near, far, record = observed_pair()
    with near, far:
        far.sendall(b"request")
        assert near.recv(10) == b"request"
        near.shutdown(socket.SHUT_RD)
        far.close()
        with pytest.raises(BrokenPipeError):
            near.sendall(b"reply")
    assert record.outcome == "reset"


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_a_buffer_that_could_not_be_sent_is_the_handlers_again(timeout):
    near, far, _ = observed_pair()
    buffer = bytearray(8 << 20)
    with near, far:
        near.settimeout(timeout)
        with pytest.raises(OSError, match="timed out|unavailable") as failed:
            near.sendall(buffer)
        buffer.clear()
        assert failed.tb is not None


@pytest.mark.parametrize("name", ["send", "sendall", "sendfile"])
def test_while_one_of_two_threads_still_sends_it_is_known(monkeypatch, name):
    near, far, record = observed_pair()
    sends = {"send": socket.socket.send, "sendfile": socket.socket.sendfile}
    base = "send" if name == "sendall" else name
    known: list[int] = []

    def overtaken(sock, *args):
        if not known:  # the first of the two is here, and the other has come and gone
            known.append(record.blocked)
            near.sendall(b"other")
            known.append(record.blocked)
        return sends[base](sock, *args)

    with near, far, tempfile.TemporaryFile() as file:
        monkeypatch.setattr(socket.socket, base, overtaken)
        getattr(near, name)(file if name == "sendfile" else b"one")
        assert known == [1, 1]
        assert not record.blocked


def test_a_time_out_of_the_handlers_own_is_no_outcome():
    near, far, record = observed_pair()
    with near, far:
        near.settimeout(0.001)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                near.recv(1)
        far.sendall(b"x")
        assert near.recv(1) == b"x"
        assert (record.outcome, record.received) == ("ok", 1)


def test_an_interrupt_while_it_waits_leaves_nothing_waiting(monkeypatch):
    near, far, record = observed_pair()

    def interrupted(*_):
        assert record.waiting_since is not None
        raise KeyboardInterrupt

    with near, far:
        monkeypatch.setattr(socket.socket, "recv", interrupted)
        with pytest.raises(KeyboardInterrupt):
            near.recv(1)
        assert record.waiting_since is None


@pytest.mark.parametrize("send", ["send", "sendall", "sendmsg", "sendfile"])
def test_a_request_that_comes_before_its_sender_has_noted_the_last_reply_is_pending(send, monkeypatch):
    near, far, record = observed_pair()
    clock, came = monotonic, list[bytes]()

    def comes_first() -> float:
        if not came:
            came.append(far.recv(9))
            far.sendall(b"again")
            assert near.recv(9) == b"again"
        return clock()

    with near, far, tempfile.TemporaryFile() as file:
        file.write(b"reply")
        file.seek(0)
        far.sendall(b"once")
        assert near.recv(9) == b"once"
        for module in (noting, sockets):
            monkeypatch.setattr(module, "monotonic", comes_first)
        reply: Any = {"sendmsg": [b"reply"], "sendfile": file}.get(send, b"reply")
        getattr(near, send)(reply)
        assert (came, record.exchanges, record.pending) == ([b"reply"], 1, True)
        near.sendall(b"begun")
        assert (far.recv(9), record.exchanges, record.pending) == (b"begun", 2, False)
        came.clear()
        file.seek(0)
        getattr(near, send)(reply)
        assert (came, record.exchanges, record.pending) == ([b"reply"], 2, True)

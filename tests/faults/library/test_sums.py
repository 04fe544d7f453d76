"""Sums are equal on both sides, however many threads add to them at once, be there a lock or not."""

import contextlib
import json
import os
import queue
import socket
import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from socketscope import ThreadingTCPServer, ThreadingUDPServer, ThreadingUnixStreamServer
from socketscope.observe.served import current
from socketscope.serve import endings
from socketscope.serve.mixin import service_of
from socketscope.views.lines.writer import ROOM
from socketscope.views.log import Log
from tests.threads import in_a_thread, together
from tests.unit.socketscope.stalled import stalled_writer

from .running import (
    PATIENCE,
    Echo,
    ask,
    connect,
    ended,
    figures,
    handling,
    logged,
    make,
    running,
    serving,
    udp_client,
    wait_for,
)

THREADS = 16
TURNS = 100
MANY = 500


pytestmark = pytest.mark.usefixtures("hurried")


@contextlib.contextmanager
def scraped(servers: list[Any]) -> Iterator[None]:
    """Look at the figures all the time: in each picture what came is open or has ended."""
    over = threading.Event()

    def look(_: int) -> None:
        while not over.is_set():
            for server in servers:
                seen = figures(server)
                assert seen.accepted == seen.open + sum(seen.closed.values())
                assert seen.exchanges <= seen.received

    with ThreadPoolExecutor(2) as pool:
        looks = [pool.submit(look, number) for number in range(2)]
        try:
            yield
        finally:
            over.set()
        for each in looks:
            each.result()


def at_rest(server: Any) -> None:
    wait_for(lambda: not figures(server).open, "the end of all connections")


def talk(server: Any, number: int) -> tuple[int, int, int]:
    """Return what one client has sent and received, and how often, on connections of several lengths."""
    sent = received = exchanges = 0
    for turn in range(TURNS):
        with connect(server) as client:
            for size in range(1, 1 + (number + turn) % 4):
                client.sendall(bytes(size))
                sent, exchanges = sent + size, exchanges + 1
                left = size
                while left:
                    left -= len(client.recv(left))
                received += size
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
    return sent, received, exchanges


def test_what_clients_have_seen_is_what_is_counted_and_logged(tmp_path: Path):
    path = tmp_path / "log"
    with contextlib.ExitStack() as stack:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
        log = Log(descriptor=descriptor)
        os.close(descriptor)
        servers = [
            stack.enter_context(serving(Echo, ThreadingTCPServer)),
            stack.enter_context(serving(Echo, ThreadingUnixStreamServer, str(tmp_path / "socket"))),
        ]
        for server in servers:
            logged(server, log)
        with scraped(servers):
            clients = together(lambda number: talk(servers[number % 2], number), THREADS)
        for side, server in enumerate(servers):
            sent, received, exchanges = map(sum, zip(*clients[side::2], strict=True))
            connections = THREADS // 2 * TURNS
            at_rest(server)
            seen = figures(server)
            assert (seen.accepted, sum(seen.closed.values())) == (connections, connections)
            assert (seen.received, seen.sent, seen.exchanges) == (sent, received, exchanges)
            assert sum(seen.handle.counts) == connections
            idle, busy = service_of(server).thread_counts
            assert min(idle, busy) >= 0
    log.close()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len({line["connection_id"] for line in lines}) == len(lines) == THREADS * TURNS
    assert sum(line["sent_bytes"] for line in lines) == sum(received for _, received, _ in clients)
    assert (log.writer.written, log.writer.dropped) == (len(lines), 0)


class Parting(ThreadingTCPServer):
    """Says something when the handler has left, and reads what its client has said meanwhile."""

    def shutdown_request(self, request):
        request.sendall(b"bye")
        while request.recv(4096):
            pass
        super().shutdown_request(request)


class OneByte(socketserver.BaseRequestHandler):
    """Takes one byte, and says one."""

    def handle(self):
        self.request.sendall(self.request.recv(1))


def test_what_a_hook_says_when_the_handler_has_left_is_in_neither(tmp_path: Path):
    path = tmp_path / "log"
    with path.open("wb") as file:
        log = Log(descriptor=file.fileno())
    with serving(OneByte, Parting) as server, connect(server) as client:
        logged(server, log)
        client.sendall(b"more")
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == b"mbye"
    log.close()
    line = json.loads(path.read_text(encoding="utf-8"))
    seen = figures(server)
    assert (seen.received, seen.sent, seen.exchanges) == (1, 1, 1)
    assert (line["received_bytes"], line["sent_bytes"], line["exchanges"]) == (1, 1, 1)


def test_what_threads_send_to_one_client_at_once_is_counted_whole():
    size, times = 7, 20 * TURNS

    class Chat(socketserver.BaseRequestHandler):
        def handle(self):
            together(lambda _: [self.request.sendall(bytes(size)) for _ in range(times)], THREADS)

    with serving(Chat) as server:
        with connect(server) as client:
            came = 0
            while data := client.recv(1 << 16):
                came += len(data)
        at_rest(server)
        assert figures(server).sent == came == THREADS * times * size


def test_what_threads_send_for_one_datagram_at_once_is_counted_whole():
    size = 5

    class Shouts(socketserver.BaseRequestHandler):
        def handle(self):
            _, sock = self.request
            contexts = [copy_context() for _ in range(THREADS)]

            def shout(number: int) -> None:
                contexts[number].run(send)

            def send() -> None:
                for _ in range(TURNS):
                    sock.sendto(bytes(size), self.client_address)

            together(shout, THREADS)

    with running(make(Shouts, ThreadingUDPServer)) as server, udp_client() as client:
        client.sendto(b"x", server.server_address)
        wait_for(lambda: figures(server).outcomes["ok"], "the end of the datagram")
        assert figures(server).sent == THREADS * TURNS * size


def test_each_line_is_written_or_counted_as_dropped():
    lines = ROOM // THREADS + 20 * TURNS

    with stalled_writer() as writer:

        def put(_: int) -> None:
            for _ in range(lines):
                writer.put(b"x\n")

        together(put, THREADS)
    assert writer.dropped > 0
    assert writer.written + writer.dropped == THREADS * lines


def test_what_another_thread_replies_is_counted_though_its_client_leaves_at_once():
    told = queue.SimpleQueue[Any]()

    class Asking(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                told.put((self.wfile, line))

    def reply() -> None:
        while (asked := told.get()) is not None:
            asked[0].write(asked[1])

    replier = in_a_thread(reply)
    with serving(Asking) as server:
        for _ in range(MANY):
            assert ask(server, b"x\n") == b"x\n"
        at_rest(server)
        told.put(None)
        replier.join()
        seen = figures(server)
        assert (seen.received, seen.sent, seen.exchanges) == (2 * MANY, 2 * MANY, MANY)


def test_what_another_thread_has_received_as_the_handler_leaves_is_counted(monkeypatch):
    leaving, received = threading.Event(), threading.Event()

    def sleep(_seconds: float) -> None:
        leaving.set()
        received.wait(PATIENCE)  # whoever was woken has the interpreter meanwhile

    monkeypatch.setattr(endings, "sleep", sleep)

    def handle(request):
        def receive() -> None:
            request.recv(1)
            received.set()

        record: Any = current.get()
        in_a_thread(receive)
        wait_for(lambda: record.waiting_since is not None, "the other thread")

    with serving(handling(handle)) as server, connect(server) as client:
        leaving.wait(1)
        client.sendall(b"x")
        ended(server, "ok")
        assert figures(server).received == 1

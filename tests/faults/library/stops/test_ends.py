"""How a server stops: nobody is lost, and nobody who is silent holds it up."""

import itertools
import os
import signal
import socket
import socketserver
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest

import socketscope
from socketscope.serve.mixin import service_of
from tests.faults.library.running import (
    HOST,
    PATIENCE,
    Echo,
    Reply,
    abstract_name,
    ask,
    connect,
    count,
    ended,
    figures,
    handling,
    make,
    observed,
    running,
    serving,
    stop,
    threads,
    udp_client,
    wait_for,
)
from tests.threads import ends, in_a_thread

SHORT = 0.3
LONG = 8.0


@contextmanager
def shut_down(server):
    """A server that has served and has been shut down, until it is closed."""
    with running(server):
        wait_for(service_of(server).serving.is_set, "it serves")
        server.shutdown()
        yield


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_who_has_had_a_reply_and_sent_a_part_of_the_next_request_is_not_idle(family, tmp_path):
    answered, goes_on = threading.Event(), threading.Event()

    def works_on(request):
        request.sendall(request.recv(1))
        answered.set()
        goes_on.wait(PATIENCE)
        request.sendall(request.recv(3) + request.recv(3))

    unix = family == "unix"
    base = socketscope.ThreadingUnixStreamServer if unix else None
    address = str(tmp_path / "socket") if unix else HOST
    with (
        serving(handling(works_on), base, address, drain_timeout=PATIENCE) as server,
        connect(server) as client,
        ThreadPoolExecutor() as pool,
    ):
        client.sendall(b"xone")
        assert answered.wait(PATIENCE)
        stopped = pool.submit(stop, server)
        wait_for(lambda: socketscope.is_draining(server), "the stop")
        time.sleep(SHORT)  # in which who is idle is let go
        goes_on.set()
        wait_for(lambda: figures(server).received == 4, "the part")
        client.sendall(b"two")
        assert client.recv(1, socket.MSG_WAITALL) + client.recv(6, socket.MSG_WAITALL) == b"xonetwo"
        stopped.result()


def test_who_waits_for_a_place_in_a_queue_that_stays_open_at_a_stop_is_served():
    server = make(base=socketscope.ThreadingUnixStreamServer, address=abstract_name())
    server.socket.listen(1)

    def ask_and_wait(number):
        with socket.socket(socket.AF_UNIX) as client:
            coming.append(number)
            client.connect(server.server_address)  # one with a time limit would be refused at once
            client.sendall(b"x")
            return client.recv(10)

    coming: list[int] = []
    with ThreadPoolExecutor(8) as pool:
        server.shutdown()
        server.serve_forever()  # and comes back, as nobody is to be served yet
        replies = pool.map(ask_and_wait, range(8))
        wait_for(lambda: len(coming) == 8, "all are about to connect")
        time.sleep(SHORT)
        server.server_close()
        assert list(replies) == [b"x"] * 8


def test_who_is_in_a_handshake_at_a_stop_is_served():
    server = make()
    # The kernel takes the end of a handshake for lost until the client sends.
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
    with running(server), connect(server) as client:
        stopping = in_a_thread(stop, server)
        time.sleep(SHORT)
        client.sendall(b"x\n")
        assert client.recv(10) == b"x\n"
        stopping.join(PATIENCE)


def test_who_is_slow_at_a_stop_writes_into_nobody_elses_socket():
    go_on = threading.Event()

    def slow(request):
        request.recv(1)
        go_on.wait(PATIENCE)

    before = threads()
    server = make(handling(slow))
    thread = in_a_thread(server.serve_forever)
    with connect(server) as client, ExitStack() as opened:
        client.sendall(b"x")
        wait_for(lambda: count(server, "received_bytes_total"), "it is being served")
        server.shutdown()
        thread.join(PATIENCE)
        # They have the numbers of whatever was closed.
        pairs = [socket.socketpair() for _ in range(20)]
        for end in itertools.chain(*pairs):
            opened.enter_context(end).setblocking(False)
        go_on.set()
        ended(server, "ok")
        server.server_close()
        wait_for(lambda: not threads(before), "threads have left")
        for end in itertools.chain(*pairs):
            with pytest.raises(BlockingIOError):
                end.recv(100)


def test_a_shutdown_alone_gives_up_nobody():
    server = make()
    thread = in_a_thread(server.serve_forever)
    assert ask(server) == b"x"
    server.shutdown()
    thread.join(PATIENCE)
    with connect(server) as waiting, connect(server) as another:
        for client in (waiting, another):
            client.sendall(b"x")
        server.timeout = PATIENCE
        server.handle_request()
        assert waiting.recv(10) == b"x"
        with running(server):
            assert another.recv(10) == b"x"
            for client in (waiting, another):
                client.close()
            ended(server, "ok", 3)


@pytest.mark.parametrize("base", [socketscope.ThreadingTCPServer, socketscope.ThreadingUnixStreamServer])
def test_a_server_that_never_served_serves_nobody_at_its_close(base, tmp_path):
    server = make(Echo, base, HOST if base is socketscope.ThreadingTCPServer else str(tmp_path / "s"))
    with connect(server) as client:
        client.sendall(b"x")
        server.server_close()
        with suppress(ConnectionResetError):
            assert client.recv(10) == b""
    assert figures(server).accepted == 0
    assert list(tmp_path.iterdir()) == []


def test_a_drain_is_told_from_the_stop_on_and_no_longer_when_it_serves_again():
    server = make()

    def shown():
        return service_of(server).options.registry.get_sample_value("socketserver_draining")  # type: ignore[union-attr]

    assert not socketscope.is_draining(server)
    for _ in range(2):
        thread = in_a_thread(server.serve_forever)
        assert ask(server) == b"x"
        assert (socketscope.is_draining(server), shown()) == (False, 0)
        server.shutdown()
        assert (socketscope.is_draining(server), shown()) == (True, 1)
        thread.join(PATIENCE)
    server.server_close()


def test_a_handler_may_come_to_an_end_when_a_drain_is_on():
    class Streams(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1)
            while not socketscope.is_draining(self.server):
                time.sleep(0.01)
            self.request.sendall(b"bye")

    with serving(Streams, drain_timeout=LONG) as server, connect(server) as client:
        client.sendall(b"x")
        wait_for(lambda: count(server, "received_bytes_total"), "it is being served")
        assert stop(server) < LONG / 2
        assert client.recv(10) == b"bye"


@pytest.mark.parametrize("interrupts", [1, 2])
def test_after_an_interrupt_nothing_goes_on(interrupts):
    server = make(drain_timeout=SHORT)

    def interrupt():
        service_of(server).serving.wait(PATIENCE)
        time.sleep(SHORT)
        for _ in range(interrupts):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.08)

    interrupting = threading.Thread(target=interrupt)
    with suppress(KeyboardInterrupt):  # the second may come late
        with connect(server), suppress(KeyboardInterrupt), server:
            interrupting.start()
            server.serve_forever()
            pytest.fail("it was not interrupted")
        interrupting.join()
    interrupting.join()
    server.server_close()
    cpu = time.process_time()
    time.sleep(SHORT)
    assert time.process_time() - cpu < SHORT / 2
    assert sum(figures(server).accept_errors.values()) == 0


class ClosesItsServer:
    """What a handler has in common that closes its server once all have come to that."""

    meeting: threading.Barrier

    def close(self, server):
        self.meeting.wait(PATIENCE)
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("block", [True, False])
def test_handlers_that_close_their_server_do_not_wait_for_each_other(block):
    class Closes(Echo, ClosesItsServer):
        meeting = threading.Barrier(3)

        def handle(self):
            data = self.request.recv(1)
            self.close(self.server)
            self.request.sendall(data)

    server = make(Closes, drain_timeout=LONG)
    server.block_on_close = block
    with running(server), ExitStack() as opened:
        clients = [opened.enter_context(connect(server)) for _ in range(3)]
        began = time.monotonic()
        for client in clients:
            client.sendall(b"x")
        assert [client.recv(1) for client in clients] == [b"x"] * 3
        assert time.monotonic() - began < LONG / 2
        ended(server, "ok", 3)
    assert service_of(server).forced == 0


def test_handlers_of_datagrams_that_close_their_server_do_not_wait_for_each_other():
    class Closes(Reply, ClosesItsServer):
        meeting = threading.Barrier(2)
        replied = threading.Semaphore(0)

        def handle(self):
            self.close(self.server)
            self.replied.release()

    server = make(Closes, drain_timeout=LONG)
    with running(server), udp_client() as client:
        began = time.monotonic()
        for _ in range(2):
            client.sendto(b"x", server.server_address)
        for _ in range(2):
            assert Closes.replied.acquire(timeout=PATIENCE)
        assert time.monotonic() - began < LONG / 2


def test_who_else_closes_waits_for_a_handler_that_does():
    inside = threading.Event()

    class Closes(Echo):
        def handle(self):
            data = self.request.recv(1)
            inside.set()
            self.server.server_close()
            time.sleep(SHORT)
            self.request.sendall(data)

    server = make(Closes, drain_timeout=LONG)
    with running(server), connect(server) as client:
        client.sendall(b"x")
        assert inside.wait(PATIENCE)
        server.server_close()
        client.setblocking(False)
        assert client.recv(1) == b"x"


def test_what_holds_up_two_who_close_is_forced_once():
    let_go = threading.Event()

    class Closes(Echo, ClosesItsServer):
        meeting = threading.Barrier(2)

        def handle(self):
            if self.request.recv(1) == b"w":
                let_go.wait(PATIENCE)
            else:
                self.close(self.server)

    server = make(Closes, drain_timeout=SHORT)
    with running(server), ExitStack() as opened:
        for data in (b"w", b"x", b"x"):
            opened.enter_context(connect(server)).sendall(data)
        wait_for(lambda: sum(figures(server).closed.values()) == 3, "all have ended")
        let_go.set()
    assert service_of(server).forced == 1


def says_bye(say):
    class Says(socketscope.ThreadingTCPServer):
        def shutdown_request(self, request):
            say()
            request.sendall(b"bye")
            super().shutdown_request(request)

    return Says


def test_what_a_hook_says_at_the_end_of_a_connection_is_waited_for():
    inside = threading.Event()

    def say():
        inside.set()
        time.sleep(SHORT)

    server = make(Echo, says_bye(say), drain_timeout=LONG)
    with running(server), connect(server) as client:
        client.shutdown(socket.SHUT_WR)
        assert inside.wait(PATIENCE)
        assert stop(server) < LONG / 2
        client.setblocking(False)
        assert client.recv(3) == b"bye"


def test_a_hook_that_closes_its_server_does_not_wait_for_itself():
    def say():
        server.server_close()

    server = make(Echo, says_bye(say), drain_timeout=LONG)
    with running(server), connect(server) as client:
        client.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        assert client.recv(3) == b"bye"
        assert time.monotonic() - began < LONG / 2
    assert service_of(server).forced == 0


def test_a_hook_that_does_not_come_back_is_forced():
    let_go = threading.Event()
    server = make(Echo, says_bye(lambda: let_go.wait(PATIENCE)), drain_timeout=SHORT)
    with running(server), connect(server) as client:
        client.shutdown(socket.SHUT_WR)
        ended(server, "empty")
        assert stop(server) < LONG / 2
        let_go.set()
    assert service_of(server).forced == 1


def test_the_close_of_a_serial_server_is_not_held_up_by_an_idle_client():
    server = observed(socketserver.TCPServer(HOST, Echo), limits={"drain_timeout": LONG})
    with running(server), connect(server) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        began = time.monotonic()
        server.server_close()
        assert time.monotonic() - began < LONG / 2
        assert client.recv(1) == b""
    assert service_of(server).forced == 0


@pytest.mark.parametrize(
    ("sent", "drain_timeout", "outcome"),
    [(b"", LONG, "empty"), (b"line\n", LONG, "ok"), (b"half a line", SHORT, "forced")],
    ids=["silent", "answered", "half a request"],
)
def test_who_waits_in_the_queue_of_a_serial_server_does_not_hold_up_its_close(sent, drain_timeout, outcome):
    def echo_lines(request):
        with suppress(OSError), request.makefile("rb") as lines:
            for line in lines:
                request.sendall(line)

    limits = {"drain_timeout": drain_timeout, "drain_grace": SHORT}
    server = observed(socketserver.TCPServer(HOST, handling(echo_lines)), limits=limits)
    with shut_down(server):
        with connect(server) as client:
            client.sendall(sent)
            ends(in_a_thread(server.server_close), LONG / 2)
        ended(server, outcome)


@pytest.mark.parametrize("base", [socketserver.ThreadingTCPServer, socketserver.TCPServer])
def test_a_get_request_that_waits_for_its_client_holds_a_close_up_to_its_deadline_and_no_longer(base):
    def get_request(server):
        request, address = base.get_request(server)
        assert request.recv(1) == b"p"
        return request, address

    preambled = type("Preambled", (base,), {"get_request": get_request})
    server = observed(preambled(HOST, Echo), limits={"drain_timeout": SHORT})
    with shut_down(server), connect(server) as late, connect(server):
        ends(in_a_thread(server.server_close), LONG / 2)
        late.sendall(b"p")
        assert late.recv(1) == b""  # by then nobody serves it


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_a_get_request_that_closes_its_server_does_not_wait_for_itself(base):
    def get_request(server):
        if not closed:
            closed.append(True)
            server.server_close()
        return base.get_request(server)

    closed: list[bool] = []
    server = observed(type("Closes", (base,), {"get_request": get_request})(HOST, Echo))
    with running(server):
        began = time.monotonic()
        assert ask(server) == b"x"
        assert time.monotonic() - began < LONG / 2


def test_a_get_request_that_waits_for_another_datagram_holds_no_close_up():
    class Pairs(socketserver.UDPServer):
        def get_request(self):
            (first, sock), address = super().get_request()
            return (first + sock.recv(100), sock), address

    server = observed(Pairs(HOST, Echo), limits={"drain_timeout": SHORT})
    with shut_down(server), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"the first half", server.server_address)
        ends(in_a_thread(server.server_close), LONG / 2)


def test_a_get_request_that_waits_holds_up_no_close_that_is_to_end_at_once():
    came = threading.Event()

    class Waits(socketserver.TCPServer):
        def get_request(self):
            request, address = super().get_request()
            came.set()
            request.recv(1)
            return request, address

    server = observed(Waits(HOST, Echo), limits={"drain_timeout": 10 * LONG})
    with shut_down(server), connect(server):
        closing = in_a_thread(server.server_close)
        assert came.wait(PATIENCE)
        service_of(server).drain_by = 0.0
        ends(closing, LONG)


@pytest.mark.parametrize("base", [socketserver.ThreadingTCPServer, socketserver.TCPServer])
def test_who_is_in_the_queue_at_a_close_is_got_by_a_get_request_of_the_users_own(base):
    class Own(base):  # type: ignore[misc, valid-type]
        def get_request(self):
            return super().get_request()

    server = observed(Own(HOST, Echo), limits={"drain_timeout": PATIENCE})
    with shut_down(server), connect(server) as client:
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)
        ends(in_a_thread(server.server_close), LONG)
        assert client.recv(10) == b"x"


def test_a_get_request_of_the_users_own_is_called_at_a_close_though_no_thread_can_be_started(monkeypatch):
    class Own(socketserver.TCPServer):
        def get_request(self):
            return super().get_request()

    def start(_):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    server = observed(Own(HOST, Echo), limits={"drain_timeout": LONG})
    with shut_down(server), connect(server) as client:
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", start)
            server.server_close()
        assert client.recv(10) == b"x"


def test_an_interrupt_as_it_begins_to_close_leaves_nobody_who_looks_after_its_clients(monkeypatch):
    start = threading.Thread.start

    def interrupted(thread):
        start(thread)
        if thread.name == "drain":
            raise KeyboardInterrupt

    def lookers():
        return [thread for thread in threading.enumerate() if thread.name == "drain"]

    limits = {"drain_timeout": 10 * LONG}
    server = observed(socketserver.TCPServer(HOST, handling(lambda _: None)), limits=limits)
    with shut_down(server):
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", interrupted)
            with pytest.raises(KeyboardInterrupt):
                server.server_close()
        wait_for(lambda: not lookers(), "nobody looks after them")


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_what_nobody_read_takes_no_reply_with_or_without_threads(base):
    size, closed_by = 500_000, []

    class Server(base):  # type: ignore[misc, valid-type]
        def close_request(self, request):
            closed_by.append(threading.current_thread().name)
            super().close_request(request)

    def answer(request):
        request.recv(1)
        request.sendall(bytes(size))

    server = socketscope.observe(Server(HOST, handling(answer)))
    with running(server) as server, connect(server) as client:
        client.sendall(b"x, and what nobody reads")
        ended(server, "ok")
        time.sleep(SHORT)  # a reset would have come by now
        client.shutdown(socket.SHUT_WR)
        assert len(client.makefile("rb").read()) == size
        wait_for(lambda: closed_by, "its hook")
    # Without threads its hooks are of the one that serves.
    assert ("linger" in closed_by) == (base is socketserver.ThreadingTCPServer)


def test_closing_waits_for_a_client_whose_rest_is_read_away():
    def answer(request):
        request.recv(1)
        request.sendall(b"reply")

    with serving(handling(answer)) as server:
        with connect(server) as client:
            client.sendall(b"x, and what nobody reads")
            assert client.recv(100) == b"reply"
            ended(server, "ok")
            server.shutdown()
            closing = in_a_thread(server.server_close)
            closing.join(0.3)
            assert closing.is_alive()
        ends(closing)


@pytest.mark.parametrize("one_has_bound_it", ["by an abstract name", "before it was observed"])
def test_of_clients_who_keep_coming_where_the_kernel_cannot_keep_them_out_nobody_is_lost(
    tmp_path, one_has_bound_it
):
    if one_has_bound_it == "by an abstract name":
        server = make(base=socketscope.ThreadingUnixStreamServer, address=abstract_name())
    else:
        server = observed(socketserver.UnixStreamServer(str(tmp_path / "socket"), Echo))
        server.socket.listen(100)
    lost: list[OSError | bytes] = []

    def keep_coming():
        while True:
            with socket.socket(socket.AF_UNIX) as client:
                try:
                    client.connect(server.server_address)
                except OSError:
                    return
                try:
                    client.sendall(b"x")
                    client.shutdown(socket.SHUT_WR)
                    if (got := client.recv(10)) != b"x":
                        lost.append(got)
                except OSError as error:
                    lost.append(error)

    with running(server), ThreadPoolExecutor(10) as pool:
        clients = [pool.submit(keep_coming) for _ in range(10)]
        wait_for(lambda: figures(server).accepted > len(clients), "clients")
        assert stop(server) < PATIENCE / 2
        for client in clients:
            client.result(PATIENCE)
    assert lost == []


def test_the_end_of_a_connection_that_requests_are_read_of_is_nobody_who_waits():
    class OfOne(socketserver.BaseServer):
        """Its requests come one after the other on one connection, and end with that."""

        def __init__(self, connection):
            super().__init__("its peer", Upper)
            self.socket = connection

        def fileno(self):
            return self.socket.fileno()

        def get_request(self):
            if not (request := self.socket.recv(100)):
                self._BaseServer__shutdown_request = True
            return request, "its peer"

        def server_close(self):
            self.socket.close()

    class Upper(socketserver.BaseRequestHandler):
        def handle(self):
            self.server.socket.sendall(self.request.upper())  # type: ignore[attr-defined]

    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with far, observed(OfOne(near)) as server:
        thread = in_a_thread(server.serve_forever, PATIENCE)
        far.sendall(b"one")
        assert far.recv(100) == b"ONE"
        far.close()
        ends(thread, PATIENCE / 2)
        began = time.monotonic()
        server.server_close()
        assert time.monotonic() - began < PATIENCE / 2
    assert figures(server).accepted == 2  # the request, and the end

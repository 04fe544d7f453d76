"""The standard library's own `shutdown`, which an observed server's is an override of."""

import gc
import socket
import socketserver
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry

import socketscope
from socketscope.serve.listeners import queue
from socketscope.serve.mixin import Observed, service_of
from tests.faults.library.running import HOST, Echo, ask, connect, figures, make, observed, running
from tests.faults.server.process import PATIENCE, wait_for
from tests.threads import ends, in_a_thread


def test_it_may_be_called_by_the_name_of_its_class():
    class Named(socketscope.ThreadingTCPServer, registry=CollectorRegistry()):
        def shutdown(self):
            socketserver.BaseServer.shutdown(self)

    with Named(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        for _ in range(2):
            serving = in_a_thread(server.serve_forever, 0.01)
            wait_for(service_of(server).serving.is_set, "the server")
            server.shutdown()
            ends(serving)


def test_case_19_a_handler_may_call_it():
    class Ends(socketserver.BaseRequestHandler):
        def handle(self):
            self.server.shutdown()
            self.request.sendall(b"ended")

    with make(Ends) as server:
        serving = in_a_thread(server.serve_forever)
        assert ask(server) == b"ended"
        ends(serving)


def test_what_was_asked_for_before_a_server_is_observed_holds():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
    asking = in_a_thread(server.shutdown)
    wait_for(lambda: vars(server)["_BaseServer__shutdown_request"], "the wish")
    with socketscope.observe(server, registry=CollectorRegistry()):
        server.serve_forever()
    ends(asking)


def test_one_that_ends_the_standard_librarys_loop_ends_no_later_one():
    server = socketserver.ThreadingTCPServer(HOST, Echo)
    # Its method is that one for good.
    earlier = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    with socketscope.observe(server, registry=CollectorRegistry()):
        earlier.start()
        assert ask(server) == b"x"
        server.shutdown()
        later = in_a_thread(server.serve_forever, 0.01)
        assert ask(server) == b"x"
        server.shutdown()
        for each in (earlier, later):
            ends(each)


def test_it_waits_for_the_standard_librarys_loop():
    with observed(socketserver.TCPServer(HOST, Echo)) as server:
        serving = in_a_thread(socketserver.BaseServer.serve_forever, server, 0.3)
        assert ask(server) == b"x"
        server.shutdown()
        assert vars(server)["_BaseServer__is_shut_down"].is_set()
        ends(serving)


def test_nobody_is_served_by_a_loop_that_was_to_end_before_it_began(monkeypatch):
    with make() as server, connect(server):
        # It looks whether it is to end in each round; who takes clients waits for none of these.
        monkeypatch.setattr(service_of(server).serving, "set", lambda: time.sleep(0.2))
        server.shutdown()
        server.serve_forever()
        assert not figures(server).accepted


def test_case_19_one_before_serving_does_not_block_and_holds_until_the_server_is_made_anew():
    with make() as server:
        server.shutdown()
        server.serve_forever()  # and comes back
        server.shutdown()
        server.socket.close()
        type(server).__init__(server, HOST, Echo)
        serving = in_a_thread(server.serve_forever, 0.01)
        assert ask(server) == b"x"
        server.shutdown()
        serving.join(PATIENCE)


def make_anew(server):
    type(server).__init__(server, server.server_address, server.RequestHandlerClass)


def replace_listener(server):
    server.socket = socket.create_server(server.server_address)


@pytest.mark.parametrize("begin", [make_anew, replace_listener])
def test_its_threads_are_kept_for_the_next_client_again_once_it_listens_anew(begin):
    served_by = []

    class Notes(Echo):
        def handle(self):
            served_by.append(threading.current_thread())
            super().handle()

    class Acts(socketscope.ThreadingTCPServer):
        def service_actions(self):
            """Be called by who takes clients, which hands each of them to another thread."""

    server = make(Notes, Acts)
    server.server_close()
    begin(server)
    with running(server):
        for _ in range(5):
            assert ask(server) == b"x"
            wait_for(lambda: service_of(server).thread_counts == (1, 0), "its thread is idle")
    assert len(set(served_by)) == 1


@pytest.mark.parametrize("begin", [make_anew, replace_listener])
def test_a_server_that_listens_anew_has_all_of_its_time_to_close(begin):
    entered = threading.Event()

    class Slow(socketserver.StreamRequestHandler):
        def handle(self):
            line = self.rfile.readline()
            entered.set()
            time.sleep(0.4)
            self.wfile.write(line)

    server = make(Slow, drain_timeout=2)
    server.server_close()
    service_of(server).drain_by = time.monotonic()  # it closed a while ago
    begin(server)
    with connect(server) as client:
        client.sendall(b"x\n")
        server.handle_request()
        assert entered.wait(PATIENCE)
        assert not socketscope.is_draining(server)
        server.server_close()
        assert client.recv(10) == b"x\n"


def test_two_may_close_a_server_at_once(monkeypatch):
    monkeypatch.setattr(queue, "handshakes", lambda _: 1)  # so that the first one looks for some time
    server = make()
    with ThreadPoolExecutor(3) as pool:
        pool.submit(server.serve_forever)
        ask(server)
        closing = []
        for _ in range(2):
            closing.append(pool.submit(server.server_close))
            time.sleep(0.05)
        for each in closing:
            each.result()
    assert server.fileno() == -1


def test_however_soon_it_ends_by_that_the_next_serving_does_not():
    server = make()
    service = service_of(server)
    stop = service.stop

    def stop_and_see_it_ended():
        stop()
        thread.join(PATIENCE)

    service.stop = stop_and_see_it_ended  # type: ignore[method-assign]
    with server:
        for _ in range(2):
            thread = in_a_thread(server.serve_forever)
            thread.join(0.2)
            assert thread.is_alive()
            server.shutdown()


def test_who_serves_again_at_once_does_not_hold_it_up():
    server = make()
    service = service_of(server)
    stop = service.stop
    begun = threading.Semaphore(0)
    going_on = True

    def serve_again_and_again():
        while going_on:
            begun.release()
            server.serve_forever()

    def stop_and_see_it_serve_again():
        stop()
        begun.acquire(timeout=PATIENCE)
        wait_for(service.serving.is_set, "the next serving")

    thread = threading.Thread(target=serve_again_and_again, daemon=True)
    with server:
        thread.start()
        begun.acquire()
        wait_for(service.serving.is_set, "the first serving")
        service.stop = stop_and_see_it_serve_again  # type: ignore[method-assign]
        ends(in_a_thread(server.shutdown))
        service.stop, going_on = stop, False  # type: ignore[method-assign]
        server.shutdown()
        ends(thread)


def test_what_a_serial_servers_handler_sets_in_its_place_ends_serving_with_its_client():
    class Last(socketserver.BaseRequestHandler):
        """As programs do it that have no other thread to call `shutdown` from."""

        def handle(self):
            self.server._BaseServer__shutdown_request = True  # type: ignore[attr-defined]
            self.request.sendall(b"last")

    with observed(socketserver.TCPServer(HOST, Last)) as server, connect(server) as first, connect(server):
        serving = in_a_thread(server.serve_forever, PATIENCE)
        assert first.recv(10) == b"last"
        ends(serving, PATIENCE / 2)
        assert figures(server).accepted == 1


@pytest.mark.parametrize(
    ("kind", "ask_to_stop"),
    [(socketserver.TCPServer, "shutdown"), (socketserver.ThreadingTCPServer, "server_close")],
)
def test_a_handler_sees_the_standard_librarys_mark_of_it(kind, ask_to_stop):
    class Long(socketserver.BaseRequestHandler):
        """As programs end it whose handlers have no other way to know."""

        def handle(self):
            self.request.sendall(b"here")
            while not self.server._BaseServer__shutdown_request:  # type: ignore[attr-defined]
                time.sleep(0.01)
            self.request.sendall(b"bye")

    with observed(kind(HOST, Long)) as server, connect(server) as client:
        in_a_thread(server.serve_forever, PATIENCE)
        assert client.recv(10) == b"here"
        ends(in_a_thread(getattr(server, ask_to_stop)), PATIENCE / 2)
        assert client.recv(10) == b"bye"
        assert not server._BaseServer__shutdown_request


def test_of_two_that_close_a_server_at_once_none_leaves_the_mark():
    class Slow(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"here")
            go.wait(PATIENCE)

    go = threading.Event()
    with observed(socketserver.ThreadingTCPServer(HOST, Slow)) as server, connect(server) as client:
        in_a_thread(server.serve_forever)
        assert client.recv(10) == b"here"
        closing = [threading.Thread(target=server.server_close) for _ in range(2)]
        for thread in closing:
            thread.start()
            wait_for(lambda: server.fileno() == -1, "the listener is closed")
            time.sleep(0.2)  # until it waits, too
        go.set()
        for thread in closing:
            thread.join(PATIENCE)
        assert not server._BaseServer__shutdown_request


def test_a_loop_of_ones_own_sees_the_mark_also_once_the_server_is_closed():
    def serve():
        while not vars(server)["_BaseServer__shutdown_request"]:
            server.handle_request()
            looking.wait(PATIENCE)

    looking = threading.Event()
    with observed(socketserver.TCPServer(HOST, Echo)) as server:
        serving = in_a_thread(serve)
        assert ask(server) == b"x"
        server.shutdown()
    looking.set()
    ends(serving)


def test_a_server_that_nobody_has_any_more_may_call_it():
    closed = []

    class Gone(socketscope.ThreadingTCPServer, registry=CollectorRegistry()):
        def __del__(self):
            self.shutdown()
            self.server_close()
            closed.append(self.fileno())

    server = Gone(HOST, Echo)
    vars(server)["itself"] = server  # so that its weak references go before that is called
    del server
    gc.collect()
    assert closed == [-1]


@pytest.mark.parametrize("kind", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_it_reaches_all_threads_that_serve_one_server(kind):
    begun: set[int] = set()

    def service_actions(_):
        begun.add(threading.get_ident())

    pooled = type("Pooled", (kind,), {"service_actions": service_actions})
    with socketscope.observe(
        pooled(("127.0.0.1", 0), socketserver.BaseRequestHandler), registry=CollectorRegistry()
    ) as server:
        pool = [threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True) for _ in range(4)]
        for thread in pool:
            thread.start()
        wait_for(lambda: len(begun) == len(pool), "all of them")
        server.shutdown()
        for thread in pool:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in pool)


@pytest.mark.parametrize("loop", [Observed, socketserver.BaseServer], ids=["ours", "theirs"])
def test_the_thread_that_serves_may_call_it(loop):
    server = observed(socketserver.TCPServer(HOST, Echo))
    server.service_actions = server.shutdown
    ends(in_a_thread(loop.serve_forever, server))
    server.server_close()

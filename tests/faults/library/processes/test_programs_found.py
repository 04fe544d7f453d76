"""What programs that serve by socketserver do, and what the library once got wrong of it."""

import gc
import socket
import socketserver
import threading
import weakref

import pytest
from prometheus_client import CollectorRegistry

import socketscope
from socketscope.serve.mixin import service_of
from socketscope.serve.threads import deadlines
from tests.faults.library.running import (
    HOST,
    count,
    descriptors,
    figures,
    make,
    running,
    subclass,
    threads,
    wait_for,
)
from tests.threads import in_a_thread


def served(server):
    """Serve one client that says hello and waits for the end; return what came back."""
    thread = in_a_thread(server.serve_forever, 0.05)
    try:
        with socket.create_connection(server.server_address, 5) as client:
            client.sendall(b"hello\n")
            return client.makefile("rb").read()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("choice", ["elastic", "per-connection"])
def test_what_is_no_exception_reaches_the_threads_hook(monkeypatch, choice):
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            raise GeneratorExit("not one that handle_error is for")

    seen: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)

    server = subclass(socketscope.ThreadingTCPServer, threads=choice)(HOST, Handler)
    assert served(server) == b""
    (told,) = seen
    assert told.exc_type is GeneratorExit
    assert told.thread is not None
    assert told.thread.name.startswith("tcp-worker-")


def test_what_wakes_threads_is_closed_without_the_garbage_collector():
    before = descriptors()
    gc.disable()
    try:
        served(make(socketserver.StreamRequestHandler))
        # There may be fewer: what tests before this one have left goes meanwhile.
        assert descriptors() <= before
    finally:
        gc.enable()


@pytest.mark.parametrize("choice", ["elastic", "per-connection"])
def test_no_two_threads_at_work_have_one_name(choice):
    at_work = threading.Barrier(3)
    names = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            names.append(threading.current_thread().name)
            at_work.wait(5)

    with running(subclass(socketscope.ThreadingTCPServer, threads=choice)(HOST, Handler)) as server:
        for _ in range(3):
            socket.create_connection(server.server_address, 5).close()
        wait_for(lambda: len(names) == 3, "three handlers")
    assert len(set(names)) == 3


def test_a_class_of_servers_does_not_outlive_its_servers():
    class Kind(socketserver.ThreadingTCPServer):
        pass

    kind = weakref.ref(Kind)
    server = Kind(HOST, socketserver.StreamRequestHandler)
    served(socketscope.observe(server, registry=CollectorRegistry()))
    del server, Kind
    # The last of its threads may still be about to end.
    wait_for(lambda: (gc.collect(), kind())[1] is None, "it is gone")


def test_a_server_that_serves_already_is_not_observed():
    with running(socketserver.ThreadingTCPServer(HOST, socketserver.StreamRequestHandler)) as server:
        with socket.create_connection(server.server_address, 5) as client:
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        with pytest.raises(RuntimeError, match="it serves already: observe a server before it does"):
            socketscope.observe(server, registry=CollectorRegistry())
        assert type(server) is socketserver.ThreadingTCPServer


def test_a_server_that_is_observed_again_keeps_what_it_was_told_before():
    server = socketserver.ThreadingTCPServer(HOST, socketserver.StreamRequestHandler)
    registry = CollectorRegistry()
    socketscope.observe(server, registry=registry, listener="first", threads="per-connection")
    socketscope.observe(server, limits=socketscope.Limits(idle_timeout=3))
    with server:
        options = service_of(server).options
        assert (options.registry, options.listener, options.threads) == (registry, "first", "per-connection")
        assert options.limits.idle_timeout == 3
        assert count(server, "accept_queue_limit", listener="first") == server.request_queue_size


def test_nobody_watches_over_a_server_that_was_closed(monkeypatch):
    monkeypatch.setattr(deadlines, "_CALM", 1000)
    before = threads()
    served(make(socketserver.StreamRequestHandler))
    wait_for(lambda: not threads(before), "the end of the threads")


@pytest.mark.parametrize("kind", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
@pytest.mark.parametrize("made", ["before", "after"])
def test_a_program_may_put_another_class_in_the_place_of_sockets(monkeypatch, kind, made):
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(self.rfile.readline())

    class Proxied(socket.socket):
        """As PySocks has it: with room for attributes."""

    server = kind(HOST, Handler) if made == "before" else None
    monkeypatch.setattr(socket, "socket", Proxied)
    observed = socketscope.observe(server or kind(HOST, Handler), registry=CollectorRegistry())
    assert served(observed) == b"hello\n"
    counted = figures(observed)
    assert (counted.received, counted.sent, counted.closed["ok"]) == (6, 6, 1)

"""Every way to an observed server: whatever its classes, constructors and names are, it serves and counts."""

import http.server
import socket
import socketserver
import threading
import urllib.request
import wsgiref.simple_server
import xmlrpc.client
import xmlrpc.server

import pytest
from prometheus_client import CollectorRegistry

import socketscope
from socketscope.serve.mixin import service_of
from tests.threads import together

from .running import (
    HOST,
    PATIENCE,
    Echo,
    Reply,
    abstract_name,
    ask,
    ask_datagram,
    connect,
    count,
    ended,
    figures,
    handling,
    make,
    observed,
    running,
    serving,
    subclass,
    wait_for,
)


class ByName(socketscope.ThreadingTCPServer):
    def __init__(self, address, handler):
        socketserver.TCPServer.__init__(self, address, handler)


class ByRoot(socketscope.ThreadingTCPServer):
    """Does all that TCPServer's constructor does by itself."""

    def __init__(self, address, handler):
        socketserver.BaseServer.__init__(self, address, handler)
        self.socket = socket.socket(self.address_family, self.socket_type)
        self.server_bind()
        self.server_activate()


class OfAnotherSignature(socketscope.ThreadingTCPServer):
    def __init__(self, handler, *, port=0):
        super().__init__(("127.0.0.1", port), handler)


class Late(socketscope.ThreadingTCPServer):
    def __init__(self, address, handler):
        super().__init__(address, handler, bind_and_activate=False)
        self.server_bind()
        self.server_activate()


class Mixed(socketscope.ThreadingMixIn, socketserver.TCPServer):
    pass


class Theirs(socketserver.TCPServer):
    allow_reuse_address = True


class MixedWithTheirs(socketscope.ThreadingMixIn, Theirs):
    pass


class Both(socketscope.ThreadingMixIn, socketserver.ThreadingTCPServer):
    """With the standard library's mixin behind."""


class Logging:
    """Somebody's mixin that takes part in every constructor."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.log = []

    def finish_request(self, request, client_address):
        self.log.append(client_address)
        super().finish_request(request, client_address)  # type: ignore[misc]


class First(Logging, socketscope.ThreadingTCPServer):
    pass


class Second(socketscope.ThreadingMixIn, Logging, socketserver.TCPServer):
    pass


CLASSES = [ByName, ByRoot, Late, Mixed, MixedWithTheirs, Both, First, Second]


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("threads", ["elastic", "per-connection"])
def test_however_it_is_made_it_serves_and_counts(kind, threads):
    with running(subclass(kind, threads=threads)(HOST, Echo)) as server:
        assert [ask(server) for _ in range(5)] == [b"x"] * 5
        ended(server, "ok", 5)
        assert count(server, "connections_accepted_total") == 5
        assert count(server, "received_bytes_total") == count(server, "exchanges_total") == 5


def test_a_constructor_of_another_signature():
    with running(subclass(OfAnotherSignature)(Echo)) as server:
        assert ask(server) == b"x"
        ended(server, "ok")


@pytest.mark.parametrize("observe", [False, True])
def test_a_name_of_the_users_never_meets_one_of_ours(observe, capfd):
    # One server has all that the library's own objects have: of its class, and every second one of its own.
    with make() as other:
        ours = {*dir(service_of(other)), *dir(service_of(other).options)}
    names = [name for name in sorted(ours - set(dir(socketserver.ThreadingTCPServer))) if "__" not in name]
    base = socketserver.ThreadingTCPServer if observe else socketscope.ThreadingTCPServer
    kind = type("Server", (base if observe else subclass(base),), dict.fromkeys(names, "of the class"))
    server = kind(HOST, Echo)
    assert {getattr(server, name) for name in names} == {"of the class"}
    for name in names[::2]:
        setattr(server, name, "mine")
    with running(observed(server) if observe else server) as server:
        assert ask(server) == b"x"
        connect(server).close()
        wait_for(lambda: sum(figures(server).closed.values()) == 2, "both ends")
        assert {getattr(server, name) for name in names} == {"mine", "of the class"}
    assert capfd.readouterr().err == ""


def get(server):
    host, port = server.server_address[:2]
    with urllib.request.urlopen(f"http://{host}:{port}/", timeout=PATIENCE) as answer:
        return answer.status


class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class QuietWSGI(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


def application(_environ, start_response):
    start_response("204 No Content", [])
    return []


def wsgi(kind=wsgiref.simple_server.WSGIServer):
    return wsgiref.simple_server.make_server("127.0.0.1", 0, application, kind, QuietWSGI)


def rpc(kind=xmlrpc.server.SimpleXMLRPCServer):
    server = kind(HOST, logRequests=False)
    server.register_function(pow)
    return server


def call(server):
    host, port = server.server_address
    with xmlrpc.client.ServerProxy(f"http://{host}:{port}") as proxy:
        return proxy.pow(2, 3)


class MixedWSGI(socketscope.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    pass


class MixedRPC(socketscope.ThreadingMixIn, xmlrpc.server.SimpleXMLRPCServer):
    pass


class RPCFirst(xmlrpc.server.SimpleXMLRPCServer, socketscope.ThreadingTCPServer):
    pass


MADE = {
    "TCPServer": (lambda: observed(socketserver.TCPServer(HOST, Echo)), ask, b"x"),
    "ThreadingTCPServer": (lambda: observed(socketserver.ThreadingTCPServer(HOST, Echo)), ask, b"x"),
    "HTTPServer": (lambda: observed(http.server.HTTPServer(HOST, Web)), get, 204),
    "ThreadingHTTPServer": (lambda: observed(http.server.ThreadingHTTPServer(HOST, Web)), get, 204),
    "WSGIServer": (lambda: observed(wsgi()), get, 204),
    "SimpleXMLRPCServer": (lambda: observed(rpc()), call, 8),
    "ready-made HTTP": (lambda: make(Web, socketscope.ThreadingHTTPServer), get, 204),
    "WSGI with the mixin": (lambda: wsgi(subclass(MixedWSGI)), get, 204),
    "XML-RPC with the mixin": (lambda: rpc(subclass(MixedRPC)), call, 8),
    "XML-RPC before a ready-made one": (lambda: rpc(subclass(RPCFirst)), call, 8),
    "Unix": (lambda: observed(socketserver.UnixStreamServer(abstract_name(), Echo)), ask, b"x"),
    "threading Unix": (
        lambda: observed(socketserver.ThreadingUnixStreamServer(abstract_name(), Echo)), ask, b"x"
    ),
    "UDP": (lambda: observed(socketserver.UDPServer(HOST, Reply)), ask_datagram, b"x"),
    "threading UDP": (lambda: observed(socketserver.ThreadingUDPServer(HOST, Reply)), ask_datagram, b"x"),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_servers_of_the_standard_librarys_answer_and_are_seen(name):
    factory, question, answer = MADE[name]
    with running(factory()) as server:
        assert [question(server) for _ in range(3)] == [answer] * 3
        ended(server, "ok", 3)
        assert count(server, "exchanges_total") == 3


def test_a_server_without_threads_stays_serial_in_the_thread_that_called_it():
    inside = []

    def handle(request):
        inside.append(threading.current_thread())
        request.sendall(request.recv(1))

    server = observed(socketserver.TCPServer(HOST, handling(handle)))
    with running(server):
        together(lambda _: ask(server), 10)
    assert len(inside) == 10
    assert len(set(inside)) == 1
    assert "worker" not in inside[0].name


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_in_a_serial_server_an_interrupt_in_a_handler_ends_serving(error):
    def interrupt(_):
        raise error

    with observed(socketserver.TCPServer(HOST, handling(interrupt))) as server, connect(server) as client:
        with pytest.raises(error):
            server.serve_forever()
        assert client.recv(1) == b""
        ended(server, "handler_error")


def test_observed_twice_it_is_observed_once():
    server = observed(socketserver.ThreadingTCPServer(HOST, Echo))
    kind = type(server)
    assert socketscope.observe(server) is server
    assert type(server) is kind
    with running(server):
        assert ask(server) == b"x"
        ended(server, "ok")


def test_what_is_told_later_of_a_server_counts_until_it_serves():
    server = observed(socketserver.ThreadingTCPServer(HOST, Echo), listener="one")
    again = observed(server, listener="two")
    assert again is server
    with running(server):
        assert ask(server) == b"x"
        ended(server, "ok")
        assert count(server, "connections_accepted_total", listener="two") == 1
        with pytest.raises(RuntimeError, match="^it serves already: observe a server before it does$"):
            observed(server, listener="three")


def test_what_is_no_server_is_refused():
    with pytest.raises(TypeError, match="^str is not a server of socketserver's$"):
        socketscope.observe("server")  # type: ignore[type-var]


def test_the_class_beside_a_servers_own_has_its_name():
    with observed(socketserver.TCPServer(HOST, Echo)) as server:
        assert (type(server).__name__, type(server).__module__) == ("TCPServer", "socketserver")


def test_a_server_that_is_observed_anew_still_holds_its_path(tmp_path):
    path = tmp_path / "socket"
    server = subclass(socketscope.ThreadingUnixStreamServer)(str(path), Echo)
    with running(observed(server, listener="again")):
        with pytest.raises(OSError, match="in use"):
            subclass(socketscope.ThreadingUnixStreamServer)(str(path), Echo)
        assert ask(server) == b"x"
    assert list(tmp_path.iterdir()) == []


def test_who_waits_for_a_client_is_idle_and_who_serves_one_is_busy():
    def busy(server):
        idle, busy = service_of(server).thread_counts
        return busy if idle or busy else None

    with serving() as server:
        wait_for(lambda: busy(server) == 0, "a thread that waits")
        with connect(server) as client:
            client.sendall(b"x")
            client.recv(1)
            assert busy(server) == 1
        wait_for(lambda: busy(server) == 0, "its end")


def test_the_next_of_a_name_begins_anew_where_it_is_of_another_kind():
    shown = {"registry": CollectorRegistry(), "listener": "x"}
    closed = subclass(socketscope.ThreadingTCPServer, **shown)(HOST, Echo)
    closed.server_close()
    with running(subclass(socketscope.ThreadingUDPServer, **shown)(HOST, Reply)) as server:
        assert service_of(server).name == "x"
        assert count(server, "received_bytes_total") == 0

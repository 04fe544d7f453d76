"""What is used of the standard library beside its documentation, so that a new Python says where it went."""

import io
import socket
import socketserver
import ssl
import sys

import pytest

from socketscope.serve.hooks import is_ours


def test_a_listener_accepts_a_bare_descriptor():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        descriptor, address = listener._accept()  # type: ignore[attr-defined]
        with socket.socket(fileno=descriptor) as accepted:
            assert accepted.getpeername() == client.getsockname() == address


def test_a_socket_has_no_room_but_for_its_own_names():
    assert set(socket.socket.__slots__) == {"__weakref__", "_io_refs", "_closed"}


def test_the_c_class_tells_family_and_type_as_plain_numbers():
    base = socket.SocketType
    assert issubclass(socket.socket, base)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert type(base.family.__get__(sock)) is int
        assert type(base.type.__get__(sock)) is int


def plain() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def tls() -> tuple[socket.socket, socket.socket]:
    near, far = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return context.wrap_socket(near, server_side=True, do_handshake_on_connect=False), far


def test_what_reads_for_a_file_object_has_these_names_and_no_more():
    near, far = plain()
    with near, far, socket.SocketIO(near, "r") as raw:
        known = {"_mode": "rb", "_reading": True, "_writing": False, "_timeout_occurred": False}
        assert vars(raw) == {"_sock": near, **known}


@pytest.mark.parametrize("pair", [plain, tls])
def test_every_close_goes_through_one_method_once_no_file_is_left(pair):
    closed = []
    near, far = pair()

    class Watched(type(near)):  # type: ignore[misc]
        __slots__ = ()

        def _real_close(self, *args):
            closed.append(self)
            super()._real_close(*args)

    near.__class__ = Watched
    with far:
        file = near.makefile("rb")
        near.close()
        assert (closed, near._io_refs) == ([], 1)
        file.close()
        assert closed == [near]


def test_a_file_object_reads_by_one_method_and_knows_that_a_read_timed_out():
    near, far = socket.socketpair()
    with near, far, socket.SocketIO(near, "r") as raw:
        assert raw._sock is near  # type: ignore[attr-defined]
        assert raw._timeout_occurred is False  # type: ignore[attr-defined]
        near.settimeout(0.001)
        with pytest.raises(TimeoutError):
            raw.readinto(bytearray(1))
        assert raw._timeout_occurred is True  # type: ignore[attr-defined]
        near._io_refs += 1  # closing gives it back


def test_a_file_object_for_reading_is_a_buffered_reader_of_such_a_one():
    near, far = socket.socketpair()
    with near, far, near.makefile("rb") as file:
        assert type(file) is io.BufferedReader
        assert type(file.raw) is socket.SocketIO


def test_a_tls_listener_keeps_whether_its_connections_shake_hands_when_they_are_accepted():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with (
        socket.create_server(("127.0.0.1", 0)) as plain,
        context.wrap_socket(plain, server_side=True) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        assert listener.do_handshake_on_connect  # type: ignore[attr-defined]
        listener.do_handshake_on_connect = False  # type: ignore[attr-defined]
        listener.accept()[0].close()  # waits for no handshake


def test_one_request_is_handled_by_one_method():
    handled = []

    class Server(socketserver.TCPServer):
        def _handle_request_noblock(self):
            handled.append(1)
            self.get_request()[0].close()

    with (
        Server(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server,
        socket.create_connection(server.server_address),
    ):
        server.handle_request()
    assert handled == [1]


def test_the_mixin_has_the_methods_that_are_overridden():
    mixin = socketserver.ThreadingMixIn
    assert {"process_request", "process_request_thread", "server_close"} <= set(vars(mixin))
    assert (mixin.daemon_threads, mixin.block_on_close) == (False, True)


def test_a_hook_is_known_to_be_the_librarys_by_the_module_that_its_code_is_of():
    for kind in (socketserver.TCPServer, socketserver.UDPServer):
        assert is_ours(kind.get_request)
    assert is_ours(socketserver.BaseServer.process_request)


def test_who_wraps_a_socket_has_both_under_these_names_when_it_detaches_the_plain_one():
    held = []

    class Plain(socket.socket):
        def detach(self):
            descriptor = super().detach()
            frame = sys._getframe(1)
            held.append((frame.f_code, frame.f_locals["sock"], frame.f_locals["self"]))
            return descriptor

    near, far = socket.socketpair()
    plain = Plain(fileno=near.detach())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with far, context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as wrapped:
        assert held == [(ssl.SSLSocket._create.__code__, plain, wrapped)]  # type: ignore[attr-defined]


def test_openssl_reads_a_certificate_to_tell_when_it_ends():
    assert callable(ssl._ssl._test_decode_cert)  # type: ignore[attr-defined]

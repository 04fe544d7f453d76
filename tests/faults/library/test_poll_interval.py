"""serve_forever's argument, as a selector takes it."""

import socketserver
import threading

import pytest

from .running import Echo, ask, make, observed


@pytest.mark.parametrize("interval", [None, 0, 1e6])
@pytest.mark.parametrize("serial", [True, False])
def test_whatever_it_is_clients_are_served_and_a_shutdown_ends_it(interval, serial):
    server = observed(socketserver.TCPServer(("127.0.0.1", 0), Echo)) if serial else make(Echo)
    thread = threading.Thread(target=server.serve_forever, args=(interval,), daemon=True)
    with server:
        thread.start()
        assert ask(server) == b"x"
        server.shutdown()
        thread.join(5)
        assert not thread.is_alive()

"""With observation off there is none, or its ratio to the observed server says nothing."""

import select
import socket
from socketserver import BaseRequestHandler

import pytest

from benchmarks.variants import VARIANTS
from socketscope import ThreadingTCPServer, ThreadingUDPServer
from socketscope.serve import mixin
from socketscope.serve.mixin import service_of


@pytest.mark.parametrize("take", ["receive", "try_to_receive"])
@pytest.mark.parametrize(
    ("base", "kind"), [(ThreadingTCPServer, socket.SOCK_STREAM), (ThreadingUDPServer, socket.SOCK_DGRAM)]
)
def test_nobody_is_noted_however_taken(base, kind, take, monkeypatch):
    streams, datagrams = VARIANTS["off"]
    monkeypatch.setattr(mixin, "StreamService", streams)
    monkeypatch.setattr(mixin, "DatagramService", datagrams)
    with base(("127.0.0.1", 0), BaseRequestHandler) as server, socket.socket(socket.AF_INET, kind) as client:
        server.socket.setblocking(False)
        service = service_of(server)
        client.connect(server.server_address)
        client.send(b"x")
        select.select([server], [], [])
        job = getattr(service, take)(server)
        assert job is not None
        assert not service.totals.records
        job()
        assert not any(service.totals.snapshot().handle.counts)
        assert getattr(service, take)(server) is None  # at once

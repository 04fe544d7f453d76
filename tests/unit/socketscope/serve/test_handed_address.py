"""A request that a hook has wrapped and handed on is found by its address, whatever that reads like."""

import socketserver

from prometheus_client import CollectorRegistry

from socketscope import ThreadingTCPServer
from socketscope.addresses import format_peer
from socketscope.observe.record import Record
from socketscope.serve.mixin import service_of
from socketscope.serve.streams import StreamService


class Listener(ThreadingTCPServer, registry=CollectorRegistry()):
    pass


def test_clients_whose_addresses_read_alike_are_told_apart():
    addresses = [("fe80::1", 5, 0, scope) for scope in (2, 3)]
    assert len({format_peer(address) for address in addresses}) == 1
    with Listener(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        service = service_of(server)
        assert isinstance(service, StreamService)
        records = []
        for address in addresses:
            record = Record(service.totals, address, 0.0)
            assert service.totals.accept(record)
            records.append(record)
        found = [service._find(object(), address) for address in addresses]
        for record in records:
            service.end(record)
    assert found == records

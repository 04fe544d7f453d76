"""What a hook has handed on: requests that tell nobody of their end, and what nobody has any more."""

import socket
import socketserver
from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from socketscope import Limits, observe
from socketscope.observe.datagrams import Datagram
from socketscope.observe.record import Record
from socketscope.observe.totals import Capacity, StreamTotals
from socketscope.serve.elsewhere import Elsewhere
from socketscope.serve.mixin import service_of


class Request:
    def close(self):
        pass


def test_what_was_dropped_is_told_and_known_no_more():
    elsewhere, dropped = Elsewhere(), list[Record]()
    record, request = Record(StreamTotals(Capacity(1)), "", 0.0), Request()
    record.socket = request
    elsewhere.let_go(record, request, pytest.fail, dropped.append)
    assert (elsewhere.find(request), dropped) == (record, [])
    del request
    assert (elsewhere.records, dropped) == ({}, [record])


class Willing(Request):
    """What answers to every name, as a stand-in does that hands all calls on."""

    def __getattr__(self, name):
        return lambda *_: None


def test_the_end_of_what_answers_to_every_name_is_noted():
    elsewhere, ended = Elsewhere(), list[Record]()
    record, request = Record(StreamTotals(Capacity(1)), "", 0.0), Willing()
    record.socket = request
    elsewhere.let_go(record, request, ended.append, lambda _: None)
    assert elsewhere.find(request) is record
    elsewhere.note_end(request)
    assert (elsewhere.records, ended) == ({}, [record])


class Unwilling(Request):
    def __getattr__(self, name):
        raise RuntimeError(name)


def test_what_raises_when_it_is_asked_is_not_known():
    assert Elsewhere().find(Unwilling()) is None


def test_one_whose_handler_is_entered_after_all_is_known_no_more():
    elsewhere, request = Elsewhere(), Request()
    record = Record(StreamTotals(Capacity(1)), "", 0.0)
    record.socket = request
    elsewhere.let_go(record, request, pytest.fail, lambda _: None)
    elsewhere.come_back(record, request)
    elsewhere.note_end(request)
    assert (elsewhere.records, record.left) == ({}, None)


@pytest.mark.parametrize(
    ("kind", "dropped"),
    [
        (socketserver.ThreadingTCPServer, lambda totals: Record(totals, "", 0.0)),
        (socketserver.ThreadingUDPServer, lambda _: Datagram("", 0)),
    ],
)
def test_the_place_of_what_was_dropped_is_the_next_clients(kind: Any, dropped: Callable[[Any], Any]) -> None:
    options: dict[str, Any] = {"registry": CollectorRegistry(), "limits": Limits(max_connections=1)}
    with (
        kind(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server,
        socket.socket(type=kind.socket_type) as client,
    ):
        service: Any = service_of(observe(server, **options))
        first = dropped(service.totals)
        assert service.totals.accept(first)
        service.note_dropped(first)
        client.connect(server.server_address)
        client.send(b"x")
        job = service.receive(server)
        assert job is not None
        Context().run(job)

"""Who never sent, at a stop: how long a request may still be on its way, on a clock of the test's own."""

import socket

import pytest

from socketscope import Limits
from socketscope.observe.record import Record
from socketscope.serve import endings
from socketscope.serve.mixin import service_of
from tests.unit.socketscope.serve.test_service import make


@pytest.mark.parametrize(("accepted_at", "end"), [(0.0, 101.0), (105.0, 106.0)], ids=["before", "after"])
def test_it_is_from_the_stop_or_from_being_accepted_after_that(monkeypatch, accepted_at, end):
    let_go = []
    monkeypatch.setattr(endings, "hang_up", lambda record, _: let_go.append(record))
    with make() as server:
        service = service_of(server)
        record = Record(service.totals, "", accepted_at, Limits())
        assert service.totals.accept(record)
        seen = []
        for now in (end - 0.1, end):
            monkeypatch.setattr(endings, "monotonic", lambda now=now: now)
            service.release_idle(100.0)
            seen.append(len(let_go))
        service.totals.close(record, end)
    assert seen == [0, 1]


def test_who_was_let_go_is_let_go_once(monkeypatch):
    let_go = []

    def hang_up(record, _):
        record.cut = True
        let_go.append(record)

    monkeypatch.setattr(endings, "hang_up", hang_up)
    monkeypatch.setattr(endings, "monotonic", lambda: 200.0)
    with make() as server:
        service = service_of(server)
        record = Record(service.totals, "", 0.0, Limits())
        assert service.totals.accept(record)
        service.release_idle(100.0)
        service.release_idle(100.0)
        service.totals.close(record, 200.0)
    assert let_go == [record]


def test_who_has_no_thread_yet_is_let_go_when_there_is_one():
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far, make() as server:
        service = service_of(server)
        record = Record(service.totals, "", 0.0, Limits())
        assert service.totals.accept(record)
        service.release_idle(0.0)
        record.socket = near
        service.release_idle(0.0)
        service.totals.close(record, 0.0)
        assert near.recv(1) == b""


def test_who_has_sent_what_nobody_has_read_yet_is_not_let_go():
    near, far = socket.socketpair()
    with near, far, make() as server:
        service = service_of(server)
        record = Record(service.totals, "", 0.0, Limits())
        assert service.totals.accept(record)
        record.socket = near
        far.sendall(b"half a")
        service.release_idle(0.0)
        assert not record.cut
        assert near.recv(10) == b"half a"
        service.release_idle(0.0)
        assert record.cut
        service.totals.close(record, 0.0)

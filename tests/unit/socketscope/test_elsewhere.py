"""Requests that a hook has handed on, of classes that tell nobody of their end."""

import pytest

from socketscope.observe.record import Record
from socketscope.observe.totals import Capacity, StreamTotals
from socketscope.serve.elsewhere import Elsewhere


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

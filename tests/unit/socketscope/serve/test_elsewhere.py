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

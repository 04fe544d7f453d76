"""Connections that have a place and are not accepted yet: their verify_request runs."""

import pytest

from socketscope.observe.record import Record
from socketscope.observe.totals import Capacity, StreamTotals


@pytest.fixture
def totals():
    return StreamTotals(Capacity(10))


@pytest.fixture
def record(totals):
    record = Record(totals, "", 0.0)
    assert totals.reserve(record)
    return record


def test_one_that_was_forced_meanwhile_is_accepted_once(totals, record):
    totals.close(record, 1.0)
    totals.confirm(record)
    totals.close(record, 2.0)
    figures = totals.snapshot()
    assert (figures.accepted, figures.open, sum(figures.closed.values())) == (1, 0, 1)
    assert not totals.records
    assert not totals.capacity.taken

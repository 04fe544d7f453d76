import math
import re
import sys
import threading

import pytest

from socketscope import Limits
from socketscope.observe.record import MOST_RESPONSES, Record, describe
from socketscope.observe.totals import Capacity, StreamTotals

LIMITS = Limits(read_timeout=10, idle_timeout=60)


@pytest.fixture
def records():
    return {}


@pytest.fixture
def totals(records):
    return StreamTotals(Capacity(2), records)


@pytest.fixture
def record(totals, records):
    assert totals.accept()
    records["socket"] = Record(totals, 1, ("127.0.0.1", 1), 100.0, LIMITS)
    return records["socket"]


def test_an_exchange_is_a_turn_from_receiving_to_sending(record, totals):
    record.took(3, 101.0)
    record.took(4, 102.0)
    record.gave(5, 102.5)
    record.gave(6, 103.0)
    assert (record.received, record.sent, record.exchanges) == (7, 11, 1)
    assert totals.close(record, 104.0)
    figures = totals.snapshot()
    assert (figures.received, figures.sent, figures.exchanges) == (7, 11, 1)
    assert figures.response.sum == pytest.approx(1.0)
    assert figures.handle.sum == pytest.approx(4.0)
    assert (figures.accepted, figures.open, figures.closed["ok"]) == (1, 0, 1)


def test_what_is_sent_before_anything_was_received_is_no_exchange(record):
    record.gave(10, 100.1)
    record.gave(10, 100.2)
    assert record.exchanges == 0
    record.took(1, 100.3)
    record.gave(1, 100.4)
    assert record.exchanges == 1


def test_an_exchange_has_ended_when_the_next_one_begins(record, totals):
    record.took(1, 100.1)
    record.gave(1, 100.2)
    assert totals.snapshot().exchanges == 0
    record.took(1, 100.3)
    assert totals.snapshot().exchanges == 1


def test_an_exchange_has_ended_when_the_next_one_is_waited_for(record, totals):
    record.took(1, 100.1)
    record.gave(1, 100.2)
    assert totals.snapshot().sent == 1
    record.pause()
    record.pause()
    assert totals.snapshot().exchanges == 1
    totals.close(record, 101.0)
    assert totals.snapshot().exchanges == 1


def test_bytes_are_in_every_snapshot_as_soon_as_they_have_passed(record, totals):
    for number in range(1, 4):
        record.gave(2, 100.0 + number)
        assert totals.snapshot().sent == 2 * number
    record.took(3, 105.0)
    figures = totals.snapshot()
    assert (figures.received, figures.sent, figures.exchanges) == (3, 6, 0)


def test_what_a_record_keeps_is_bounded_where_nobody_looks(record, totals):
    for number in range(10 * MOST_RESPONSES):
        record.took(1, 100.0 + number)
        record.gave(1, 100.5 + number)
        assert len(record.responses) <= MOST_RESPONSES
    totals.close(record, 1e6)
    figures = totals.snapshot()
    assert (figures.exchanges, figures.received) == (10 * MOST_RESPONSES, 10 * MOST_RESPONSES)
    assert figures.response.sum == pytest.approx(5 * MOST_RESPONSES)


def test_nothing_is_lost_or_counted_twice_while_somebody_looks(record, totals):
    def exchange():
        for number in range(20_000):
            record.took(3, 100.0 + number)
            record.gave(2, 100.5 + number)
        totals.close(record, 1e6)

    thread = threading.Thread(target=exchange)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        seen = [totals.snapshot() for _ in iter(thread.is_alive, False)]
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    assert [figures.received for figures in seen] == sorted(figures.received for figures in seen)
    figures = totals.snapshot()
    assert (figures.received, figures.sent, figures.exchanges) == (60_000, 40_000, 20_000)
    assert figures.response.sum == pytest.approx(10_000)


def test_a_record_is_closed_once(record, totals):
    record.fail("forced")
    assert totals.close(record, 101.0)
    assert not totals.close(record, 102.0)
    record.took(5, 103.0)
    totals.add(record)
    assert totals.snapshot().received == 0
    assert totals.snapshot().closed["forced"] == 1


def test_of_several_failures_the_first_in_rank_is_the_outcome(record):
    assert record.outcome == "empty"
    record.took(1, 100.1)
    assert record.outcome == "ok"
    record.fail("reset", ConnectionResetError(104, "Connection reset by peer"))
    record.fail("handler_error", ValueError("x"))
    record.fail("idle_timeout")
    assert record.outcome == "handler_error"
    assert record.error == "ValueError: x"


def test_a_peer_that_leaves_with_nothing_to_answer_has_not_failed(record):
    record.took(1, 100.1)
    record.gave(1, 100.2)
    record.lose(ConnectionResetError())
    assert record.outcome == "ok"
    record.took(1, 100.3)
    record.lose(ConnectionResetError())
    assert record.outcome == "reset"


def asked(record):
    record.took(1, 100.1)


def answered(record):
    record.took(1, 100.1)
    record.gave(1, 100.2)


def greeted(record):
    record.gave(1, 100.1)


GONE = ConnectionResetError(104, "Connection reset by peer")
ENDS = {
    "leaves": lambda record: record.lose(GONE),
    "leaves while a reply is sent": lambda record: record.lose(GONE, replying=True),
    "is late": lambda record: record.overdue(),
}


@pytest.mark.parametrize(
    ("before", "end", "outcome"),
    [
        (None, "leaves", "empty"),
        (None, "leaves while a reply is sent", "empty"),
        (None, "is late", "empty"),
        (greeted, "leaves", "ok"),
        (greeted, "leaves while a reply is sent", "ok"),
        (greeted, "is late", "ok"),
        (asked, "leaves", "reset"),
        (asked, "leaves while a reply is sent", "reset"),
        (asked, "is late", "read_timeout"),
        (answered, "leaves", "ok"),
        (answered, "leaves while a reply is sent", "reset"),
        (answered, "is late", "idle_timeout"),
    ],
)
def test_how_a_peer_is_missed_counts_by_what_has_passed(record, before, end, outcome):
    if before is not None:
        before(record)
    ENDS[end](record)
    if end == "is late":
        record.gave(13, 110.0)  # a refusal
    assert record.outcome == outcome


def test_the_read_deadline_begins_with_a_request_and_the_idle_one_with_a_reply(record, totals):
    assert record.input_deadline() == 110.0
    record.took(1, 105.0)
    assert record.input_deadline() == 110.0
    record.gave(1, 106.0)
    assert record.idle
    assert record.input_deadline() == 166.0
    record.took(1, 150.0)
    assert not record.idle
    assert record.input_deadline() == 160.0
    assert Record(totals, 2, None, 100.0).input_deadline() == math.inf


def test_a_request_that_trickles_in_is_late_although_no_receive_waited(record):
    record.took(1, 109.0)
    with pytest.raises(TimeoutError, match="did not send in time"):
        record.took(1, 110.1)
    assert record.outcome == "read_timeout"


def test_no_more_than_the_limit_are_accepted_at_once(totals):
    assert totals.accept()
    assert totals.accept()
    assert not totals.accept()
    totals.reject("capacity")
    totals.close(Record(totals, 1, None, 0.0), 1.0)
    assert totals.accept()
    figures = totals.snapshot()
    assert (figures.accepted, figures.open, figures.rejected["capacity"]) == (3, 2, 1)


def test_an_error_is_described_with_its_place():
    try:
        raise ValueError("bad\nline")
    except ValueError as error:
        text = describe(error)
    assert text.startswith("ValueError: bad\nline (")
    assert text.endswith("in test_an_error_is_described_with_its_place)")
    assert describe(KeyError()) == "KeyError"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"max_connections": 0}, "max_connections is 0, it must be at least 1"),
        ({"read_timeout": 0}, "read_timeout is 0 s, it must be more than 0 and at most"),
        ({"read_timeout": 1e30}, "read_timeout is 1e+30 s, it must be more than 0 and at most 1e+09"),
        ({"idle_timeout": math.nan}, "idle_timeout is nan s, it must be more than 0"),
        ({"drain_timeout": -1}, "drain_timeout is -1 s, it must be from 0 to 1e+09"),
    ],
)
def test_limits_that_cannot_be_meant_are_refused(wrong, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        Limits(**wrong)

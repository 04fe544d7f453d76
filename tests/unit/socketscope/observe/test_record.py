"""What one connection's record makes of what its socket tells it, on a clock of the test's own."""

import pytest

from socketscope import Limits
from socketscope.observe.outcomes import OUTCOMES
from socketscope.observe.record import MOST_RESPONSES, Record
from socketscope.observe.shared import SharedRecord

LIMITS = Limits(read_timeout=10, idle_timeout=60)
GONE = ConnectionResetError(104, "Connection reset by peer")


class Counter:
    """What a record adds its figures to."""

    def __init__(self) -> None:
        self.added = 0

    def add(self, record: Record) -> None:
        self.added += 1
        record.responses.clear()


@pytest.fixture(params=[Record, SharedRecord], ids=["with a lock", "without"])
def record(request):
    """One as an interpreter with, or without, a lock of its own has it."""
    return request.param(Counter(), "127.0.0.1:1", 100.0, LIMITS)


def receive(record, size, since, now):
    record.wait(since)
    record.took(size, now)


def miss(record, since, now):
    record.wait(since)
    record.missed(now)


def asked(record):
    receive(record, 1, 100.0, 100.1)


def answered(record):
    asked(record)
    record.gave(1, 100.2)


def greeted(record):
    record.gave(1, 100.1)


def test_what_passes_once_it_is_closed_is_none_of_its(record):
    answered(record)
    record.closed = True
    receive(record, 5, 100.3, 100.4)
    record.gave(3, 100.5)
    receive(record, 5, 100.6, 100.7)
    gone = ConnectionResetError(*GONE.args)
    record.lose(gone)
    assert (record.received, record.sent, record.exchanges) == (1, 1, 1)
    assert (record.outcome, record.error) == ("ok", None)
    assert not record.knows(gone)


def test_an_exchange_is_a_turn_from_receiving_to_sending(record):
    receive(record, 3, 100.0, 101.0)
    receive(record, 4, 101.0, 102.0)
    record.gave(5, 102.5)
    record.gave(6, 103.0)
    assert (record.received, record.sent, record.exchanges) == (7, 11, 1)
    assert record.responses == []
    record.wait(104.0)
    assert record.responses == [pytest.approx(1.0)]
    record.took(0, 105.0)
    record.wait(106.0)
    assert len(record.responses) == record.exchanges == 1


def test_what_is_sent_before_anything_was_received_is_no_exchange(record):
    greeted(record)
    record.gave(10, 100.2)
    record.wait(100.2)
    assert (record.exchanges, record.responses) == (0, [])
    record.took(1, 100.3)
    record.gave(1, 100.4)
    record.wait(100.5)
    assert (record.exchanges, record.responses) == (1, [pytest.approx(0.1)])


def test_the_end_of_a_request_begins_its_response(record):
    asked(record)
    receive(record, 0, 100.1, 105.0)
    record.gave(1, 105.5)
    record.wait(106.0)
    assert record.responses == [pytest.approx(0.5)]


def test_the_end_after_a_reply_is_no_part_of_it(record):
    answered(record)
    receive(record, 0, 100.2, 105.0)
    record.gave(1, 106.0)
    assert (record.exchanges, record.requested_at) == (1, 100.1)


def test_a_reply_of_another_thread_ends_where_the_next_request_is_received(record):
    receive(record, 1, 100.0, 101.0)
    record.wait(101.1)
    record.gave(1, 101.5)
    record.took(1, 160.0)
    record.wait(160.1)
    assert record.responses == [pytest.approx(0.5)]
    record.gave(1, 162.0)
    record.took(1, 163.0)
    record.gave(1, 163.1)
    record.wait(163.2)
    assert (record.exchanges, record.responses) == (3, pytest.approx([0.5, 2.0, 0.1]))


def test_a_request_that_another_thread_receives_while_the_last_reply_is_added_is_pending():
    class Handler(Counter):
        def add(self, record):
            receive(record, 1, 300.0, 400.0)

    record = Record(Handler(), "127.0.0.1:1", 100.0, LIMITS)
    for number in range(MOST_RESPONSES):
        receive(record, 1, 100.0 + number, 100.1 + number)
        record.gave(1, 100.2 + number)
    assert (record.exchanges, record.pending) == (MOST_RESPONSES, True)
    assert record.responses == [pytest.approx(0.1)] * MOST_RESPONSES


def test_a_request_that_another_thread_receives_before_the_last_reply_is_noted_is_pending(record):
    receive(record, 1, 100.0, 100.1)
    asked = record.requested_at
    receive(record, 1, 100.2, 100.7)
    record.gave(1, 100.8, asked)
    assert (record.exchanges, record.sent, record.pending) == (1, 1, True)
    assert not record.idle(1000.0, 1.0)
    record.gave(1, 101.7, record.requested_at)
    record.wait(102.0)
    assert (record.exchanges, record.pending) == (2, False)
    assert record.responses == pytest.approx([0.7, 1.0])


def test_a_request_that_another_thread_receives_before_a_greeting_is_noted_is_pending(record):
    asked = record.requested_at
    receive(record, 1, 100.2, 100.7)
    record.gave(1, 100.8, asked)
    assert (record.exchanges, record.sent, record.pending) == (0, 1, True)


def test_a_request_that_another_thread_receives_before_the_rest_of_a_reply_is_noted_is_pending(record):
    answered(record)
    receive(record, 1, 100.3, 100.7)
    record.gave(1, 100.8, 0.0)
    assert (record.exchanges, record.sent, record.pending) == (1, 2, True)


def test_an_end_that_another_thread_receives_before_the_last_reply_is_noted_leaves_nothing_pending(record):
    receive(record, 1, 100.0, 100.1)
    record.blocked += 1
    asked = record.requested_at
    receive(record, 0, 100.2, 100.7)
    record.gave(1, 100.8, asked)
    record.blocked -= 1
    record.wait(101.0)
    assert (record.exchanges, record.pending, record.responses) == (1, False, [pytest.approx(0.7)])


def test_responses_that_nobody_looks_at_are_added_now_and_then(record):
    for number in range(3 * MOST_RESPONSES):
        receive(record, 1, 100.0 + number, 100.1 + number)
        record.gave(1, 100.5 + number)
        assert len(record.responses) <= MOST_RESPONSES
    assert record.totals.added == 3


def test_numbers_are_unique_over_all_kinds():
    from socketscope.observe.datagrams import Datagram  # noqa: PLC0415 - the other kind

    both = [Record(Counter(), "", 0.0), Datagram("", 1), Record(Counter(), "", 0.0), Datagram("", 1)]
    process, first = both[0].connection_id.split("-")
    assert [each.connection_id for each in both] == [f"{process}-{int(first) + n}" for n in range(4)]


@pytest.mark.parametrize("first", range(len(OUTCOMES) - 1))
def test_of_several_failures_the_first_in_rank_is_the_outcome(record, first):
    better, worse = OUTCOMES[first : first + 2]
    record.fail(worse, ValueError("worse"))
    record.fail(better, ValueError("better"))
    record.fail(worse, ValueError("worse again"))
    assert (record.outcome, record.error) == (better, "ValueError: better")


def test_of_two_failures_of_a_kind_the_first_is_told(record):
    first, second = ValueError("first"), ValueError("second")
    for error in (first, second):
        record.fail("handler_error", error)
        record.keep(error)
    assert (record.error, record.raised) == ("ValueError: first", first)


def test_what_the_peer_caused_is_kept_with_its_traceback_only_where_it_ends_the_handler(record):
    asked(record)
    gone = ConnectionResetError(*GONE.args)
    record.lose(gone)
    told = "ConnectionResetError: [Errno 104] Connection reset by peer"
    assert (record.outcome, record.error, record.raised) == ("reset", told, None)
    record.keep(TimeoutError("another"))
    assert (record.error, record.raised) == (told, None)
    record.keep(gone)
    assert (record.error, record.raised) == (told, gone)


def test_without_a_failure_it_is_ok_unless_nothing_passed(record):
    assert record.outcome == "empty"
    greeted(record)
    assert record.outcome == "ok"


@pytest.mark.parametrize("before", [None, greeted, asked, answered])
@pytest.mark.parametrize("end", ["leaves", "leaves while a reply is sent", "is late"])
def test_how_a_peer_is_missed_counts_by_what_has_passed(record, before, end):
    expected = {
        (None, "is late"): "empty",
        (greeted, "is late"): "ok",
        (asked, "is late"): "read_timeout",
        (answered, "is late"): "idle_timeout",
        (asked, "leaves"): "reset",
        (asked, "leaves while a reply is sent"): "reset",
        (answered, "leaves while a reply is sent"): "reset",
        (None, "leaves"): "empty",
        (None, "leaves while a reply is sent"): "empty",
    }
    if before is not None:
        before(record)
    if end == "is late":
        record.wait(100.2)
        assert record.overdue(1000.0)
        record.took(0, 1000.1)
        record.gave(13, 1000.2)  # a refusal
    else:
        record.lose(GONE, replying=end != "leaves")
    assert record.outcome == expected.get((before, end), "ok")


def test_after_an_end_of_its_own_a_peer_is_missed_only_by_a_reset(record):
    asked(record)
    record.shut = True
    record.lose(BrokenPipeError(32, "Broken pipe"), replying=True)
    assert record.outcome == "ok"
    record.lose(GONE)
    assert record.outcome == "reset"


@pytest.mark.parametrize("before", [None, greeted])
def test_a_part_of_a_request_that_shows_only_at_the_deadline_has_come(record, before):
    if before is not None:
        before(record)
    record.wait(100.2)
    assert record.overdue(1000.0)
    record.took(3, 1000.1)
    record.gave(13, 1000.2)
    assert record.outcome == "read_timeout"


def test_what_the_peer_caused_or_a_timeout_of_the_handlers_own_is_known_again(record):
    gone, own = ConnectionResetError(*GONE.args), TimeoutError("timed out")
    other = PermissionError(1, "not permitted")
    for error in (gone, own, other):
        record.lose(error)
    assert [record.knows(error) for error in (gone, own, other)] == [True, True, False]
    assert record.outcome == "empty"


def test_what_befell_another_connection_is_no_doing_of_its_own_peer(record):
    gone = ConnectionResetError(*GONE.args)
    record.lose(gone)
    assert not Record(Counter(), "127.0.0.1:2", 100.0, LIMITS).knows(gone)


@pytest.mark.parametrize("attributes", [None, property(lambda self: self.args[0])], ids=["none", "raises"])
def test_it_may_be_of_a_class_that_has_attributes_in_its_own_way(record, attributes):
    odd = type("OddError", (ConnectionResetError,), {"__dict__": attributes})
    gone, another = odd(), odd()
    record.lose(gone)
    record.mark(gone)
    assert [record.knows(error) for error in (gone, another)] == [True, False]


def test_who_does_not_wait_is_never_late(record):
    asked(record)
    assert not record.overdue(1e9)
    record.gave(1, 1e9)
    assert not record.overdue(2e9)


def test_the_read_deadline_counts_only_what_was_waited(record):
    receive(record, 1, 100.0, 104.0)
    # The handler works for a thousand seconds.
    record.wait(1104.0)
    assert not record.overdue(1109.9)
    assert record.overdue(1110.0)
    assert not record.overdue(1111.0)  # said once


def test_waits_that_bring_nothing_count_for_the_read_deadline(record):
    asked(record)
    for number in range(9):
        miss(record, 200.0 + number, 201.0 + number)
        assert not record.overdue(201.0 + number)
    record.wait(300.0)
    assert not record.overdue(300.5)
    assert record.overdue(301.0)
    assert record.outcome == "read_timeout"


def test_each_request_has_the_read_deadline_anew_from_its_first_bytes(record):
    receive(record, 1, 100.0, 109.0)
    record.gave(1, 109.5)
    receive(record, 1, 109.5, 150.0)  # 40 s of silence before it
    record.wait(150.0)
    assert not record.overdue(159.9)
    assert record.overdue(160.0)


def test_silence_after_a_reply_is_idle_and_polling_does_not_hide_it(record):
    answered(record)
    for number in range(59):
        miss(record, 200.0 + number, 201.0 + number)
    record.wait(300.0)
    assert not record.overdue(300.9)
    assert record.overdue(301.0)
    assert record.outcome == "idle_timeout"


def test_a_stream_that_has_no_reply_is_held_to_silence_alone():
    record = Record(Counter(), "", 0.0, Limits(idle_timeout=5))
    for number in range(100):
        receive(record, 1, 4.0 * number, 4.0 * number + 4)
    record.wait(400.0)
    assert not record.overdue(404.9)
    assert record.overdue(405.0)
    assert record.outcome == "read_timeout"  # of bytes that had come, and no exchange


def test_silence_amid_a_later_request_is_held_to_the_read_timeout_where_there_is_one():
    for limits, longest in ((Limits(read_timeout=10, idle_timeout=5), 10), (Limits(idle_timeout=5), 5)):
        record = Record(Counter(), "", 100.0, limits)
        answered(record)
        receive(record, 1, 200.0, 200.0)
        record.wait(200.0)
        assert not record.overdue(199.9 + longest)
        assert record.overdue(200.1 + longest)
        assert record.outcome == "read_timeout"


@pytest.mark.parametrize(
    "heard",
    [lambda record: receive(record, 1, 150.0, 150.0), lambda record: record.gave(1, 150.0)],
    ids=["bytes that came", "a reply"],
)
def test_silence_begins_anew_with_what_comes_and_with_what_is_sent(record, heard):
    record.limits = Limits(idle_timeout=60)
    receive(record, 1, 100.0, 100.0)
    miss(record, 100.0, 150.0)  # a handler that polls
    heard(record)
    record.wait(150.0)
    assert not record.overdue(209.9)
    assert record.overdue(210.0)


def test_who_never_sent_is_held_to_both_deadlines_and_who_was_greeted_to_the_idle_one():
    idle = Limits(idle_timeout=5)
    both = Limits(read_timeout=9, idle_timeout=5)
    for limits, before in ((Limits(read_timeout=5), None), (idle, None), (both, None), (idle, greeted)):
        record = Record(Counter(), "", 100.0, limits)
        if before is not None:
            before(record)
        record.wait(100.1)
        assert not record.overdue(105.0)
        assert record.overdue(105.2)


def test_without_limits_nobody_is_late():
    record = Record(Counter(), "", 0.0)
    for before in (None, asked, answered):
        if before is not None:
            before(record)
        record.wait(1.0)
        assert not record.overdue(1e9)


def test_what_is_idle_at_a_drain(record):
    assert not record.idle(0.9, grace=1.0)
    assert record.idle(1.0, grace=1.0)
    greeted(record)
    assert record.idle(0.0, grace=1.0)
    asked(record)
    assert not record.idle(1e9, grace=1.0)
    assert record.pending
    record.gave(1, 100.2)
    assert record.idle(0.0, grace=1.0)
    asked(record)
    assert not record.idle(1e9, grace=1.0)


def test_a_deadline_is_told_as_an_error_that_is_known_again(record):
    asked(record)
    record.wait(100.2)
    assert record.overdue(200.0)
    error = record.lateness()
    assert isinstance(error, TimeoutError)
    assert record.knows(error)
    assert record.error == "TimeoutError: the client did not send in time"


def test_who_takes_nothing_is_late_too(record):
    answered(record)
    record.stall()
    assert record.outcome == "write_timeout"
    record.wait(200.0)
    assert not record.overdue(1e9)
    assert str(record.lateness()) == "the client did not take the reply in time"


def test_a_count_of_sends_that_several_threads_have_spoiled_is_right_again_once_none_is_under_way():
    record = SharedRecord(Counter(), "", 0.0)
    for change, under_way in ((1, True), (1, True), (-1, False), (-1, False), (1, True), (-1, False)):
        record.blocked += change
        assert bool(record.blocked) == under_way

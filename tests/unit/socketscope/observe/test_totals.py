"""What a listener's connections add up to: in each snapshot accepted is open plus closed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from socketscope.observe.datagrams import Datagram
from socketscope.observe.record import MOST_RESPONSES, Record
from socketscope.observe.totals import Capacity, DatagramTotals, StreamTotals
from tests.threads import in_a_thread
from tests.unit.socketscope.patience import PATIENCE


@pytest.fixture
def capacity():
    return Capacity(2)


@pytest.fixture
def totals(capacity):
    return StreamTotals(capacity)


@pytest.fixture
def record(totals):
    record = Record(totals, "", 100.0)
    assert totals.accept(record)
    return record


def exchange(record, begin, end):
    record.wait(begin)
    record.took(3, begin)
    record.gave(2, end)


def states(figures):
    return figures.accepted, figures.open, sum(figures.closed.values())


def test_a_connection_is_accepted_then_open_then_closed(totals, capacity):
    record = Record(totals, "", 100.0)
    assert states(totals.snapshot()) == (0, 0, 0)
    assert totals.accept(record)
    assert (states(totals.snapshot()), capacity.taken, list(totals.records)) == ((1, 1, 0), 1, [record])
    record.entered_at = 100.0
    assert totals.close(record, 104.0)
    assert (states(totals.snapshot()), capacity.taken, list(totals.records)) == ((1, 0, 1), 0, [])
    assert totals.snapshot().handle.sum == pytest.approx(4.0)


def test_a_place_can_be_reserved_for_who_is_not_accepted_yet(totals, capacity):
    record = Record(totals, "", 100.0)
    assert totals.reserve(record)
    assert (states(totals.snapshot()), capacity.taken) == ((0, 0, 0), 1)
    totals.confirm(record)
    assert (states(totals.snapshot()), capacity.taken) == ((1, 1, 0), 1)


def test_who_had_a_place_and_is_rejected_gives_it_back(totals, capacity):
    record = Record(totals, "", 100.0)
    assert totals.reserve(record)
    totals.reject("verify", record)
    assert (states(totals.snapshot()), capacity.taken) == ((0, 0, 0), 0)
    assert totals.snapshot().rejected == {"capacity": 0, "verify": 1}
    assert not totals.close(record, 101.0)  # it is no connection that ended
    assert (states(totals.snapshot()), capacity.taken) == ((0, 0, 0), 0)


def test_what_passed_before_it_was_accepted_counts_once_it_is_and_never_if_it_is_not(totals):
    accepted, rejected = (Record(totals, "", 100.0) for _ in range(2))
    for record in (accepted, rejected):
        assert totals.reserve(record)
        record.took(5, 100.5)
    assert totals.snapshot().received == 0
    totals.confirm(accepted)
    totals.reject("verify", rejected)
    assert totals.snapshot().received == 5


def test_who_ends_before_it_was_accepted_was_accepted_all_the_same(totals, capacity):
    record = Record(totals, "", 100.0)
    assert totals.reserve(record)
    assert totals.close(record, 101.0)
    assert (states(totals.snapshot()), capacity.taken) == ((1, 0, 1), 0)


def test_no_more_than_the_limit_have_places(totals, capacity):
    records = [Record(totals, "", 0.0) for _ in range(4)]
    assert [totals.accept(records[0]), totals.reserve(records[1])] == [True, True]
    assert [totals.accept(records[2]), totals.reserve(records[3])] == [False, False]
    totals.reject("capacity")
    assert (capacity.taken, totals.snapshot().rejected["capacity"]) == (2, 1)
    totals.close(records[0], 1.0)
    assert totals.reserve(records[3])


def test_the_limit_is_for_all_who_share_it(totals, capacity):
    others = DatagramTotals(capacity)
    assert others.accept(Datagram("", 1))
    assert totals.accept(Record(totals, "", 0.0))
    assert not others.accept(Datagram("", 1))
    assert not totals.accept(Record(totals, "", 0.0))


def test_who_waits_for_a_place_is_woken_when_there_is_one(totals, capacity):
    records = [Record(totals, "", 0.0) for _ in range(2)]
    assert capacity.wait(0)
    assert all(map(totals.accept, records))
    assert not capacity.wait(0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(capacity.wait, PATIENCE)
        while not capacity.waiting:
            pass
        totals.close(records[0], 1.0)
        assert waiting.result(PATIENCE / 2)


def test_bytes_are_in_every_snapshot_as_soon_as_they_have_passed(record, totals):
    for number in range(1, 4):
        record.gave(2, 100.0 + number)
        assert totals.snapshot().sent == 2 * number
    record.took(3, 105.0)
    figures = totals.snapshot()
    assert (figures.received, figures.sent, figures.exchanges) == (3, 6, 0)


def test_an_exchange_is_counted_at_its_turn_and_timed_when_it_has_ended(record, totals):
    for number, begin, end in ((1, 100.1, 100.2), (2, 101.0, 103.0)):
        exchange(record, begin, end)
        figures = totals.snapshot()
        assert (figures.exchanges, sum(figures.response.counts)) == (number, number - 1)
    totals.close(record, 104.0)
    figures = totals.snapshot()
    assert (figures.received, figures.sent, figures.exchanges) == (6, 4, 2)
    assert figures.response.sum == pytest.approx(2.1)


def test_a_response_that_has_ended_is_in_the_next_snapshot_though_no_byte_has_passed_since(record, totals):
    exchange(record, 100.1, 100.2)
    totals.snapshot()
    record.wait(100.3)
    assert totals.snapshot().response.sum == pytest.approx(0.1)


def test_nothing_is_lost_where_nobody_looks(record, totals):
    for number in range(10 * MOST_RESPONSES):
        exchange(record, 100.0 + number, 100.5 + number)
        assert len(record.responses) <= MOST_RESPONSES
    totals.close(record, 1e6)
    figures = totals.snapshot()
    assert (figures.exchanges, figures.received) == (10 * MOST_RESPONSES, 30 * MOST_RESPONSES)
    assert figures.response.sum == pytest.approx(5 * MOST_RESPONSES)


def test_a_record_is_closed_once(record, totals, capacity):
    record.fail("forced")
    assert totals.close(record, 101.0)
    assert not totals.close(record, 102.0)
    record.took(5, 103.0)
    totals.add(record)
    figures = totals.snapshot()
    assert (figures.received, figures.closed["forced"], figures.open, capacity.taken) == (0, 1, 0, 0)


@pytest.mark.parametrize(("left", "seconds"), [(None, 0.0), (int, 4.0)])
def test_where_nothing_was_seen_it_is_timed_if_a_hook_had_handed_it_on(record, totals, left, seconds):
    record.left = left
    assert totals.close(record, 104.0) == ("empty", seconds)
    assert sum(totals.snapshot().handle.counts) == bool(seconds)


def test_a_snapshot_is_not_changed_by_what_comes_later(record, totals):
    before = totals.snapshot()
    record.took(5, 101.0)
    record.gave(5, 102.0)
    totals.reject("capacity")
    totals.accept_error("other")
    totals.close(record, 103.0)
    assert states(before) == (1, 1, 0)
    assert (before.received, before.exchanges, before.rejected["capacity"]) == (0, 0, 0)
    assert (before.accept_errors["other"], before.handle.sum) == (0, 0.0)


def test_who_takes_the_place_of_a_listener_that_closed_goes_on_from_its_figures(record, totals, capacity):
    totals.close(record, 101.0)
    later = StreamTotals(capacity)
    later.resume(totals)
    later.accept(Record(later, "", 102.0))
    assert states(later.snapshot()) == (2, 1, 1)


@pytest.mark.usefixtures("hurried")
def test_nothing_is_lost_or_counted_twice_while_somebody_looks(record, totals):
    def talk():
        for number in range(20_000):
            exchange(record, 100.0 + number, 100.5 + number)
        totals.close(record, 1e6)

    thread = in_a_thread(talk)
    seen = [totals.snapshot() for _ in iter(thread.is_alive, False)]
    thread.join()
    assert [figures.received for figures in seen] == sorted(figures.received for figures in seen)
    figures = totals.snapshot()
    assert (figures.received, figures.sent, figures.exchanges) == (60_000, 40_000, 20_000)
    assert figures.response.sum == pytest.approx(10_000)


@pytest.mark.usefixtures("hurried")
def test_each_snapshot_is_of_one_moment_while_connections_come_and_go():
    totals = StreamTotals(Capacity(1000))
    number = 2_000

    def come_and_go():
        for _ in range(number):
            record = Record(totals, "", 0.0)
            assert totals.accept(record)
            exchange(record, 1.0, 2.0)
            assert totals.close(record, 3.0)

    threads = [threading.Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    seen = [totals.snapshot() for _ in iter(lambda: any(t.is_alive() for t in threads), False)]
    assert all(f.accepted == f.open + sum(f.closed.values()) for f in seen)
    figures = totals.snapshot()
    assert states(figures) == (3 * number, 0, 3 * number)
    assert (figures.received, figures.exchanges, totals.capacity.taken) == (9 * number, 3 * number, 0)


class Switched:
    """A number of seconds whose use has another thread do something in the middle of it."""

    def __init__(self, seconds, then):
        self.seconds, self.then = seconds, then

    def __sub__(self, other):
        self.then()
        return self.seconds - other


def while_held(capacity, function):
    """Return whether the lock is held when another thread calls something."""
    with ThreadPoolExecutor(1) as pool:
        free = pool.submit(capacity.lock.acquire, blocking=False).result(PATIENCE)
        if free:
            capacity.lock.release()
            function()
        return not free


def test_a_close_is_one_step_to_whoever_looks(record, totals, capacity):
    held = []
    record.entered_at = 100.0
    now = Switched(104.0, lambda: held.append(while_held(capacity, totals.snapshot)))
    assert totals.close(record, now)
    assert held == [True]


def test_a_snapshot_is_one_step_to_whoever_counts(totals, capacity, monkeypatch):
    held, add = [], StreamTotals._add

    def watched(self, records):
        held.append(while_held(capacity, lambda: None))
        add(self, records)

    monkeypatch.setattr(StreamTotals, "_add", watched)
    totals.snapshot()
    assert held == [True]


def test_a_datagram_is_counted_by_what_became_of_it(capacity):
    totals = DatagramTotals(capacity)
    answered, silent, failed = (Datagram("", size) for size in (1, 10, 100))
    answered.sent, answered.exchanges, failed.failure = 7, 1, "handler_error"
    for datagram in (answered, silent, failed):
        assert totals.accept(datagram)
        assert totals.close(datagram, 0.5)
        assert not totals.close(datagram, 0.5)
    totals.drop("truncated")
    totals.lost = 3
    figures = totals.snapshot()
    assert figures.outcomes == {
        "ok": 1, "no_reply": 1, "truncated": 1, "no_address": 0, "dropped": 0, "handler_error": 1,
    }  # fmt: skip
    assert (figures.received, figures.sent, figures.exchanges, figures.lost) == (111, 7, 1, 3)
    assert figures.handle.sum == pytest.approx(1.5)
    assert (len(totals.records), capacity.taken) == (0, 0)


def test_a_datagram_that_a_hook_turns_away_has_had_no_time_in_a_handler(capacity):
    totals = DatagramTotals(capacity)
    totals.accept(datagram := Datagram("", 0))
    datagram.failure = "dropped"
    datagram.gave(7)
    assert totals.close(datagram, 0.5) == ("dropped", 0.0)
    figures = totals.snapshot()
    assert (figures.outcomes["dropped"], figures.sent, figures.exchanges) == (1, 7, 1)
    assert sum(figures.handle.counts) == 0


def test_who_asked_the_kernel_earlier_and_tells_later_takes_nothing_back(capacity):
    totals = DatagramTotals(capacity)
    totals.note_lost(5)
    totals.note_lost(3)
    assert totals.snapshot().lost == 5


def test_the_next_of_a_name_goes_on_from_what_the_kernel_lost(capacity):
    first, second = DatagramTotals(capacity), DatagramTotals(capacity)
    first.lost = 3
    second.resume(first)
    second.lost = 2
    assert (second.snapshot().lost, first.snapshot().lost) == (5, 3)  # which is once, whoever is shown


def test_who_was_forced_is_not_counted_as_rejected_as_well(totals, capacity):
    totals.reserve(other := Record(totals, "", 100.0))
    other.fail("forced")
    assert totals.close(other, 101.0) == ("forced", 0.0)  # no handler was entered
    assert not totals.reject("verify", other)
    figures = totals.snapshot()
    assert (figures.accepted, figures.closed["forced"], figures.rejected["verify"]) == (1, 1, 0)
    assert capacity.taken == 0


def test_who_sends_amid_a_look_at_the_totals_waits_for_nobody(record, totals, capacity):
    with capacity.lock:  # as a finalizer does, which the interpreter may call there
        for number in range(MOST_RESPONSES):
            exchange(record, 100.0 + number, 100.5 + number)
    assert totals.snapshot().exchanges == MOST_RESPONSES

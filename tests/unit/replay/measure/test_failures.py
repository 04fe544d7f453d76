from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.measure.failures import Failure, around_difference
from socketscope.replay.measure.ledger import Ledger

WRONG = Failure("x.talk", 3, "hello", "hallo")
ALSO_WRONG = Failure("x.talk", 3, "hello", "hullo")
LATE = Failure("x.talk", 3, "'hello'", "nothing in 1 s", is_text=False)


def test_failures_of_one_place_and_kind_are_one_with_a_count():
    ledger = Ledger(["main"])
    ledger.began = 100.0
    for outcome, failure, ended in (
        ("mismatch", WRONG, 101.0),
        ("mismatch", ALSO_WRONG, 103.0),
        ("timeout", LATE, 104.0),
    ):
        ledger.exchange("main", outcome, 0.0, 0.0, failure, ended)
        ledger.take_ended()
    assert [(kind.first, kind.outcome, kind.at, kind.count) for kind in ledger.failures.values()] == [
        (WRONG, "mismatch", 1.0, 2),
        (LATE, "timeout", 4.0, 1),
    ]


def test_short_texts_are_kept_whole():
    assert around_difference(b"a" * 2000, b"b") == (b"a" * 2000, b"b")


def test_of_long_texts_dots_tell_on_which_side_something_is_left_out():
    one, other = around_difference(b"=" * 2000 + b"1" + b"-" * 2000, b"=" * 2000 + b"2" + b"-" * 999)
    assert one.decode() == f"…{'=' * 1000}1{'-' * 999}…"
    assert other.decode() == f"…{'=' * 1000}2{'-' * 999}"


@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 5000))
def test_of_long_texts_both_sides_of_the_difference_are_kept(alike, expected_more, got_more):
    expected, got = b"=" * alike + b"e" * expected_more, b"=" * alike + b"g" * got_more
    kept = around_difference(expected, got)
    parting = next((n for n, (a, b) in enumerate(zip(*kept, strict=False)) if a != b), min(map(len, kept)))
    for whole, part, letter in zip((expected, got), kept, (b"e", b"g"), strict=True):
        assert len(part) <= 2006
        assert part[parting:].startswith(whole[alike : alike + 900].rstrip("…".encode())), letter
        assert part[:parting].endswith(b"=" * min(alike, 900))

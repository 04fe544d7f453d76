"""What has come on a connection, as it is taken."""

import re

import pytest

from socketscope.replay.wire.inbox import LONGEST_LINE, Closed, Datagrams, Inbox


def test_lines_are_taken_in_order_and_what_ends_none_waits_for_its_end():
    inbox = Inbox()
    inbox.add(b"one\r\ntwo\nthr")
    assert [inbox.take_line() for _ in range(3)] == [b"one", b"two", None]
    inbox.add(b"ee\n")
    assert (inbox.take_line(), inbox.data) == (b"three", b"")


def test_at_the_end_what_ends_no_line_is_told():
    inbox = Inbox()
    inbox.add(b"half")
    inbox.ended = True
    with pytest.raises(Closed) as closed:
        inbox.take_line()
    assert (closed.value.partial, inbox.data) == (b"half", b"")


def test_at_the_end_what_does_not_match_is_told():
    inbox = Inbox()
    inbox.add(b"half")
    assert inbox.take_match(re.compile(b"> $")) is None
    inbox.ended = True
    with pytest.raises(Closed) as closed:
        inbox.take_match(re.compile(b"> $"))
    assert closed.value.partial == b"half"


def test_bytes_that_are_all_there_are_taken_at_the_end_too_and_fewer_are_told():
    inbox = Inbox()
    inbox.add(b"whole, half")
    inbox.ended = True
    assert inbox.take_bytes(7) == b"whole, "
    with pytest.raises(Closed) as closed:
        inbox.take_bytes(5)
    assert closed.value.partial == b"half"


def test_what_comes_without_end_and_ends_no_line_is_too_much():
    inbox = Inbox()
    inbox.add(bytes(LONGEST_LINE))
    assert inbox.take_line() is None
    inbox.add(b"\0")
    with pytest.raises(OverflowError):
        inbox.take_line()


def test_the_end_of_a_datagram_is_shown_as_that_of_a_line_and_is_no_byte_of_it():
    inbox = Datagrams()
    inbox.add(b"one")
    assert (inbox.unread(), inbox.any_or_end()) == (b"one", b"one\n")
    inbox.add(b"two\n")
    assert (inbox.unread(), inbox.any_or_end()) == (b"one\ntwo\n", b"one\ntwo\n")

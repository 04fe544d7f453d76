import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.script.text import decode, encode, escape, parse_text, regex_groups

RANDOM = Random(7)


@given(st.binary() | st.text().map(str.encode))
def test_bytes_become_a_text_of_a_script_and_bytes_again(data):
    text = escape(data)
    assert text.isprintable()
    assert parse_text(text).fill({}, RANDOM) == data


@given(st.binary())
def test_bytes_that_are_no_text_are_kept(data):
    assert encode(decode(data)) == data


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (r"a\\b\r\n\t\0\x41\xff", b"a\\b\r\n\t\0A\xff"),
        ("$5 $$ $", b"$5 $$ $"),
        ("$${seq} $$${x", b"${seq} $${x"),
        ("${seq}:${user}:${env:HOME}", b"7:3:/root"),
        ("é", b"\xc3\xa9"),
    ],
)
def test_a_text_is_filled_in(text, data):
    assert parse_text(text).fill({"seq": "7", "user": "3", "env:HOME": "/root"}, RANDOM) == data


def test_what_is_random_has_the_form_that_was_asked_for():
    for _ in range(50):
        value = parse_text("${random:hex:3} ${random:int:-1:1}").fill({}, RANDOM)
        assert re.fullmatch(rb"[0-9a-f]{3} (-1|0|1)", value)


def test_in_an_expression_backslashes_stay_and_values_are_escaped():
    template = parse_text(r"^\d ${x}$", escapes=False)
    assert template.fill({"x": "a.b"}, RANDOM, re.escape) == rb"^\d a\.b$"
    assert template.shown(escapes=False) == r"^\d ${x}$"


def test_the_names_of_groups_are_found_where_values_stand_too():
    assert regex_groups(r"(?P<a>.)\(?P<b>${seq}(?P<c>x)") == ("a", "c")

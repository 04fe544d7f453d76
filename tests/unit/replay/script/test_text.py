import hmac
import re
import time
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.script.context import Context
from socketscope.replay.script.errors import TextError
from socketscope.replay.script.expressions import parse_expression
from socketscope.replay.script.text import decode, encode, escape, excerpt, parse_text

RANDOM = Random(7)


@given(st.binary() | st.text().map(str.encode))
def test_bytes_become_a_text_of_a_script_and_bytes_again(data):
    text = escape(data)
    assert text.isprintable()
    assert parse_text(text).fill(Context(RANDOM)) == data


def test_a_text_of_megabytes_is_parsed_by_its_runs_and_not_by_its_characters():
    began = time.process_time()
    assert len(parse_text("x" * (4 << 20)).fill(Context(RANDOM))) == 4 << 20
    assert time.process_time() - began < 0.5


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
    assert parse_text(text).fill(Context(RANDOM, {"seq": "7", "user": "3", "env:HOME": "/root"})) == data


def test_what_is_random_has_the_form_that_was_asked_for():
    for _ in range(50):
        value = parse_text("${random:hex:3} ${random:int:-1:1}").fill(Context(RANDOM))
        assert re.fullmatch(rb"[0-9a-f]{3} (-1|0|1)", value)


def test_in_an_expression_backslashes_stay_and_values_are_escaped():
    template, _ = parse_expression(r"^\d ${x}$")
    assert template.fill(Context(RANDOM, {"x": "a.b"}), re.escape) == rb"^\d a\.b$"
    assert template.source == r"^\d ${x}$"


def test_the_names_of_groups_are_found_where_values_stand_too():
    assert parse_expression(r"(?P<a>.)\(?P<b>${seq}(?P<c>x)")[1] == ("a", "c")


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("${len:}", b"0"),
        (r"${len:é\r\n}", b"4"),
        ('${len:{"a": {}}}', b"9"),
        ("${len:$${x}}", b"4"),
        ("${len:${x}${len:${x}}}", b"4"),
        (r"${len:\x7d}$${len:}", b"1${len:}"),
        (r"${base64:\0user\0${x}}", b"AHVzZXIAYS5i"),
        ("${hex:${x}}", b"612e62"),
        ("${sha256:abc}", b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        # RFC 4231, section 4.3
        (
            "${hmac-sha256:Jefe:what do ya want for nothing?}",
            b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (r"${hmac-sha256:a\x3a${x}:b:c}", hmac.new(b"a:a.b", b"b:c", "sha256").hexdigest().encode()),
    ],
)
def test_a_function_takes_a_text_of_its_own(text, data):
    assert parse_text(text).fill(Context(RANDOM, {"x": "a.b"})) == data


def test_the_time_is_that_of_now_in_utc():
    before = time.time()
    text = parse_text("${now} ${now:%s} ${now:%Y-%m-%d %%s}").fill(Context(RANDOM)).decode()
    stamp, seconds, date, percent = text.split()
    assert before - 1 <= datetime.fromisoformat(stamp).timestamp() <= time.time()
    assert int(before) <= int(seconds) <= time.time()
    assert (date, percent) == (datetime.now(UTC).date().isoformat(), "%s")


def test_a_uuid_is_another_each_time_and_follows_from_the_seed():
    template = parse_text("${uuid}")
    drawn = [template.fill(Context(Random(seed))).decode() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert UUID(drawn[0]).version == 4


@pytest.mark.parametrize(
    ("expression", "data", "found"),
    [
        (r"^\xff$", b"\xff", True),
        ("^é+$", "éé".encode(), True),
        ("^é?a$", b"a", True),
        (r"^\é$", "é".encode(), True),
        (r"^[\]é]$".replace("é", ""), b"]", True),
        (r"^(?#[é])a\(?#é$", "a(#é".encode(), True),
        (r"^\w$", "é".encode(), False),
        ("^.$", "é".encode(), False),
        ("^${x}+$", b"a.b", True),
    ],
)
def test_an_expression_meets_bytes(expression, data, found):
    pattern = parse_expression(expression)[0].fill(Context(RANDOM, {"x": "a.b"}), re.escape)
    assert bool(re.search(pattern, data)) is found


def test_a_long_expression_takes_no_longer_than_its_length():
    for expression in ("[" * 500_000, "[]" * 100_000 + "[^", "a[" + "\\]" * 100_000):
        with pytest.raises(TextError, match="not a regular expression|unclear regular expression"):
            parse_expression(expression)


def test_deep_functions_are_filled_in():
    assert parse_text("${len:" * 16 + "}" * 16).fill(Context(RANDOM)) == b"1"


@pytest.mark.parametrize(
    ("expression", "filled"),
    [
        ("[a${x}]é", r"[aa\.b](?:é)"),
        ("[a${x}[]é", r"[aa\.b[](?:é)"),
        ("[^]${x}]é", r"[^]a\.b](?:é)"),
        (r"\[é]", r"\[(?:é)]"),
    ],
)
def test_a_class_ends_where_it_ends_whatever_stands_in_it(expression, filled):
    template, _ = parse_expression(expression)
    assert template.fill(Context(RANDOM, {"x": "a.b"}), re.escape).decode() == filled


@given(st.binary(max_size=40), st.dictionaries(st.sampled_from("abc"), st.text(min_size=1, max_size=3)))
def test_no_secret_is_in_what_is_shown_and_the_rest_reads_back(data, values):
    context = Context(RANDOM, {f"env:{name}": value for name, value in values.items()})
    text = excerpt(data + b" ".join(encode(value) for value in values.values()), context)
    assert parse_text(text).fill(context).startswith(data)
    for value in values.values():
        if value.isascii() and value.isalnum() and not any(value in f"${{env:{n}}}" for n in "abc"):
            assert value not in re.sub(r"\$\{env:.\}|\\x..|\\.", " ", text)


def test_what_a_function_makes_of_a_secret_is_one_and_a_length_is_not():
    context = Context(RANDOM, {"env:PASS": "sesame", "user": "6"})
    parse_text("${base64:x${env:PASS}} ${len:${env:PASS}} ${hex:${user}}").fill(context)
    said = b"sesame eHNlc2FtZQ== 6 36"
    assert excerpt(said, context) == "${env:PASS} ${base64:x${env:PASS}} 6 36"


def test_a_backslash_that_is_escaped_itself_escapes_no_variable_behind_it():
    template, _ = parse_expression(r"\\${n}$")
    assert re.fullmatch(template.fill(Context(Random(1), {"n": "a.b"}), re.escape), rb"\a.b")


def test_what_is_shown_is_bounded_also_beside_secrets():
    shown = excerpt(b"a" * 600 + b"hidden" + b"b" * 600, {"env:KEY": "hidden"})
    assert shown == f"{'a' * 600}${{env:KEY}}{'b' * 400}…"


def test_seconds_since_1970_are_those_of_no_zone(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        before = int(time.time())
        assert before <= int(parse_text("${now:%s}").fill(Context(RANDOM))) <= time.time()
    finally:
        monkeypatch.undo()
        time.tzset()

"""What a recorder takes down, as the script that it becomes."""

import re
import time
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.record.lines import ANYTHING, ReplyLine, Token, tokens_of
from socketscope.replay.record.tape import LONGEST, CannotBeScriptError, Tape
from socketscope.replay.record.transcript import transcript
from socketscope.replay.script.compiler import compile_script
from socketscope.replay.script.context import Context
from socketscope.replay.script.parser import parse_transcript
from socketscope.replay.script.program import Expectation, Sending
from socketscope.replay.script.text import decode
from tests.unit.replay.record.tapes import CLOSED, CUT, LEFT, RESET, conversation, script, shown, tape

CONTEXT = Context(Random(1))

CASES = {
    "one exchange": ([(">", b"a\r\n"), ("<", b"b\r\n"), LEFT, CLOSED], "> a\n< b\n"),
    "messages in pieces": ([(">", b"a"), (">", b"b\r\n"), ("<", b"c"), ("<", b"d\n"), LEFT], "> ab\n< cd\n"),
    "many lines": (
        [(">", b"set k 0 0 1\r\nv\r\n"), ("<", b"1\r\n2\r\nEND\r\n"), LEFT, CLOSED],
        "> set k 0 0 1\\r\\nv\n< 1\n< 2\n< END\n",
    ),
    "no text": (
        [(">", b"\xff\0${a}\\ \r\n"), ("<", b"\x07\xfe \r\r\n"), LEFT],
        "> \\xff\\0$${a}\\\\\\x20\n< \\x07\\xfe \\r\n",
    ),
    "the server speaks first": (
        [("<", b"hi\r\n"), (">", b"a\r\n"), ("<", b"b\r\n"), CLOSED, LEFT],
        "< hi\n> a\n< b\n<$\n",
    ),
    "other endings": (
        [(">", b"a\n"), ("<", b"b\n"), (">", b"c"), ("<", b"d\n"), (">", b"e\r\n"), ("<", b"f\n"), LEFT],
        "@eol lf\n> a\n< b\n@eol none\n> c\n< d\n@eol crlf\n> e\n< f\n",
    ),
    "a half-close": (
        [(">", b"a\r\n"), LEFT, ("<", b"b\r\n"), ("<", b"c\r\n"), CLOSED],
        "> a\n!half-close\n< b\n< c\n<$\n",
    ),
    "an unfinished last line": ([(">", b"a\r\n"), ("<", b"b\nc"), CLOSED, LEFT], "> a\n< b\n< c\n<$\n"),
    "an unfinished last line, and the client left first": (
        [(">", b"a\r\n"), ("<", b"bye"), LEFT, CLOSED],
        "> a\n<| bye\n",
    ),
    "a client that is answered when it has left": (
        [(">", b"a\r\n"), LEFT, ("<", b"bye"), CLOSED],
        "> a\n!half-close\n< bye\n<$\n",
    ),
    "a prompt": (
        [("<", b"login: "), (">", b"me\n"), ("<", b"Hi\n$ "), (">", b"exit\n"), CLOSED],
        "<| login:\\x20\n@eol lf\n> me\n< Hi\n<| $\\x20\n> exit\n<$\n",
    ),
    "an end without a line's": ([(">", b"a\n"), ("<", b"{}"), LEFT, CLOSED], "@eol lf\n> a\n<| {}\n"),
    "a client that waits for nothing": ([(">", b"a\r\n"), LEFT, CLOSED], "@reply none\n> a\n"),
    "a reset": (
        [(">", b"a\r\n"), ("<", b"b\r\n"), (">", b"c\r\n"), RESET],
        "> a\n< b\n@reply none\n> c\n!reset\n",
    ),
    "an end without a word": ([(">", b"quit\r\n"), CLOSED, LEFT], "> quit\n<$\n"),
    "what was said to a server that had gone": (
        [(">", b"a\n"), CLOSED, (">", b"b\n"), LEFT],
        "@eol lf\n> a\n<$\n",
    ),
    "a client that was gone when the reply came": (
        [(">", b"a\r\n"), LEFT, ("<", b"1\r\n2"), ("client_vanished", b"")],
        "@reply none\n> a\n",
    ),
    "a client that was gone when the server said good-bye at its prompt": (
        [(">", b"a\n"), ("<", b"b\n$ "), LEFT, ("<", b"\r\nbye"), ("client_vanished", b"")],
        "@eol lf\n> a\n< b\n<| $\\x20\n",
    ),
    "an end in the middle of a message": (
        [(">", b"a\r\n"), ("<", b"b\r\n"), (">", b"c\r\n"), CUT],
        "> a\n< b\n",
    ),
    "an end in the middle of a reply": (
        [(">", b"a\r\n"), ("<", b"b\r\n"), (">", b"c\r\n"), ("<", b"d\r\ne"), CUT],
        "> a\n< b\n",
    ),
    "an end at a prompt": (
        [(">", b"a\n"), ("<", b"b\n$ "), ("interrupted", b"1")],
        "@eol lf\n> a\n< b\n<| $\\x20\n",
    ),
}


@pytest.mark.parametrize(("said", "written"), CASES.values(), ids=CASES)
def test_a_conversation_becomes_a_script(said, written):
    assert script(*said) == written


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ([(">", b"a\n"), ("server_reset", b""), RESET], "the server reset the connection"),
        ([(">", bytes(LONGEST)), ("<", b"\n")], "it is longer than 16 MiB"),
        ([("<", bytes(LONGEST)), ("<", b"\n")], "it is longer than 16 MiB"),
    ],
)
def test_a_conversation_that_no_script_could_hold_again_is_told(said, problem):
    with pytest.raises(CannotBeScriptError) as caught:
        tape(*said).conversation()
    assert str(caught.value) == problem


@pytest.mark.parametrize("said", [[], [LEFT, CLOSED], [CLOSED], [RESET], [(">", b"a"), CUT]])
def test_where_nothing_was_said_there_is_no_conversation(said):
    assert tape(*said).conversation() is None


def test_a_slow_server_is_waited_for():
    slow = Tape(0.0)
    slow.server_said(b"ready\n", 1.0)
    slow.client_said(b"reserve\r\n", 9.0)
    slow.server_said(b"TIMED_OUT\r\n", 12.5)
    conversation = slow.conversation()
    assert conversation is not None
    assert shown(conversation) == "@timeout 11s\n< ready\n> reserve\n< TIMED_OUT\n"
    text = transcript(conversation, with_pauses=True)
    assert "== reserve\npause 8s\n> reserve\n" in text


lines = st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"") + b"\n")
exchanges = st.tuples(
    st.binary(min_size=1, max_size=20), st.lists(lines, min_size=1, max_size=3).map(b"".join)
)


@given(st.lists(exchanges, min_size=1, max_size=4))
def test_the_script_says_byte_for_byte_what_the_client_said_and_expects_what_the_server_did(wanted):
    taken = Tape(0.0)
    for message, reply in wanted:
        taken.client_said(message, 0.0)
        taken.server_said(reply, 0.0)
    conversation = taken.conversation()
    assert conversation is not None
    text = transcript(conversation)
    program = compile_script(parse_transcript(text, "x.talk"), Path())
    sent = [a.data(CONTEXT) for a in program.actions if isinstance(a, Sending)]
    assert sent == [message for message, _ in wanted]
    expected = [a for a in program.actions if isinstance(a, Expectation)]
    said = [line.removesuffix(b"\r") for _, reply in wanted for line in reply.split(b"\n")[:-1]]
    assert all(a.matches(line, CONTEXT) == {} for a, line in zip(expected, said, strict=True))


def merged(*seen: bytes) -> str:
    line: ReplyLine | None = ReplyLine(seen[0])
    for other in seen[1:]:
        if line is not None:
            line = line.merged(ReplyLine(other))
    if line is None:
        return "apart"
    return line.expectation()


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([b"+OK"], "< +OK"),
        ([b"+OK", b"+OK"], "< +OK"),
        ([b"STAT uptime 12", b"STAT uptime 7", b"STAT uptime 1234"], r"<~ ^STAT uptime \d+$"),
        ([b"0.12 (x)", b"3.4 (x)"], r"<~ ^\d+\.\d+ \(x\)$"),
        ([b"id abc", b"id xyz"], r"<~ ^id \w+$"),
        # The next one may begin with a letter.
        ([b"id 3a4f;", b"id 17c2;"], r"<~ ^id \w+;$"),
        ([b"id a-1;", b"id b;", b"id c-d-e;"], r"<~ ^id .*;$"),
        ([b"id a-1;", b"id b;", b"id \xff;"], r"<~ ^id .*;$"),
        ([b"[Tue Nov 24 21:38:49 2026] x"], r"<~ ^\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\] x$"),
        (
            [b"220 Tue, 24 Nov 2026 21:38:49 +0000"],
            r"<~ ^220 \w{3}, [ \d]?\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$",
        ),
        (
            [b"at 2026-11-24T21:38:49.5Z"],
            r"<~ ^at \d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+|,\d{3})?Z$",
        ),
        ([b"\x07\xff 1", b"\x07\xff 2"], r"<~ ^\x07\xff \d+$"),
        ([b"id \xc3\xa9", b"id x"], "<~ ^id .*$"),
        ([b"+OK", b"-ERR"], "apart"),
        ([b"250 ok", b"550 no"], "apart"),
        ([b"250 ok", b"25 no"], r"<~ ^\d+ \w+$"),
    ],
)
def test_what_differs_between_two_recordings_becomes_a_pattern(seen, expected):
    assert merged(*seen) == expected


def test_what_differs_in_a_long_line_becomes_a_pattern_too():
    rest = "z" * 100_000
    assert merged(f"n 7 {rest}".encode(), f"n 8 {rest}".encode()) == rf"<~ ^n \d+ {rest}$"
    expression = merged(f"n {rest} 7".encode(), f"n {rest} 8".encode()).removeprefix("<~ ")
    assert re.fullmatch(r"\^n z+\.\*\$", expression)
    assert merged(f"12:00:00 {rest}".encode()) == rf"<~ ^\d\d:\d\d:\d\d {rest}$"


def test_of_a_pattern_no_more_is_exact_than_can_be_read_in_a_moment():
    rest = "z" * 2**20
    pattern = merged(f"n 7 {rest}".encode(), f"n 8 {rest}".encode())
    assert re.fullmatch(r"<~ \^n \\d\+ z+\.\*\$", pattern)
    assert len(pattern) < len(rest)
    assert merged(f"n 7 {rest}".encode()) == f"< n 7 {rest}"


def test_what_differs_on_either_side_of_a_token_keeps_no_two_lines_apart():
    def line(before: str, behind: str) -> ReplyLine:
        pattern = (*tokens_of(f'{{"id":"{before}","token":"'), group, *tokens_of(f'","more":"{behind}"}}'))
        return ReplyLine(f'{{"id":"{before}","token":"x","more":"{behind}"}}'.encode(), pattern=pattern)

    group = Token(r"(?P<token>\w+)", "expression")
    either = line("4c9e-a1", "7e-55").merged(line("b0c4f031", "1"))
    assert either is not None
    expected = r'<~ ^\{"id":".*","token":"(?P<token>\w+)","more":".*"\}$'
    assert either.expectation() == expected
    assert either.merged(line("a.b", "c d")) is not None


def test_a_token_behind_anything_is_taken_whole():
    group = Token(r"(?P<token>\w+)", "expression")
    line = ReplyLine(b"x", pattern=(Token("x"), ANYTHING, group)).expectation()
    assert line == r"<~ ^x.*?(?P<token>\w+)$"
    found = re.search(line.removeprefix("<~ "), "x 1-2 abc3")
    assert found is not None
    assert found["token"] == "abc3"


@given(st.lists(lines, min_size=2, max_size=4))
def test_a_pattern_matches_all_that_was_seen(seen):
    said = [line.removesuffix(b"\n").removesuffix(b"\r") for line in seen]
    line = ReplyLine(said[0])
    alike = said[:1]
    for other in said[1:]:
        if (merged := line.merged(ReplyLine(other))) is not None:
            line = merged
            alike.append(other)
    text = script_of(line)
    program = compile_script(parse_transcript(text, "x.talk"), Path())
    (expectation,) = (action for action in program.actions if isinstance(action, Expectation))
    assert all(expectation.matches(one, CONTEXT) == {} for one in alike)


def script_of(line: ReplyLine) -> str:
    taken = Tape(0.0)
    taken.server_said(b"x\n", 0.0)
    conversation = taken.conversation()
    assert conversation is not None
    return transcript(replace(conversation, lines=(line,)))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(f"at {int(time.time())} s", r"<~ ^at \d{10} s$", id="seconds of now"),
        pytest.param(f"at {time.time_ns()} ns", r"<~ ^at \d{19} ns$", id="nanoseconds of now"),
        ("at 1234567890 s", "< at 1234567890 s"),
        ("call 5550123456", "< call 5550123456"),
        (time.strftime("on %Y-%m-%d"), r"<~ ^on \d{4}-\d\d-\d\d$"),
        ("born 1815-12-10", "< born 1815-12-10"),
        ("[26/Nov/2026:05:45:54 +0000]", r"<~ ^\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\]$"),
        (
            "created Thu Nov 26 2026 at 05:45:54",
            r"<~ ^created \w{3} \w{3} [ \d]\d \d{4} (?:at )?\d\d:\d\d:\d\d$",
        ),
        ("<13>Nov  6 05:45:54 host", r"<~ ^<13>\w{3} [ \d]\d \d\d:\d\d:\d\d host$"),
        ("mac 00:11:22:33:44:55", "< mac 00:11:22:33:44:55"),
        (
            "done (0.001 + 0.003 secs).",
            r"<~ ^done \(\d+\.\d+(?: \+ \d+\.\d+)* ?(?:m?s|m?secs?|seconds)\b\)\.$",
        ),
        ("took 1.5ms", r"<~ ^took \d+\.\d+(?: \+ \d+\.\d+)* ?(?:m?s|m?secs?|seconds)\b$"),
        ("version 1.5 stable", "< version 1.5 stable"),
        ("STAT uptime 86", r"<~ ^STAT uptime \d+$"),
        (
            "2026-11-26 05:45:54,123 x",
            r"<~ ^\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+|,\d{3})? x$",
        ),
        ("2026/11/26 05:45:54 x", r"<~ ^\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+|,\d{3})? x$"),
        ("Thu Nov 26 05:45:54 UTC 2026", r"<~ ^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d [A-Z]{3,5} \d{4}$"),
        ('"26-Nov-2026 05:45:54 +0000"', r'<~ ^"[ \d]?\d[ -]\w{3}[ -]\d{4} \d\d:\d\d:\d\d \+0000"$'),
        (
            "2026-11-26 05:45:54,42,on",
            r"<~ ^\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+|,\d{3})?,42,on$",
        ),
        ("[05:45:54.123]", r"<~ ^\[\d\d:\d\d:\d\d(?:\.\d+|,\d{3})\]$"),
        (time.strftime("111 %Y%m%d054554"), r"<~ ^111 \d{14}$"),
        (time.strftime("52=%Y%m%d-05:45:54.1"), r"<~ ^52=\d{8}-\d\d:\d\d:\d\d(?:\.\d+|,\d{3})$"),
        ("account 18151210 and 18151210054554", "< account 18151210 and 18151210054554"),
        ("up 05:45:54", r"<~ ^up \d\d:\d\d:\d\d$"),
        ("今天05:45:54", r"<~ ^今天\d\d:\d\d:\d\d$"),
    ],
)
def test_times_are_no_part_of_a_conversation_and_other_numbers_are(said, expected):
    assert merged(said.encode()) == expected


def test_steps_are_named_after_the_first_word_of_a_message():
    taken = conversation(
        ("<", b"* OK\r\n"), (">", b"a1 SELECT INBOX\r\n"), ("<", b"a1 OK\r\n"),
        (">", b"*1\r\n$4\r\nPING\r\n"), ("<", b"+PONG\r\n"), (">", b"\0\1"), ("<", b"x\r\n"),
    )  # fmt: skip
    assert [line for line in shown(taken, steps=True).splitlines() if line.startswith("==")] == [
        "== greeting", "== SELECT", "== PING", "== message",
    ]  # fmt: skip


def test_whoever_was_faster_it_is_one_conversation():
    waits = conversation(
        ("<", b"220 hi 1\n"), (">", b"a\n"), ("<", b"1\n"), (">", b"b\n"), ("<", b"2\n"), LEFT
    )
    eager = conversation((">", b"a\n"), ("<", b"220 hi 2\n"), (">", b"b\n"), ("<", b"1\n2\n"), LEFT)
    hasty = conversation((">", b"a\nb\n"), LEFT, ("<", b"220 hi 3\n1\n"), ("client_vanished", b""))
    quits = conversation((">", b"a\nb\n"), ("<", b"220 hi 4\n1\n2\n"), CLOSED)
    for order in permutations((waits, eager, hasty, quits)):
        one = order[0]
        for other in order[1:]:
            either = one.merged(other)
            assert either is not None
            one = either
        assert shown(one) == "<~ ^220 hi \\d+$\n@eol lf\n> a\n< 1\n> b\n< 2\n<$\n"


def test_a_reply_that_another_waited_for_in_vain_is_another_conversation():
    some = conversation((">", b"get\n"), ("<", b"VALUE\nEND\n"), LEFT)
    none = conversation((">", b"get\n"), ("<", b"VALUE\n"), CLOSED)
    assert some.merged(none) is none.merged(some) is None


def test_a_client_that_resets_some_of_the_times_is_one_that_does_not():
    resets = conversation((">", b"get\n"), ("<", b"VALUE\n"), RESET)
    leaves = conversation((">", b"get\n"), ("<", b"VALUE\n"), LEFT)
    assert shown(resets).endswith("!reset\n")
    for one, other in permutations((resets, leaves)):
        either = one.merged(other)
        assert either is not None
        assert shown(either) == shown(leaves)


def test_a_long_line_in_many_pieces_is_taken_down_in_the_time_that_it_takes_to_come():
    began = time.thread_time()
    said = script((">", b"a\n"), *[("<", b"abcdefgh")] * 100_000, ("<", b"\n"))
    assert time.thread_time() - began < 5
    assert len(said) > 800_000


def test_a_line_of_binary_is_written_sooner_than_it_is_taken_apart():
    data = Random(1).randbytes(60_000)

    def took(what):
        began = time.thread_time()
        what()
        return time.thread_time() - began

    writing = min(took(ReplyLine(data).expectation) for _ in range(3))
    assert writing < min(took(lambda: tokens_of(decode(data))) for _ in range(3))


def test_that_a_reply_is_of_another_kind_is_known_at_its_first_line():
    def took(one, other):
        replies = [
            conversation((">", b"get\n"), ("<", first + b"a 12:00:01\n" * 10_000), LEFT)
            for first in (one, other)
        ]
        began = time.thread_time()
        merged = replies[0].merged(replies[1])
        return merged, time.thread_time() - began

    alike, all_lines = took(b"200 1\n", b"200 2\n")
    different, first_line = took(b"200 1\n", b"500 2\n")
    assert alike is not None
    assert different is None
    assert first_line < all_lines / 2


def test_a_close_behind_the_last_reply_need_be_seen_by_one_of_two():
    said = (">", b"a\n"), LEFT, ("<", b"a\n")
    seen, cut = conversation(*said, CLOSED), conversation(*said, CUT)
    assert shown(seen).endswith("!half-close\n< a\n<$\n")
    assert not shown(cut).endswith("<$\n")
    for one, other in permutations((seen, cut)):
        either = one.merged(other)
        assert either is not None
        assert shown(either) == shown(seen)

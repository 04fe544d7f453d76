import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.script import constructs as s
from socketscope.replay.script.compiler import compile_script
from socketscope.replay.script.errors import ScriptError
from socketscope.replay.script.expressions import parse_expression
from socketscope.replay.script.parser import COUNT, parse_messages, parse_transcript
from socketscope.replay.script.text import escape, literal, parse_text
from tests.printer import print_transcript

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
characters = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=20)
named = characters.filter(lambda text: text.strip() != "")
variables = st.one_of(
    names,
    names.map("env:{}".format),
    st.integers(1, 4096).map("random:hex:{}".format),
    st.tuples(st.integers(), st.integers()).map(lambda pair: f"random:int:{min(pair)}:{max(pair)}"),
    st.sampled_from(["now", "uuid", "now:%s", "now:%d/%b/%Y %H:%M:%S.%f %%"]),
).map("${{{}}}".format)
inner = st.lists(
    st.one_of(variables, st.sampled_from(["a", " ", '{"k": 1}', "\\x7d", "$${}", "é"])), max_size=3
).map("".join)
variables = st.one_of(
    variables,
    st.tuples(st.sampled_from(["len", "base64", "hex", "sha256"]), inner).map("${{{0[0]}:{0[1]}}}".format),
    st.tuples(inner, inner).map("${{hmac-sha256:{0[0]}:{0[1]}}}".format),
)
texts = st.lists(
    st.one_of(
        characters.filter(lambda text: "\\" not in text and "$" not in text),
        st.binary(max_size=8).map(escape),
        st.sampled_from(["\\\\", "\\r", "\\n", "\\t", "\\0", "\\xfF", "$${", "$$ ", "$5"]),
        variables,
    ),
    max_size=4,
).map("".join)
parts = st.sampled_from(
    ["a", " ", ".*", "[b-d]", "é+", r"[\\]\xff]", r"\d", r"\$", "(?:x|y)", "$${", "é", "\\t"]
)
expressions = st.lists(st.one_of(parts, variables), max_size=6).map("".join)
seconds = st.decimals(Decimal("0.001"), Decimal(3600), places=3).map(float)
sizes = st.integers(1, 1 << 20)

constructs = st.one_of(
    texts.map(parse_text).map(s.Send),
    st.builds(s.Dribble, sizes, seconds, texts.map(parse_text)),
    st.builds(s.Filler, sizes, st.booleans()),
    texts.filter(lambda text: not COUNT.fullmatch(text)).map(lambda text: s.Expect("line", parse_text(text))),
    texts.filter(bool).map(lambda text: s.Expect("bytes", parse_text(text))),
    expressions.filter(bool).map(lambda text: s.Expect("bytes match", *parse_expression(text))),
    st.integers(0, 1 << 40).map(lambda number: s.Expect("count", parse_text(str(number)))),
    names.map(lambda name: s.Expect("count", parse_text(f"${{{name}}}"))),
    st.just(s.Expect("rest")),
    expressions.filter(bool).map(lambda text: s.On(*parse_expression(text))),
    st.tuples(expressions.filter(lambda text: text and " > " not in f"{text} "), texts).map(
        lambda pair: s.On(*parse_expression(pair[0]), parse_text(pair[1]))
    ),
    st.sampled_from(["message", "pass", "user"]).map(s.Connect),
    texts.map(lambda text: s.Expect("until", parse_text(text))),
    expressions.map(lambda text: s.Expect("match", *parse_expression(text))),
    expressions.map(lambda text: s.Expect("until match", *parse_expression(text))),
    st.just(s.Expect("close")),
    seconds.map(lambda t: s.Pause(t, t)),
    seconds.map(lambda t: s.Pause(t, None)),
    st.tuples(seconds, seconds).map(lambda pair: s.Pause(min(pair), max(pair))),
    seconds.map(s.Hold),
    st.just(s.HalfClose()),
    st.just(s.Reset()),
    named.map(s.Step),
    st.sampled_from(["crlf", "lf", "none"]).map(s.Ending),
    seconds.map(s.Timeout),
    st.sampled_from(["line", "none"]).map(s.Reply),
    st.builds(s.Assignment, names, texts.map(parse_text)),
    names.map(lambda name: s.Values(f"{name}.csv")),
)


@given(st.lists(constructs))
def test_what_is_printed_parses_to_the_same(wanted):
    script = s.Script("x.talk", tuple(s.Line(n, construct) for n, construct in enumerate(wanted, 1)), ())
    assert parse_transcript(print_transcript(script), "x.talk") == script


FRAGMENTS = [
    "> ", "< ", "<| ", "<|~ ", "<~ ", "<...$", "pause ", "@on ", "@ignore ", "@connect ", "@set n ", "\n",
    "${", "len:", "hmac-sha256:", "now:", "random:int:", "}", "{", ":", "%", "a", "é", "[", "]", "(", "?P<n>",
    "1s", "9B", "\\", "\0",
]  # fmt: skip


@given(st.text() | st.lists(st.sampled_from(FRAGMENTS)).map("".join))
def test_whatever_is_no_script_is_told_as_that(text):
    try:
        compile_script(parse_transcript(text, "x.talk"), Path())
    except ScriptError as error:
        assert re.match(r"x\.talk:\d+:\d+: ", str(error))


def test_messages_are_taken_as_they_stand():
    script = parse_messages("one ${seq}\n\n  two\\n\r\n", "x.txt")
    assert [line.construct for line in script.lines] == [
        s.Send(literal("one ${seq}")),
        s.Send(literal("  two\\n")),
    ]


@dataclass(frozen=True)
class Bad:
    """A bad line and where in it the caret stands, from 1."""

    line: str
    column: int
    problem: str


NO_DURATION = "is not a duration: write it like 500ms, 30s or 2m"
NO_SIZE = "is not a size: write it like 8192, 64KiB or 1MiB"
NO_ESCAPE = r"\q is not an escape; there are \\ \r \n \t \0 \xHH"
CALLS = (
    "${random:hex:DIGITS} with 1 to 4096 digits, ${random:int:LOW:HIGH} with the lower first, "
    "${env:NAME}, ${now:FORMAT}, ${len:X}, ${base64:X}, "
    "${hex:X}, ${sha256:X}, ${hmac-sha256:KEY:X}"
)

BAD = [
    Bad("hello", 1, "'hello' is not a construct"),
    Bad("@tiemout 1s", 1, "'@tiemout' is not a construct; did you mean @timeout?"),
    Bad("@connection pass", 1, "'@connection' is not a construct; did you mean @connect?"),
    Bad("pause5s", 6, "a space parts pause from its text"),
    Bad("!boom", 1, "'!boom' is not a construct"),
    Bad(" > x", 1, "a construct begins in column 1"),
    Bad(">x", 2, "a space parts > from its text"),
    Bad("<...x", 5, "a space parts <... from its text"),
    Bad(">\tx", 2, "a space parts > from its text"),
    Bad(">\xa0x", 2, "a space parts > from its text"),
    Bad("> a\rb", 4, r"a carriage return stands here; one that is meant is written \r"),
    Bad(r"> a\q", 4, NO_ESCAPE),
    Bad(r"> \x4", 3, r"\x needs two hexadecimal digits"),
    Bad("> tab\tand\\", 10, "\\ is not an escape; there are \\\\ \\r \\n \\t \\0 \\xHH"),
    Bad("> a ${b", 5, "${ is never closed; a literal one is written $${"),
    Bad("< ${1a}", 3, "'1a' is not a variable name"),
    Bad("> ${random:hex:x}", 3, f"${{random:hex:x}} is not one of {CALLS}"),
    Bad("> ${random:int:9:1}", 3, f"${{random:int:9:1}} is not one of {CALLS}"),
    Bad("<~ a(", 5, "not a regular expression: missing ), unterminated subpattern"),
    Bad("<...~ ${seq}(", 13, "not a regular expression: missing ), unterminated subpattern"),
    Bad("<~ [[a]", 5, "unclear regular expression: possible nested set"),
    Bad("<~ a{" + "9" * 5000 + "}", 4, "not a regular expression: a number in it has too many digits"),
    Bad(r"<~ \${seq}", 4, r"a backslash escapes no variable; a literal ${ is written \$\{"),
    Bad("<~ é[aé]", 7, "é is 2 bytes, and a class has single ones"),
    Bad("<~ ${len:(}(", 12, "not a regular expression: missing ), unterminated subpattern"),
    Bad(r"<~ \u20ac", 4, r"not a regular expression: bad escape \u"),
    Bad("> ${len:${a}", 3, "${ is never closed; a literal one is written $${"),
    Bad(r"> a${len:b\q}", 11, NO_ESCAPE),
    Bad("> ${sha256:${1}}", 12, "'1' is not a variable name"),
    Bad("> ${hmac-sha256:key}", 3, f"${{hmac-sha256:key}} is not one of {CALLS}"),
    Bad("> " + "${len:" * 1000 + "}" * 1000, 3 + 16 * 6, "functions stand more than 16 deep in each other"),
    Bad("<~ " + "${len:" * 1000 + "}" * 1000, 4 + 16 * 6, "functions stand more than 16 deep in each other"),
    Bad("> ${now:%Q}", 3, f"${{now:%Q}} is not one of {CALLS}"),
    Bad("> ${uuid:4}", 3, f"${{uuid:4}} is not one of {CALLS}"),
    Bad("<|", 3, "there is nothing to wait for"),
    Bad("@ignore", 8, "there is nothing to wait for"),
    Bad("@on  > PONG", 5, "there is nothing to wait for"),
    Bad("@on ^PING", 10, "an answer is missing; write it like @on ^PING > PONG"),
    Bad(r"@on ^PING > \q", 13, NO_ESCAPE),
    Bad("@on ( > x", 5, "not a regular expression: missing ), unterminated subpattern"),
    Bad("@connect once", 10, "'once' is not one of message, pass, user"),
    Bad("<...$ x", 7, "'x' is one word too many"),
    Bad("<$ x", 4, "'x' is one word too many"),
    Bad("==", 3, "a name is missing"),
    Bad("pause", 6, f"'' {NO_DURATION}"),
    Bad("pause ~x", 8, f"'x' {NO_DURATION}"),
    Bad("pause 80ms..20ms", 13, "20ms is less than 80ms"),
    Bad("@eol cr", 6, "'cr' is not one of crlf, lf, none"),
    Bad("@reply all", 8, "'all' is not one of line, none"),
    Bad("@timeout x", 10, f"'x' {NO_DURATION}"),
    Bad("@timeout 0s", 10, "a timeout must be more than 0"),
    Bad("@set 1 x", 6, "'1' is not a variable name"),
    Bad(r"@set a \q", 8, NO_ESCAPE),
    Bad("@values x.txt", 9, "'x.txt' is not the name of a .csv file"),
    Bad("!reset now", 8, "'now' is one word too many"),
    Bad("!half-close 1", 13, "'1' is one word too many"),
    Bad("!hold", 6, f"'' {NO_DURATION}"),
    Bad("!hold 9000h", 7, "9000h is longer than a year"),
    Bad("!dribble 1B x", 10, "'1B' is not a pace; write it like 1B/200ms"),
    Bad("!dribble 0B/1s x", 10, "0B is not between 1B and 64MiB"),
    Bad("!dribble 1B/x x", 13, f"'x' {NO_DURATION}"),
    Bad(r"!dribble 1B/1s a\q", 17, NO_ESCAPE),
    Bad("!flood 1kB", 8, f"'1kB' {NO_SIZE}"),
    Bad("!flood 1" + "0" * 5000, 8, f"'1{'0' * 5000}' {NO_SIZE}"),
    Bad("!garbage 1GiB", 10, "1GiB is not between 1B and 64MiB"),
    Bad("> 二 ${x", 5, "${ is never closed; a literal one is written $${"),
]


@pytest.mark.parametrize("bad", BAD, ids=[bad.line[:40] for bad in BAD])
def test_a_bad_line_is_told_with_its_place(bad):
    with pytest.raises(ScriptError) as caught:
        parse_transcript(f"# a comment\n\n> fine\n{bad.line}\n", "x.talk")
    # A tab, or a blank that does not break, would look as a space does, which may be what is missing.
    before, after = (
        text.replace("\t", r"\t").replace("\r", r"\r").replace("\xa0", r"\xa0")
        for text in (bad.line[: bad.column - 1], bad.line[bad.column - 1 :])
    )
    shown = before + after
    # An ideograph is two columns wide.
    caret = " " * (len(before) + before.count("二")) + "^"
    assert str(caught.value) == f"x.talk:4:{bad.column}: {bad.problem}\n    {shown}\n    {caret}"

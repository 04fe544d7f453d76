from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import script as s
from client.parser import parse_messages, parse_transcript, print_transcript
from client.program import load
from client.script import ScriptError

plain = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\\$"), max_size=20)
named = plain.filter(lambda text: text.strip() != "")
seconds = st.decimals(Decimal("0.001"), Decimal(3600), places=3).map(float)
sizes = st.integers(1, 1 << 20)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
words = st.text("abc ", max_size=10)

constructs = st.one_of(
    plain.map(s.Send),
    st.builds(s.Dribble, sizes, seconds, plain),
    sizes.map(s.Flood),
    sizes.map(s.Garbage),
    plain.map(lambda text: s.Expect("line", text)),
    plain.map(lambda text: s.Expect("until", text)),
    words.map(lambda text: s.Expect("match", text)),
    words.map(lambda text: s.Expect("until match", text)),
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
    st.builds(s.Set, names, plain),
    names.map(lambda name: s.Values(f"{name}.csv")),
)


@given(st.lists(constructs))
def test_what_is_printed_parses_to_the_same(wanted):
    script = s.Script("x.talk", tuple(s.Line(n, construct) for n, construct in enumerate(wanted, 1)))
    assert parse_transcript(print_transcript(script), "x.talk") == script


@given(st.text())
def test_whatever_is_no_script_is_told_as_that(text):
    try:
        parse_transcript(text, "x.talk")
    except ScriptError as error:
        assert str(error).startswith("x.talk:")


def test_messages_are_taken_as_they_stand():
    script = parse_messages("one ${seq}\n\n  two\\n\r\n", "x.txt")
    assert [line.construct for line in script.lines] == [s.Send("one ${seq}"), s.Send("  two\\n")]
    assert script.literal


WRONG = [
    ("hello", "x.talk:1:1: 'hello' is no construct\n    hello\n    ^"),
    (" > x", "x.talk:1:1: a construct begins in column 1\n     > x\n    ^"),
    ("> a\n> \\q", "x.talk:2:3: \\q is no escape; there are \\\\ \\r \\n \\t \\0 \\xHH\n    > \\q\n      ^"),
    ("> \\x4", "x.talk:1:3: \\x needs two hexadecimal digits\n    > \\x4\n      ^"),
    ("> a ${b", "x.talk:1:5: ${ is never closed; a literal one is written $${\n    > a ${b\n        ^"),
    ("> ${1a}", "x.talk:1:3: '1a' is no name of a variable\n    > ${1a}\n      ^"),
    (
        "> ${random:hex:x}",
        (
            "x.talk:1:3: ${random:hex:x} is none of "
            "${random:hex:DIGITS}, ${random:int:LOW:HIGH}, ${env:NAME}\n"
            "    > ${random:hex:x}\n      ^"
        ),
    ),
    ("<~ a(", "x.talk:1:5: no regular expression: missing ), unterminated subpattern\n    <~ a(\n        ^"),
    ("<$ x", "x.talk:1:4: 'x' is one word too many\n    <$ x\n       ^"),
    ("==", "x.talk:1:3: a name is missing\n    ==\n      ^"),
    ("pause", "x.talk:1:6: '' is not a duration: write it like 500ms, 30s or 2m\n    pause\n         ^"),
    ("pause 80ms..20ms", "x.talk:1:13: 20ms is less than 80ms\n    pause 80ms..20ms\n                ^"),
    ("@eol cr", "x.talk:1:6: 'cr' is none of crlf, lf, none\n    @eol cr\n         ^"),
    ("@reply all", "x.talk:1:8: 'all' is neither line nor none\n    @reply all\n           ^"),
    (
        "@timeout x",
        "x.talk:1:10: 'x' is not a duration: write it like 500ms, 30s or 2m\n    @timeout x\n             ^",
    ),
    ("@set 1 x", "x.talk:1:6: '1' is no name of a variable\n    @set 1 x\n         ^"),
    (
        "@set a \\q",
        "x.talk:1:8: \\q is no escape; there are \\\\ \\r \\n \\t \\0 \\xHH\n    @set a \\q\n           ^",
    ),
    ("@values x.txt", "x.talk:1:9: 'x.txt' is no name of a .csv file\n    @values x.txt\n            ^"),
    ("!reset now", "x.talk:1:8: 'now' is one word too many\n    !reset now\n           ^"),
    ("!hold", "x.talk:1:6: '' is not a duration: write it like 500ms, 30s or 2m\n    !hold\n         ^"),
    (
        "!dribble 1B x",
        "x.talk:1:10: '1B' is no pace; write it like 1B/200ms\n    !dribble 1B x\n             ^",
    ),
    ("!dribble 0B/1s x", "x.talk:1:10: nothing at a time never ends\n    !dribble 0B/1s x\n             ^"),
    (
        "!flood 1kB",
        "x.talk:1:8: '1kB' is not a size: write it like 8192, 64KiB or 1MiB\n    !flood 1kB\n           ^",
    ),
    ("!boom", "x.talk:1:1: '!boom' is no construct\n    !boom\n    ^"),
]


@pytest.mark.parametrize(("text", "told"), WRONG, ids=[text for text, _ in WRONG])
def test_a_bad_script_is_told_with_its_place(text, told):
    with pytest.raises(ScriptError) as caught:
        parse_transcript(text, "x.talk")
    assert str(caught.value) == told


def write(folder, text, name="x.talk"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("> ${nobody}", "1:5: ${nobody} has no value here"),
        ("> a\n< ${name}\n<~ (?P<name>x)", "2:5: ${name} has no value here"),
        ("> ${env:SURELY_NOT_SET}", "1:5: SURELY_NOT_SET is not in the environment"),
        ("@values none.csv\n> x", "1:9: cannot read none.csv: No such file or directory"),
        ("pause 1s", "1:1: nothing is sent and nothing expected"),
    ],
)
def test_a_script_that_cannot_be_played_is_told_before_it_is(tmp_path, text, told):
    with pytest.raises(ScriptError) as caught:
        load(write(tmp_path, text))
    assert str(caught.value).removeprefix(f"{tmp_path}/x.talk:").startswith(told)


def test_a_folder_without_scripts_and_a_file_of_another_kind_are_told(tmp_path):
    with pytest.raises(ScriptError, match="no .talk or .txt script is in this folder"):
        load(tmp_path)
    with pytest.raises(ScriptError, match="ends in .talk or .txt"):
        load(tmp_path / "x.py")
    with pytest.raises(ScriptError, match="cannot be read: No such file"):
        load(tmp_path / "x.talk")
    (tmp_path / "y.talk").write_bytes(b"> a\n> \xff\n")
    with pytest.raises(ScriptError, match="y.talk:2:1: this line is not UTF-8"):
        load(tmp_path / "y.talk")

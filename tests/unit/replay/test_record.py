"""What a recorder takes down, as the script that it becomes."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.record.folder import Folder
from socketscope.replay.record.lines import ReplyLine
from socketscope.replay.record.tape import LONGEST, CannotBeScriptError, Tape
from socketscope.replay.script.compiler import compile_script
from socketscope.replay.script.parser import parse_transcript, print_transcript, split_lines
from socketscope.replay.script.program import Expectation, Sending


def tape(*said) -> Tape:
    """Return a tape of what the client (`>`) and the server (`<`) said, and how they ended."""
    taken = Tape(0.0)
    for now, (who, data) in enumerate(said):
        match who:
            case ">":
                taken.client_said(data, now * 0.01)
            case "<":
                taken.server_said(data, now * 0.01)
            case _:
                getattr(taken, who)()
    return taken


def script(*said) -> str:
    conversation = tape(*said).conversation()
    assert conversation is not None
    return print_transcript(conversation.script("x.talk"))


LEFT = ("client_ended", b"")
CLOSED = ("server_ended", b"")
RESET = ("client_reset", b"")
CUT = ("interrupted", b"")

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
        "> a\n!half-close\n< bye\n<$\n",
    ),
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
    "an end in the middle of a message": (
        [(">", b"a\r\n"), ("<", b"b\r\n"), (">", b"c\r\n"), CUT],
        "> a\n< b\n",
    ),
    "an end in the middle of a reply": (
        [(">", b"a\r\n"), ("<", b"b\r\n"), (">", b"c\r\n"), ("<", b"d\r\ne"), CUT],
        "> a\n< b\n",
    ),
}


@pytest.mark.parametrize(("said", "written"), CASES.values(), ids=CASES)
def test_a_conversation_becomes_a_script(said, written):
    assert script(*said) == written


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            [("<", b"login: "), (">", b"me\r\n")],
            "the client spoke when the server had not ended its line, as after a prompt",
        ),
        ([(">", b"a\n"), ("<", b"prompt> "), LEFT], "the server ends with bytes that end no line"),
        ([(">", b"a\n"), ("server_reset", b""), RESET], "the server reset the connection"),
        ([(">", bytes(LONGEST)), ("<", b"\n")], "it is longer than 16 MiB"),
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
    assert print_transcript(conversation.script("x")) == "@timeout 11s\n< ready\n> reserve\n< TIMED_OUT\n"


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
    text = print_transcript(conversation.script("x.talk"))
    program = compile_script(parse_transcript(text, "x.talk"), split_lines(text), Path())
    sent = [a.data({}, Random(1)) for a in program.actions if isinstance(a, Sending)]
    assert sent == [message for message, _ in wanted]
    expected = [a for a in program.actions if isinstance(a, Expectation)]
    said = [line.removesuffix(b"\r") for _, reply in wanted for line in reply.split(b"\n")[:-1]]
    assert all(a.matches(line, {}, Random(1)) == {} for a, line in zip(expected, said, strict=True))


def merged(*seen: bytes) -> str:
    line = ReplyLine(seen[0])
    for other in seen[1:]:
        line = line.merged(ReplyLine(other))
    construct = line.construct()
    return f"{construct.kind} {construct.text}"


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([b"+OK"], "line +OK"),
        ([b"+OK", b"+OK"], "line +OK"),
        ([b"STAT uptime 12", b"STAT uptime 7", b"STAT uptime 1234"], r"match ^STAT uptime \d+$"),
        ([b"0.12 (x)", b"3.4 (x)"], r"match ^\d+\.\d+ \(x\)$"),
        ([b"id abc", b"id xyz"], r"match ^id \w+$"),
        ([b"id a-1;", b"id b;", b"id c-d-e;"], r"match ^id .*;$"),
        ([b"id a-1;", b"id b;", b"id \xff;"], r"match ^id .*;$"),
        ([b"[Tue Nov 24 21:38:49 2026] x"], r"match ^\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\] x$"),
        (
            [b"220 Tue, 24 Nov 2026 21:38:49 +0000"],
            r"match ^220 \w{3}, [ \d]?\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$",
        ),
        ([b"at 2026-11-24T21:38:49.5Z"], r"match ^at \d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z$"),
        ([b"\x07\xff 1", b"\x07\xff 2"], r"match ^\x07\udcff \d+$"),
    ],
)
def test_what_differs_between_two_recordings_becomes_a_pattern(seen, expected):
    assert merged(*seen) == expected


@given(st.lists(lines, min_size=2, max_size=4))
def test_a_pattern_matches_all_that_was_seen(seen):
    said = [line.removesuffix(b"\n").removesuffix(b"\r") for line in seen]
    line = ReplyLine(said[0])
    for other in said[1:]:
        line = line.merged(ReplyLine(other))
    text = print_transcript_of(line)
    program = compile_script(parse_transcript(text, "x.talk"), split_lines(text), Path())
    (expectation,) = (action for action in program.actions if isinstance(action, Expectation))
    assert all(expectation.matches(one, {}, Random(1)) == {} for one in said)


def print_transcript_of(line: ReplyLine) -> str:
    taken = Tape(0.0)
    taken.server_said(b"x\n", 0.0)
    conversation = taken.conversation()
    assert conversation is not None
    return print_transcript(type(conversation)((line,), 0.0).script("x.talk"))


def add(folder: Folder, *said) -> str | None:
    conversation = tape(*said).conversation()
    assert conversation is not None
    path = folder.add(conversation)
    return None if path is None else path.name


def test_a_folder_has_a_script_for_each_distinct_conversation(tmp_path):
    (tmp_path / "001.talk").write_text("> mine\n")
    folder = Folder(tmp_path, "recorded")
    assert add(folder, (">", b"incr a\r\n"), ("<", b":1\r\n")) == "002.talk"
    assert add(folder, (">", b"incr b\r\n"), ("<", b":1\r\n")) == "003.talk"
    assert add(folder, (">", b"incr a\r\n"), ("<", b":2\r\n")) is None
    assert add(folder, (">", b"incr a\r\n"), ("<", b"-ERR\r\n"), CLOSED) == "004.talk"
    assert folder.written == 3
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "001.talk": "> mine\n",
        "002.talk": "# recorded\n> incr a\n<~ ^:\\d+$\n",
        "003.talk": "# recorded\n> incr b\n< :1\n",
        "004.talk": "# recorded\n> incr a\n< -ERR\n<$\n",
    }

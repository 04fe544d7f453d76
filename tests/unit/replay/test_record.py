"""What a recorder takes down, as the script that it becomes."""

import re
import time
from dataclasses import replace
from datetime import date
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketscope.replay.record.conversation import Conversation
from socketscope.replay.record.folder import Folder
from socketscope.replay.record.lines import ReplyLine
from socketscope.replay.record.recorder import written
from socketscope.replay.record.secrets import Secrets
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


def conversation(*said, secrets=None) -> Conversation:
    taken = tape(*said).conversation()
    assert taken is not None
    return written(taken, secrets or Secrets(()))


def script(*said, secrets=None) -> str:
    return shown(conversation(*said, secrets=secrets))


def shown(conversation: Conversation, *, steps: bool = False) -> str:
    """Return a script without what all have, and without its steps unless they are asked for."""
    head, *lines = print_transcript(conversation.script("x.talk")).splitlines(keepends=True)
    assert head == "@connect pass\n"
    return "".join(line for line in lines if steps or not line.startswith("=="))


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
    assert shown(conversation) == "@timeout 11s\n< ready\n> reserve\n< TIMED_OUT\n"
    text = print_transcript(conversation.script("x", with_pauses=True))
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
        if line is None:
            return "apart"
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
        ([b"\x07\xff 1", b"\x07\xff 2"], r"match ^\x07\xff \d+$"),
        ([b"id \xc3\xa9", b"id x"], "match ^id .*$"),
        ([b"+OK", b"-ERR"], "apart"),
        ([b"250 ok", b"550 no"], "apart"),
        ([b"250 ok", b"25 no"], r"match ^\d+ \w+$"),
    ],
)
def test_what_differs_between_two_recordings_becomes_a_pattern(seen, expected):
    assert merged(*seen) == expected


@given(st.lists(lines, min_size=2, max_size=4))
def test_a_pattern_matches_all_that_was_seen(seen):
    said = [line.removesuffix(b"\n").removesuffix(b"\r") for line in seen]
    line = ReplyLine(said[0])
    alike = said[:1]
    for other in said[1:]:
        if (merged := line.merged(ReplyLine(other))) is not None:
            line = merged
            alike.append(other)
    text = print_transcript_of(line)
    program = compile_script(parse_transcript(text, "x.talk"), split_lines(text), Path())
    (expectation,) = (action for action in program.actions if isinstance(action, Expectation))
    assert all(expectation.matches(one, {}, Random(1)) == {} for one in alike)


def print_transcript_of(line: ReplyLine) -> str:
    taken = Tape(0.0)
    taken.server_said(b"x\n", 0.0)
    conversation = taken.conversation()
    assert conversation is not None
    return print_transcript(replace(conversation, lines=(line,)).script("x.talk"))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (f"at {int(time.time())} s", r"match ^at \d{10} s$"),
        (f"at {time.time_ns()} ns", r"match ^at \d{19} ns$"),
        ("at 1234567890 s", "line at 1234567890 s"),
        ("call 5550123456", "line call 5550123456"),
        (f"on {date.today()}", r"match ^on \d{4}-\d\d-\d\d$"),
        ("born 1815-12-10", "line born 1815-12-10"),
        ("[26/Nov/2026:05:45:54 +0000]", r"match ^\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\]$"),
        ("created Thu Nov 26 2026 at 05:45:54", r"match ^created \w{3} \w{3} [ \d]\d \d{4} (?:at )?\d\d:\d\d:\d\d$"),
        ("<13>Nov  6 05:45:54 host", r"match ^<13>\w{3} [ \d]\d \d\d:\d\d:\d\d host$"),
        ("mac 00:11:22:33:44:55", "line mac 00:11:22:33:44:55"),
        ("up 05:45:54", r"match ^up \d\d:\d\d:\d\d$"),
    ],
)
def test_times_are_no_part_of_a_conversation_and_other_numbers_are(said, expected):
    assert merged(said.encode()) == expected


TOKENS = {
    "a job": (
        [(">", b"put 0 0 60 5\r\nhello\r\n"), ("<", b"INSERTED 7\r\n"), (">", b"reserve\r\n"),
         ("<", b"RESERVED 7 7\r\n"), (">", b"delete 7\r\n"), ("<", b"DELETED\r\n")],
        "> put 0 0 60 5\\r\\nhello\n<~ ^INSERTED (?P<inserted>\\d+)$\n> reserve\n< RESERVED ${inserted} 7\n"
        "> delete ${inserted}\n< DELETED\n",
    ),
    "a session": (
        [("<", b'{"client_id":3,"nonce":"bd1f-90ae-4411"}\n'), (">", b"hi bd1f-90ae-4411 x\n"), ("<", b"OK $bd1f-90ae-4411 1\n")],
        '<~ ^\\{"client_id":3,"nonce":"(?P<nonce>[\\w-]+)"\\}$\n@eol lf\n> hi ${nonce} x\n< OK \\x24${nonce} 1\n',
    ),
    "what the client said first is its own": (
        [(">", b"SET a1b2c3d4e5\n"), ("<", b"a1b2c3d4e5\n"), (">", b"GET a1b2c3d4e5\n"), ("<", b"1\n")],
        "@eol lf\n> SET a1b2c3d4e5\n< a1b2c3d4e5\n> GET a1b2c3d4e5\n< 1\n",
    ),
    "lengths are no tokens": (
        [(">", b"*1\r\n$4\r\nPING\r\n"), ("<", b"$3\r\n"), (">", b"*3\r\n$3\r\nSET\r\n"), ("<", b"+OK\r\n")],
        "> *1\\r\\n$4\\r\\nPING\n< $3\n> *3\\r\\n$3\\r\\nSET\n< +OK\n",
    ),
    "words of a protocol are no tokens": (
        [("<", b"250 8BITMIME\n"), (">", b"MAIL BODY=8BITMIME\n"), ("<", b"250 ok\n")],
        "< 250 8BITMIME\n@eol lf\n> MAIL BODY=8BITMIME\n< 250 ok\n",
    ),
    "a day is no token": (
        [("<", b"Thu, 26 Nov 2026 05:45:54\n"), (">", b"year 2026\n"), ("<", b"ok\n")],
        "<~ ^\\w{3}, [ \\d]?\\d \\w{3} \\d{4} \\d\\d:\\d\\d:\\d\\d$\n@eol lf\n> year 2026\n< ok\n",
    ),
    "names that are another's already": (
        [("<", b"seq 12345 seq 67890\n"), (">", b"12345 67890\n"), ("<", b"ok\n")],
        "<~ ^seq (?P<seq_2>\\d+) seq (?P<seq_3>\\d+)$\n@eol lf\n> ${seq_2} ${seq_3}\n< ok\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "expected"), TOKENS.values(), ids=TOKENS)
def test_what_a_server_hands_out_and_gets_back_is_a_variable(said, expected):
    assert script(*said) == expected
    compile_text(script(*said))


def compile_text(text: str) -> None:
    compile_script(parse_transcript(text, "x.talk"), split_lines(text), Path())


SECRETS = {
    "PASS": ([(">", b"USER ada\r\n"), ("<", b"+OK\r\n"), (">", b"PASS open sesame\r\n"), ("<", b"+OK\r\n")],
             "> USER ada\n< +OK\n> PASS ${env:SECRET_1}\n< +OK\n"),
    "IMAP": ([(">", b"a1 login ada \"lo ve\"\r\n"), ("<", b"a1 OK\r\n")], "> a1 login ada ${env:SECRET_1}\n< a1 OK\n"),
    "a literal of IMAP's": (
        [(">", b"a1 LOGIN {3}\r\n"), ("<", b"+ OK\r\n"), (">", b"ada {4}\r\n"), ("<", b"+ OK\r\n"),
         (">", b"love\r\n"), ("<", b"a1 OK\r\n"), (">", b"a2 NOOP\r\n"), ("<", b"a2 OK\r\n")],
        "> a1 LOGIN {3}\n< + OK\n> ${env:SECRET_1}\n< + OK\n> ${env:SECRET_2}\n< a1 OK\n> a2 NOOP\n< a2 OK\n",
    ),
    "SMTP": (
        [(">", b"AUTH PLAIN AGFkYQBsb3Zl\r\n"), ("<", b"235 ok\r\n"), (">", b"DATA\r\n"), ("<", b"354 go\r\n")],
        "> AUTH PLAIN ${env:SECRET_1}\n< 235 ok\n> DATA\n< 354 go\n",
    ),
    "SMTP in steps": (
        [(">", b"AUTH LOGIN\r\n"), ("<", b"334 VXNlcm5hbWU6\r\n"), (">", b"YWRh\r\n"), ("<", b"334 UGFzcw==\r\n"),
         (">", b"bG92ZQ==\r\n"), ("<", b"235 ok\r\n")],
        "> AUTH LOGIN\n< 334 VXNlcm5hbWU6\n> ${env:SECRET_1}\n< 334 UGFzcw==\n> ${env:SECRET_2}\n< 235 ok\n",
    ),
    "redis": ([(">", b"AUTH default foobared\r\n"), ("<", b"+OK\r\n")], "> AUTH default ${env:SECRET_1}\n< +OK\n"),
    "redis' protocol": (
        [(">", b"*2\r\n$4\r\nAUTH\r\n$8\r\nfoobared\r\n"), ("<", b"-ERR foobared?\r\n")],
        "> *2\\r\\n$4\\r\\nAUTH\\r\\n$8\\r\\n${env:SECRET_1}\n< -ERR ${env:SECRET_1}?\n",
    ),
    "HTTP": (
        [(">", b"GET / HTTP/1.0\r\nAuthorization: Basic YTpi\r\n\r\n"), ("<", b"HTTP/1.0 200 OK\r\n")],
        "> GET / HTTP/1.0\\r\\nAuthorization: Basic ${env:SECRET_1}\\r\\n\n< HTTP/1.0 200 OK\n",
    ),
    "NATS": (
        [(">", b'CONNECT {"user":"a","pass":"s3"}\r\n'), ("<", b"+OK\r\n")],
        '> CONNECT {"user":"a","pass":"${env:SECRET_1}"}\n< +OK\n',
    ),
    "no secret": ([(">", b"SET PASS x\r\n"), ("<", b"+OK\r\n"), (">", b"GET login\r\n"), ("<", b"x\r\n")],
                  "> SET PASS x\n< +OK\n> GET login\n< x\n"),
}  # fmt: skip


@pytest.mark.parametrize(("said", "expected"), SECRETS.values(), ids=SECRETS)
def test_secrets_are_variables_of_the_environment(said, expected, monkeypatch):
    assert script(*said) == expected
    monkeypatch.setenv("SECRET_1", "x")
    monkeypatch.setenv("SECRET_2", "y")
    compile_text(script(*said))


def test_what_a_user_says_is_secret_is_written_nowhere():
    secrets = Secrets((re.compile(rb"card (\d+)"), re.compile(rb"token=\w+")))
    said = [(">", b"pay card 4111 now\n"), ("<", b"paid card 4111, card 17, token=xyz\n"), (">", b"pay card 4111\n")]
    assert script(*said, secrets=secrets) == (
        "@eol lf\n> pay card ${env:SECRET_1} now\n<~ ^paid card ${env:SECRET_1}, card .*, .*$\n"
        "@reply none\n> pay card ${env:SECRET_1}\n"
    )
    assert secrets.names == ("SECRET_1",)


def test_steps_are_named_after_the_first_word_of_a_message():
    taken = conversation(
        ("<", b"* OK\r\n"), (">", b"a1 SELECT INBOX\r\n"), ("<", b"a1 OK\r\n"),
        (">", b"*1\r\n$4\r\nPING\r\n"), ("<", b"+PONG\r\n"), (">", b"\0\1"), ("<", b"x\r\n"),
    )  # fmt: skip
    assert [line for line in shown(taken, steps=True).splitlines() if line.startswith("==")] == [
        "== greeting", "== SELECT", "== PING", "== message",
    ]  # fmt: skip


def test_whoever_was_faster_it_is_one_conversation():
    waits = conversation(("<", b"220 hi 1\n"), (">", b"a\n"), ("<", b"1\n"), (">", b"b\n"), ("<", b"2\n"), LEFT)
    eager = conversation((">", b"a\n"), ("<", b"220 hi 2\n"), (">", b"b\n"), ("<", b"1\n2\n"), LEFT)
    hasty = conversation((">", b"a\nb\n"), LEFT, ("<", b"220 hi 3\n1\n"), ("client_vanished", b""))
    quits = conversation((">", b"a\nb\n"), ("<", b"220 hi 4\n1\n2\n"), CLOSED)
    for order in permutations((waits, eager, hasty, quits)):
        merged = order[0]
        for other in order[1:]:
            merged = merged.merged(other)
            assert merged is not None
        assert shown(merged) == r"<~ ^220 hi \d+$" "\n@eol lf\n> a\n< 1\n> b\n< 2\n<$\n"


def test_a_reply_that_another_waited_for_in_vain_is_another_conversation():
    some = conversation((">", b"get\n"), ("<", b"VALUE\nEND\n"), LEFT)
    none = conversation((">", b"get\n"), ("<", b"VALUE\n"), CLOSED)
    assert some.merged(none) is none.merged(some) is None


def add(folder: Folder, *said) -> str | None:
    path = folder.add(conversation(*said))
    return None if path is None else path.name


def test_a_folder_has_a_script_for_each_distinct_conversation(tmp_path):
    (tmp_path / "001.talk").write_text("> mine\n")
    folder = Folder(tmp_path, "recorded")
    assert add(folder, (">", b"incr a\r\n"), ("<", b":1\r\n")) == "002.talk"
    assert add(folder, (">", b"incr b\r\n"), ("<", b":1\r\n")) == "003.talk"
    assert add(folder, (">", b"incr a\r\n"), ("<", b":2\r\n")) is None
    assert add(folder, (">", b"incr a\r\n"), ("<", b"-ERR\r\n"), CLOSED) == "004.talk"
    assert folder.written == 3
    begin = "# recorded\n@connect pass\n== incr\n"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "001.talk": "> mine\n",
        "002.talk": f"{begin}> incr a\n<~ ^:\\d+$\n",
        "003.talk": f"{begin}> incr b\n< :1\n",
        "004.talk": f"{begin}> incr a\n< -ERR\n<$\n",
    }
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("00[2-4].talk")} == {0o600}


def test_what_varies_in_a_greeting_is_learned_from_all_scripts(tmp_path):
    folder = Folder(tmp_path, "recorded")
    add(folder, (">", b"eager\n"), ("<", b"220 hi 1\nok\n"), LEFT)
    for number, word in enumerate((b"a\n", b"b\n", b"c\n"), 2):
        add(folder, ("<", b"220 hi %d\n" % number), (">", word), ("<", b"ok %d\n" % number), LEFT)
    add(folder, ("<", b"421 busy\n"), CLOSED)
    begin = "# recorded\n@connect pass\n== greeting\n"
    told = [path.read_text().removeprefix(begin) for path in sorted(tmp_path.iterdir())]
    greeting = "<~ ^220 hi \\d+$\n"
    assert told == [
        f"{greeting}== eager\n@eol lf\n> eager\n< ok\n",
        *(f"{greeting}== message\n@eol lf\n> {word}\n< ok {n}\n" for n, word in enumerate("abc", 2)),
        "< 421 busy\n<$\n",
    ]

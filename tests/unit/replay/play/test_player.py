"""One user against a server that says what a test has it say."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from socketscope.addresses import Address
from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.play.player import Player
from socketscope.replay.script.compiler import load
from socketscope.replay.script.program import Program
from socketscope.replay.wire.loop import NEXT_TURN, Loop, Task
from socketscope.replay.wire.targets import Target
from tests.ports import free_port
from tests.threads import in_a_thread


@contextlib.contextmanager
def serving(handle: Callable[[Any], None]) -> Iterator[Target]:
    """Serve one connection after another, each with a function that gets it as a file."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    with connection, connection.makefile("rwb", buffering=0) as file:
                        handle(file)

        thread = in_a_thread(serve)
        yield Target(Address("tcp", *listener.getsockname()))
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def play(folder, target, script, connect="pass", passes=1, between=lambda: None) -> Ledger:
    """Play a script, or one after the other, so many times."""
    programs: list[Program] = []
    for text in [script] if isinstance(script, str) else script:
        path = folder / "x.talk"
        path.write_text(f"@timeout 5s\n{text}")
        programs += load(path)
    loop, ledger = Loop(), Ledger(["main", *(step for program in programs for step in program.steps)])
    player = Player(target, connect, ledger, loop, Random(1))

    def user() -> Task:
        for number, program in enumerate(programs * passes):
            yield from player.play(program, 1, number + 1, 0.0)
            between()
            yield NEXT_TURN
        yield from player.exchanges.leave()

    loop.complete(user())
    loop.close()
    return ledger


def outcomes(ledger: Ledger) -> dict[str, int]:
    with ledger.settled():
        return {name: number for name, number in ledger.counted_outcomes.items() if number}


def first_failure(ledger: Ledger) -> Failure | None:
    return next((kind.first for kind in ledger.failures.values()), None)


def greet_and_echo(file):
    file.write(b"220 mail ready\r\n")
    for line in file:
        file.write(line)


GREETED = "<~ ^220 (?P<host>\\w+)\n> hello ${host}\n< hello mail\n"


def test_a_greeting_is_an_exchange_of_its_own(tmp_path):
    with serving(greet_and_echo) as target:
        ledger = play(tmp_path, target, GREETED, passes=3)
    assert outcomes(ledger) == {"ok": 6}
    assert ledger.connections["ok"] == 3
    assert sum(ledger.first_byte.counts) == 3  # what was asked for alone has one that was waited for


def test_a_connection_that_is_kept_greets_once_and_its_variables_stay(tmp_path):
    with serving(greet_and_echo) as target:
        ledger = play(tmp_path, target, GREETED, "user", passes=3)
    assert outcomes(ledger) == {"ok": 4}
    assert ledger.connections["ok"] == 1


def test_a_connection_that_is_kept_had_another_greeting(tmp_path):
    with serving(greet_and_echo) as target:
        ledger = play(tmp_path, target, ["<~ 220\n", "> x\n", "< never said\n> x\n"], "user")
    assert outcomes(ledger) == {"ok": 2, "mismatch": 1}
    assert first_failure(ledger) == Failure(
        f"{tmp_path}/x.talk", 2, "'never said'", "another greeting, when the connection opened",
        is_text=False, step="main", said=("< 220 mail ready",),
    )  # fmt: skip


def test_a_connection_that_is_kept_had_another_greeting_than_a_later_step_expects(tmp_path):
    with serving(greet_and_echo) as target:
        ledger = play(
            tmp_path, target, ["<~ 220\n", "> x\n", "<~ 220\n== other\n< never said\n> x\n"], "user"
        )
    assert outcomes(ledger) == {"ok": 2, "mismatch": 1}
    assert (failure := first_failure(ledger)) is not None
    assert (failure.line, failure.step) == (4, "other")


@pytest.mark.parametrize("construct", ["@on ^PING (?P<token>.*)$ > PONG", "@ignore ^NOTE (?P<token>.*)$"])
def test_what_a_line_that_has_not_come_would_have_given_is_empty(tmp_path, construct):
    script = f"@set other kept\n{construct}\n<~ ^220\n> a${{token}}${{other}}b\n< akeptb\n"
    with serving(greet_and_echo) as target:
        ledger = play(tmp_path, target, script)
    assert outcomes(ledger) == {"ok": 2}


@pytest.mark.parametrize("connect", ["user", "pass"])
@pytest.mark.parametrize("construct", ["@on ^220 (?P<host>.*)$ > HELO", "@ignore ^220 (?P<host>.*)$"])
def test_what_a_line_gave_that_comes_once_a_connection_is_there_in_each_of_its_passes(
    tmp_path, construct, connect
):
    def answer(file):
        file.write(b"220 mail\r\n")
        for line in file:
            if line != b"HELO\r\n":
                file.write(line)

    with serving(answer) as target:
        ledger = play(tmp_path, target, f"{construct}\n> a\n< a\n> ${{host}}\n< mail\n", connect, passes=3)
    assert outcomes(ledger) == {"ok": 6}


def test_what_a_line_gave_is_of_its_connection_alone(tmp_path):
    greetings = iter([b"220 mail\r\n", b""])

    def answer_twice(file):
        file.write(next(greetings))
        for _ in range(2):
            file.write(file.readline())

    script = "@ignore ^220 (?P<host>.*)$\n> a\n< a\n> b${host}\n< b"
    with serving(answer_twice) as target:
        ledger = play(tmp_path, target, [f"{script}mail\n<$\n", f"{script}\n<$\n"], "user")
    assert outcomes(ledger) == {"ok": 4}


def test_a_connection_that_is_opened_after_a_reset_greets_itself(tmp_path):
    def be_reset(file):
        with contextlib.suppress(ConnectionResetError):
            greet_and_echo(file)

    with serving(be_reset) as target:
        ledger = play(tmp_path, target, f"<~ ^220\n!reset\n{GREETED}", connect="user", passes=3)
    assert outcomes(ledger) == {"ok": 7}


@pytest.mark.parametrize("nothing", ["< 0B", "@set nothing \n<| ${nothing}"])
def test_a_reply_of_no_bytes_does_not_end_before_its_exchange_begins(tmp_path, nothing):
    with serving(lambda file: file.read()) as target:
        ledger = play(tmp_path, target, f"> hello\n{nothing}\n")
    assert outcomes(ledger) == {"ok": 1}
    assert ledger.steps["main"].service.sum >= 0


def test_after_the_server_has_closed_the_next_message_has_a_connection_of_its_own(tmp_path):
    def once(file):
        file.write(file.readline())

    with serving(once) as target:
        ledger = play(tmp_path, target, "> a\n< a\n<$\n> b\n< b\n<$\n", "user", passes=2)
    assert outcomes(ledger) == {"ok": 4}
    assert ledger.connections["ok"] == 4


def test_what_came_before_a_pass_of_a_connection_that_is_kept_is_unexpected(tmp_path):
    late = threading.Event()
    said = threading.Event()

    def chatter(file):
        file.write(file.readline())
        late.wait(10)
        with contextlib.suppress(OSError):
            file.write(b"by the way\r\n")
        said.set()
        file.read(1)

    def hear() -> None:
        late.set()
        assert said.wait(10)

    with serving(chatter) as target:
        scripts = ["> a\n< a\n", "!hold 0s\n== other\n> a\n< a\n"]
        ledger = play(tmp_path, target, scripts, "user", between=hear)
    assert outcomes(ledger) == {"ok": 1, "unexpected_data": 1}
    assert first_failure(ledger) == Failure(
        f"{tmp_path}/x.talk", 4, "nothing before this", r"'by the way\r\n'", is_text=False, step="other"
    )


def test_what_came_before_a_connection_that_was_kept_gives_way_to_the_next_script_is_unexpected(tmp_path):
    late, said = threading.Event(), threading.Event()

    def chatter(file):
        file.write(file.readline())
        if not said.is_set():
            late.wait(10)
            file.write(b"by the way\r\n")
            said.set()
        with contextlib.suppress(ConnectionResetError):
            file.read(1)

    def hear() -> None:
        late.set()
        assert said.wait(10)

    with serving(chatter) as target:
        scripts = ["@connect user\n> a\n< a\n", "@connect pass\n> b\n< b\n"]
        ledger = play(tmp_path, target, scripts, None, between=hear)
    assert outcomes(ledger) == {"ok": 2, "unexpected_data": 1}
    assert first_failure(ledger) == Failure(
        f"{tmp_path}/x.talk", 3, "nothing more", r"'by the way\r\n'", is_text=False, step="main",
        said=("> a", "< a"),
    )  # fmt: skip


def test_a_line_that_the_close_ends_is_one_if_it_is_what_was_expected(tmp_path):
    def unfinished(file):
        file.readline()
        file.write(b"bye")

    for expected, outcome in [
        ("< bye", "ok"),
        ("<~ ^b", "ok"),
        ("<... bye\n<$", "ok"),
        ("< by", "short_reply"),
        ("", "short_reply"),
        ("<... good bye", "short_reply"),
    ]:
        with serving(unfinished) as target:
            assert outcomes(play(tmp_path, target, f"> a\n{expected}\n")) == {outcome: 1}, expected


def test_nothing_is_waited_for_where_the_script_says_so(tmp_path):
    got: list[bytes] = []

    def silent(file):
        got.extend(iter(file.readline, b""))

    with serving(silent) as target:
        script = "@reply none\n> a\n@eol lf\n> b\n@eol none\n> c\n!half-close\n<$\n"
        assert outcomes(play(tmp_path, target, script)) == {"ok": 3}
    assert got == [b"a\r\n", b"b\n", b"c"]


def test_a_connection_that_a_fault_has_opened_is_that_of_the_message_behind_it(tmp_path):
    with serving(lambda file: file.write(file.readline())) as target:
        ledger = play(tmp_path, target, "!hold 1ms\n> one\n> two\n", "message")
    assert (outcomes(ledger), ledger.connections["ok"]) == ({"ok": 2}, 2)


def test_faults_are_sent_as_the_script_has_them(tmp_path):
    got: list[bytes] = []

    def listen(file):
        got.append(file.readall())

    script = "!dribble 3B/1ms slowly\n!flood 1KiB\n!garbage 2KiB\n!half-close\n<$\n"
    with serving(listen) as target:
        assert outcomes(play(tmp_path, target, script)) == {"ok": 3}
    assert got[0].startswith(b"slowly\r\n" + b"x" * 1024)
    assert len(got[0]) == 8 + 1024 + 2048


def nats(file):
    file.write(b'INFO {"server_id":"x"}\r\nPING\r\n')
    assert file.readline() == b"PONG\r\n"
    for line in file:
        subject, size = line.split()[1:]
        body = file.read(int(size) + 2)[:-2]
        file.write(b"PING\r\n+OK\r\n")
        assert file.readline() == b"PONG\r\n"
        file.write(b"+OK\r\nMSG %s %d\r\n%s\r\n" % (subject, len(body), body))


NATS = r"""
@connect pass
@ignore ^\+OK$
@on ^PING$ > PONG
<~ ^INFO \{"server_id":"(?P<id>\w+)"
@set body two\r\nlines
@reply none
> PUB ${id} ${len:${body}}\r\n${body}
<~ ^MSG x (?P<size>\d+)$
< ${size}B
<
"""


def test_lines_that_come_unasked_are_passed_over_or_answered_and_a_block_is_read_by_its_length(tmp_path):
    with serving(nats) as target:
        ledger = play(tmp_path, target, NATS, None)
    assert (outcomes(ledger), first_failure(ledger)) == ({"ok": 2}, None)


def failure(folder, handle: Callable[[Any], None], script: str) -> Failure:
    """Return the failure that a script has of a server."""
    with serving(handle) as target:
        ledger = play(folder, target, script)
    with ledger.settled():
        first = first_failure(ledger)
    assert first is not None
    return first


def test_bytes_without_a_line_end_are_told_where_a_line_was_waited_for(tmp_path):
    def prompt(file):
        file.readline()
        file.write(b"login: ")
        file.read()

    told = failure(tmp_path, prompt, "@timeout 50ms\n> user\n< password:\n")
    assert (told.expected, told.got) == ("'password:'", "'login: ' and no end of line in 0.05 s")
    assert not told.is_text


def test_bytes_are_told_as_a_script_would_have_them(tmp_path):
    def binary(file):
        file.readline()
        file.write(b"\xff${x}\0\\\r\n")

    told = failure(tmp_path, binary, "> a\n< \\xff$${y}\\t\n")
    assert (told.expected, told.got, told.is_text) == (r"\xff$${y}\t", r"\xff$${x}\0\\", True)
    told = failure(tmp_path, binary, "@set n 1\n> a\n<~ ^\\S ${n}{2}\\x00$\n")
    assert (told.expected, told.got) == (r"a match of ^\S ${n}{2}\x00$", r"'\xff$${x}\0\\'")


@pytest.mark.parametrize(("said", "got"), [(b"no", "no"), (b"no\r\n", r"no\r\n")])
def test_bytes_that_differ_are_told_once_they_are_no_line_to_ignore(tmp_path, said, got):
    def deny(file):
        file.readline()
        file.write(said)
        if said.endswith(b"\n"):
            file.read()

    failed = failure(tmp_path, deny, "@ignore ^#\n> x\n<| yes\n")
    assert (failed.expected, failed.got) == ("yes", got)


def test_of_long_lines_what_is_around_the_difference_is_told(tmp_path):
    size = 3_000_000

    def long(file):
        file.readline()
        file.write(b"a" * size + b"right" + b"b" * size + b"\r\n")

    told = failure(tmp_path, long, f"> a\n< {'a' * size}left{'b' * size}\n")
    assert "aaaleft" in told.expected
    assert "aaarightbbb" in told.got
    assert told.expected.index("left") == told.got.index("right")
    assert len(told.got) < 3000


def test_the_lines_that_were_said_before_are_told(tmp_path):
    def count(file):
        for number, _ in enumerate(file):
            file.write(b"%d\r\n" % number)

    told = failure(tmp_path, count, "".join(f"> ask {n}\n< {n}\n" for n in range(9)) + "> last\n< 10\n")
    assert told.said == ("< 6", "> ask 7", "< 7", "> ask 8", "< 8", "> last")
    assert (told.expected, told.got, told.step, told.line) == ("10", "9", "main", 21)


def test_what_the_client_itself_takes_long_for_the_server_does_not_owe(tmp_path):
    with serving(lambda file: file.read()) as target:
        for script, owed in (("!dribble 1B/1m slowly\n", 0), ("> a\n< a\n", 1)):
            (tmp_path / "x.talk").write_text(script)
            loop, ledger = Loop(), Ledger(["main"])
            loop.start(
                Player(target, "pass", ledger, loop, Random(1)).play(load(tmp_path / "x.talk")[0], 1, 1, 0.0)
            )
            loop.run(loop.now() + 0.1)
            loop.close()
            assert (ledger.in_flight, len(ledger.unanswered)) == (1, owed)


def test_what_comes_after_a_pass_that_only_recalled_is_too_much_all_the_same(tmp_path):
    may_say, said = threading.Event(), threading.Event()

    def greet_twice(file):
        file.write(b"220 mail ready\r\n")
        may_say.wait(10)
        file.write(b"221 and more\r\n")
        said.set()
        file.read()

    def between():
        if may_say.is_set():
            assert said.wait(10)
        may_say.set()

    with serving(greet_twice) as target:
        ledger = play(tmp_path, target, "<~ ^220\n", "user", passes=2, between=between)
    assert outcomes(ledger) == {"ok": 1, "unexpected_data": 1}


@pytest.mark.parametrize("ends", [False, True])
def test_what_comes_while_the_message_waits_to_be_sent_is_seen(tmp_path, ends):
    size = 16 << 20

    def answer_first(file):
        left = size - len(file.read(1))
        file.write(b"x\r\n")
        if ends:
            file._sock.shutdown(socket.SHUT_WR)
        while left:
            left -= len(file.read(min(left, 1 << 20)))
        file.read(1)

    script = "!flood 16MiB\n< x\n" + "<$\n" * ends
    with serving(answer_first) as target:
        ledger = play(tmp_path, target, script, passes=4)
    assert outcomes(ledger) == {"ok": 4}


def test_a_reset_in_a_pause_that_heeds_lines_is_told_to_who_reads_on(tmp_path):
    def reset(file):
        file.readline()
        file._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with serving(reset) as target:
        ledger = play(tmp_path, target, "@timeout 1s\n@ignore ^#\n> a\npause 100ms\n< x\n")
    assert outcomes(ledger) == {"reset": 1}


def test_a_datagram_that_reaches_nobody_is_told_after_a_pause_too(tmp_path):
    nobody = Target(Address("udp", "127.0.0.1", free_port()))
    ledger = play(tmp_path, nobody, "@timeout 1s\n> a\npause 50ms\n< b\n")
    assert outcomes(ledger) == {"refused": 1}

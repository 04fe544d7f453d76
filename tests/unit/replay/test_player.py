"""One user against a server that says what a test has it say."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from socketscope.addresses import Address
from socketscope.replay.measure.ledger import Failure, Ledger
from socketscope.replay.play.loop import NEXT_TURN, Loop, Task
from socketscope.replay.play.player import Player
from socketscope.replay.play.targets import Target
from socketscope.replay.script.compiler import load
from socketscope.replay.script.program import Program


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

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
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
    loop, ledger = Loop(), Ledger(["main"])
    player = Player(target, connect, ledger, loop, Random(1))

    def user() -> Task:
        for number, program in enumerate(programs * passes):
            yield from player.play(program, 1, number + 1, 0.0)
            between()
            yield NEXT_TURN
        player.disconnect()

    loop.complete(user())
    loop.close()
    return ledger


def outcomes(ledger: Ledger) -> dict[str, int]:
    with ledger.settled():
        return {name: number for name, number in ledger.steps["main"].counted.items() if number}


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


def test_a_connection_that_is_kept_greets_once_and_its_variables_stay(tmp_path):
    with serving(greet_and_echo) as target:
        ledger = play(tmp_path, target, GREETED, "user", passes=3)
    assert outcomes(ledger) == {"ok": 4}
    assert ledger.connections["ok"] == 1


def test_a_connection_that_is_kept_had_another_greeting(tmp_path):
    with serving(greet_and_echo) as target:
        ledger = play(tmp_path, target, ["<~ 220\n", "> x\n", "< never said\n> x\n"], "user")
    assert outcomes(ledger) == {"ok": 2, "mismatch": 1}
    assert ledger.first_failure == Failure(
        f"{tmp_path}/x.talk", 2, "never said", "another greeting, when the connection opened"
    )


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
        ledger = play(tmp_path, target, "> a\n< a\n", "user", passes=2, between=hear)
    assert outcomes(ledger) == {"ok": 1, "unexpected_data": 1}
    assert ledger.first_failure == Failure(f"{tmp_path}/x.talk", 2, "nothing before this", "by the way\r\n")


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


def test_faults_are_sent_as_the_script_has_them(tmp_path):
    got: list[bytes] = []

    def listen(file):
        got.append(file.readall())

    script = "!dribble 3B/1ms slowly\n!flood 1KiB\n!garbage 2KiB\n!half-close\n<$\n"
    with serving(listen) as target:
        assert outcomes(play(tmp_path, target, script)) == {"ok": 3}
    assert got[0].startswith(b"slowly\r\n" + b"x" * 1024)
    assert len(got[0]) == 8 + 1024 + 2048

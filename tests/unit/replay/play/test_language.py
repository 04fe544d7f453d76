"""What a script says, against servers that do it or fall short of it."""

import queue
import socket
import threading
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from socketscope.addresses import Address
from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.play.player import Player
from socketscope.replay.script.compiler import load
from socketscope.replay.wire.connection import Connection
from socketscope.replay.wire.loop import Loop
from socketscope.replay.wire.targets import Target
from tests.ports import free_port
from tests.threads import in_a_thread
from tests.unit.replay.play.test_player import first_failure, outcomes, play, serving

NONE = Failure("", 0, "", "")


def saying(*pieces: bytes) -> Callable[[Any], None]:
    """Return what answers the first line with pieces, and then reads on."""

    def handle(file):
        file.readline()
        for piece in pieces:
            file.write(piece)
        file.read()

    return handle


def closing(*pieces: bytes) -> Callable[[Any], None]:
    def handle(file):
        file.readline()
        for piece in pieces:
            file.write(piece)

    return handle


def result(folder, handle, script, connect="pass", **more) -> tuple[dict[str, int], Failure]:
    with serving(handle) as target:
        ledger = play(folder, target, script, connect, **more)
    return outcomes(ledger), first_failure(ledger) or NONE


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"login: ", "<| login: "),
        (b"220 x\r\nlogin: ", "< 220 x\n<| login: "),
        (b"login: ", "<| log\n<| in: "),
        (b"\x20\x02\0\0", r"<| \x20\x02\0\0"),
        (b"R\0\0\0\x08", r"<|~ ^R.{3}(?P<size>.)"),
        (b"R\0\n\0\x08", r"<|~ (?s)^R.{3}(?P<size>.)"),
        (b"a=1;b=2;", "<|~ a=(?P<a>[0-9]);\n<| b=2;"),
        (b"{26}\r\n" + b"\n" * 26 + b")\r\n", "< {26}\n< 26B\n< )"),
        (b"26\r\n" + b"x" * 26, "<~ (?P<n>[0-9]+)\n< ${n}B"),
        (b"0\r\n", "<~ (?P<n>[0-9]+)\n< ${n}B"),
        (b"26B\r\n", r"< 26\x42"),
        (b"a\r\nNOISE 1\r\nNOISE 2\r\nb\r\n", "@ignore ^NOISE\n< a\n< b"),
        (b"NOISE\r\n> ", "@ignore ^NOISE\n<| > "),
        (b"a\r\nNOISE\r\n", "@ignore ^NOISE\n< a"),
    ],
)
def test_what_a_script_takes_besides_lines(tmp_path, said, expected):
    # @ignore stands before the message, as all that holds from where it stands on.
    ignored, _, rest = expected.rpartition("@ignore ^NOISE\n")
    before = "@ignore ^NOISE\n" if ignored or expected.startswith("@ignore") else ""
    assert result(tmp_path, saying(said), f"{before}> go\n{rest}\n") == ({"ok": 1}, NONE)
    # The same in as many pieces as it has bytes.
    pieces = [said[n : n + 1] for n in range(len(said))]
    assert result(tmp_path, saying(*pieces), f"{before}> go\n{rest}\n") == ({"ok": 1}, NONE)


@pytest.mark.parametrize(
    ("said", "expected", "outcome", "got"),
    [
        (b"Login: ", "<| login: ", "mismatch", "Login: "),
        (b"log", "<| login: ", "timeout", "'log' in 0.1 s"),
        (b"log", "<|~ in: ", "timeout", "'log' in 0.1 s"),
        (b"log", "< 26B", "timeout", "3 of 26 bytes, 'log', in 0.1 s"),
        (b"", "< 26B", "timeout", "0 of 26 bytes in 0.1 s"),
        (b"x" * 99_999, "< 100000B", "timeout", f"99999 of 100000 bytes, '{'x' * 1000}…', in 0.1 s"),
        (b"many\r\nx", "<~ (?P<n>.*)\n< ${n}B", "mismatch", "'many'"),
        (b"NOISY", "<| > ", "mismatch", "NOISY"),
        (b"a\r\nb\r\n", "<... c", "timeout", "2 other lines, the last 'b', in 0.1 s"),
        (b"a\r\nlog", "<... c", "timeout", "1 other line 'a', then 'log' and no end of line in 0.1 s"),
        (b"log", "<...~ c", "timeout", "'log' and no end of line in 0.1 s"),
        (b"", "< c", "timeout", "nothing in 0.1 s"),
        (b"log", "<...$", "timeout", "'log' in 0.1 s"),
        (b"a\r\n", "<...$", "timeout", "1 line 'a', in 0.1 s"),
        (b"a\r\nb\r\nlog", "<...$", "timeout", "2 lines, the last 'b', then 'log' in 0.1 s"),
        (b"x" * 1_000_000, "<...$", "timeout", f"'{'x' * 1000}…' in 0.1 s"),
    ],
)
def test_what_falls_short_of_it_is_told(tmp_path, said, expected, outcome, got):
    counted, failure = result(tmp_path, saying(said), f"@timeout 100ms\n> go\n{expected}\n")
    assert (counted, failure.got) == ({outcome: 1}, got)


def test_of_long_bytes_it_is_the_part_where_they_differ(tmp_path):
    alike = "a" * 3000
    _, failure = result(tmp_path, saying(f"{alike}right> ".encode()), f"> go\n<| {alike}left> \n")
    kept = "a" * 1000
    assert (failure.expected, failure.got) == (f"…{kept}left> ", f"…{kept}right> ")
    assert failure.is_text


@pytest.mark.parametrize(
    ("said", "expected", "outcome", "got"),
    [
        (b"log", "<| login: ", "short_reply", "'log' and the end of the connection"),
        (b"x" * 25, "< 26B", "short_reply", f"25 of 26 bytes, '{'x' * 25}'"),
        (b"", "< 26B", "closed", "0 of 26 bytes"),
        (b"any\nthing", "<...$", "ok", ""),
        (b"", "<...$", "ok", ""),
        (b"a\nthing", "< a\n<...$", "ok", ""),
        (b"NOISE\n", "<$", "ok", ""),
        (b"else\n", "<$", "unexpected_data", r"'else\n'"),
    ],
)
def test_what_a_close_cuts_off(tmp_path, said, expected, outcome, got):
    counted, failure = result(tmp_path, closing(said), f"@ignore ^NOISE\n> go\n{expected}\n")
    assert (counted, failure.got) == ({outcome: 1}, got)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ("< b", "2 lines that @ignore or @on is about, the last 'PING', in 0.1 s"),
        ("<$", "2 lines that @ignore or @on is about, the last 'PING', in 0.1 s"),
        ("<...$", "2 lines that @ignore or @on is about, the last 'PING', in 0.1 s"),
        ("< 26B", r"13 of 26 bytes, 'NOISE\r\nPING\r\n', in 0.1 s"),
    ],
)
def test_lines_that_are_passed_over_or_answered_are_told(tmp_path, expected, got):
    script = "@timeout 100ms\n@ignore ^NOISE\n@on ^PING > PONG\n"
    said = b"a line\r\nNOISE\r\nPING\r\n"
    _, failure = result(tmp_path, saying(said), f"{script}> go\n< a line\n{expected}\n")
    assert failure.got == got
    if "B" not in expected:
        assert failure.said == ("> go", "< a line", "< NOISE", "< PING", "> PONG")


def test_what_came_before_a_close_is_told_also_where_it_ends_no_line(tmp_path):
    _, failure = result(tmp_path, closing(b"a\nno end"), "> go\n<...$\n> again\n< else\n")
    assert failure.said == ("> go", "< a", "< no end", "> again")


def test_the_lines_up_to_a_close_that_does_not_come_are_told(tmp_path):
    script = "@timeout 100ms\n@on ^PING > PONG\n> go\n<...$\n"
    _, failure = result(tmp_path, saying(b"a\r\nb\r\nPING\r\n"), script)
    assert failure.said == ("> go", "< a", "< b", "< PING", "> PONG")


def test_the_rest_up_to_the_close_has_to_end_in_time(tmp_path):
    counted, failure = result(tmp_path, saying(b"x\n"), "@timeout 50ms\n> go\n<...$\n")
    assert (counted, failure.expected) == ({"timeout": 1}, "anything, and the end of the connection")


def test_the_beginning_of_a_line_that_may_be_passed_over_is_not_too_much_when_more_is_said(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("socketscope.replay.play.exchanges.QUIET", 0.2)

    def handle(file):
        file.readline()
        file.write(b"a\r\nNOI")
        file.readline()
        file.write(b"SE\r\nb\r\nNOI")
        file.readline()
        file.write(b"NAY\r\nc\r\n")
        file.read()

    script = "@ignore ^NOISE\n> go\n< a\npause 30ms\n> on\n< b\n"
    assert result(tmp_path, handle, f"{script}> on\n< NOINAY\n< c\n") == ({"ok": 3}, NONE)
    counted, failure = result(tmp_path, handle, f"{script}> on\n< c\n")
    assert (counted, failure.got) == ({"ok": 2, "mismatch": 1}, "NOINAY")
    counted, failure = result(tmp_path, handle, script)
    assert (counted, failure.got) == ({"ok": 1, "unexpected_data": 1}, "'NOI'")
    for connect in ("pass", "user"):
        # So many that the last comes while the client waits for silence.
        pieces = saying(b"a\r\n", *[b"NOISE\r\n"] * 300, b"NOI")
        counted, failure = result(tmp_path, pieces, "@ignore ^NOISE\n> go\n< a\n", connect)
        assert (counted["unexpected_data"], failure.got) == (1, "'NOI'")


def test_a_server_that_closes_needs_no_quiet_moment(tmp_path, monkeypatch):
    monkeypatch.setattr("socketscope.replay.play.exchanges.QUIET", 60.0)
    assert result(tmp_path, closing(b"a\n"), "> a\n< a\n") == ({"ok": 1}, NONE)


def test_a_line_is_answered_also_while_nothing_is_waited_for(tmp_path):
    answered = threading.Event()

    def handle(file):
        file.write(b"hello\r\nPING 7\r\n")
        if file.readline() == b"PONG 7\n":
            answered.set()
        file.write(file.readline())

    script = "@eol lf\n@on ^PING (?P<n>.) > PONG ${n}\n< hello\n!hold 50ms\n> ${n}\n< 7\n"
    assert result(tmp_path, handle, script) == ({"ok": 2}, NONE)
    assert answered.is_set()


@pytest.mark.parametrize("following", ["", "pause 10s\n> y\n< y\n"])
def test_an_answer_that_cannot_be_sent_between_two_exchanges_is_a_failure(tmp_path, monkeypatch, following):
    send = Connection.send

    def broken(connection, data):
        if data == b"PONG\r\n":
            raise BrokenPipeError(32, "Broken pipe")
        return send(connection, data)

    monkeypatch.setattr(Connection, "send", broken)
    monkeypatch.setattr("socketscope.replay.play.exchanges.QUIET", 10.0)
    is_over = threading.Event()

    def handle(file):
        file.write(file.readline())
        is_over.wait(10)
        file.write(b"PING\r\n")
        file.read()

    on = "@on ^PING$ > PONG\n"
    scripts = [f"{on}> x\n< x\n", *([on + following] if following else [])]
    counted, failure = result(tmp_path, handle, scripts, "user", between=is_over.set)
    assert counted == {"ok": 1, "send_error": 1}
    assert (failure.line, failure.expected, failure.got) == (2, "to answer", "Broken pipe")


@pytest.mark.parametrize("connect", ["message", "pass", "user"])
@pytest.mark.parametrize(
    ("script", "passes"),
    [
        ("> a\n", 1),
        ("> a\npause 20ms\n> b\n", 1),
        ("@on ^PING$ > PONG\n> a\npause 20ms\n", 1),
        ("> a\n", 2),
    ],
)
def test_a_datagram_that_reaches_nobody_is_refused_though_no_reply_is_waited_for(
    tmp_path, connect, script, passes
):
    nobody = Target(Address("udp", "127.0.0.1", free_port()))
    ledger = play(tmp_path, nobody, f"@reply none\n{script}", connect, passes=passes)
    assert outcomes(ledger)["refused"]
    assert (failure := first_failure(ledger)) is not None
    assert (failure.expected, failure.got) == ("to send", "Connection refused")


@pytest.mark.parametrize(
    ("connect", "option", "connections"),
    [("message", None, 4), ("pass", None, 2), ("user", None, 1), ("user", "message", 4)],
)
def test_a_script_says_what_a_connection_is_for_and_the_option_overrides_it(
    tmp_path, connect, option, connections
):
    def echo(file):
        for line in file:
            file.write(line)

    with serving(echo) as target:
        ledger = play(tmp_path, target, f"@connect {connect}\n> a\n> b\n", option, passes=2)
    assert (ledger.connections["ok"], outcomes(ledger)) == (connections, {"ok": 4})


def test_what_stands_in_the_environment_is_shown_as_what_stands_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PASSWORD", "open\\ses ame")

    def echo(file):
        for line in file:
            file.write(b"no: " + line)

    script = (
        "@connect user\n@set both ${user}:${env:PASSWORD}\n> AUTH ${both}\n"
        "> ${base64:\\0${both}} ${len:${both}} ${hex:${env:PASSWORD}}\n< ok ${both}\n"
    )
    _, failure = result(tmp_path, echo, script, None)
    hidden = "${base64:\\0${both}} 14 ${hex:${env:PASSWORD}}"
    assert failure.expected == "ok 1:${env:PASSWORD}"
    assert failure.got == f"no: {hidden}"
    assert failure.said == ("> AUTH 1:${env:PASSWORD}", "< no: AUTH 1:${env:PASSWORD}", f"> {hidden}")


def greeting(file):
    """Say hello, and note what comes of it."""
    try:
        heard = b"spoken to" if file.write(b"hello\r\n") and file.readline() else b"ended"
    except OSError:
        heard = b"reset"
    HEARD.put(heard)


HEARD = queue.SimpleQueue[bytes]()


@pytest.mark.parametrize(
    ("connect", "script", "heard"),
    [
        ("pass", "!hold 10ms\n< hello\n", [b"ended"]),
        ("message", "!hold 10ms\n> a\n< hello\n", [b"spoken to"]),
        ("pass", "!half-close\n< hello\n<$\n", [b"ended"]),
        ("pass", "!reset\n< hello\n", [b"reset", b"ended"]),
        ("message", "!reset\n!reset\n> a\n< hello\n", [b"reset", b"spoken to"]),
        ("pass", "> a\n< hello\n<$\n!reset\n", [b"spoken to"]),
    ],
)
def test_a_fault_has_a_connection_before_anything_was_said_on_one(tmp_path, connect, script, heard):
    counted, failure = result(tmp_path, greeting, script, connect)
    assert (set(counted), failure) == ({"ok"}, NONE)
    assert [HEARD.get(timeout=10) for _ in heard] == heard
    assert HEARD.empty()


def test_the_connection_is_open_while_a_client_keeps_silent_first(tmp_path):
    (tmp_path / "x.talk").write_text("!hold 1h\n> a\n")
    with serving(lambda file: file.read()) as target:
        loop, ledger = Loop(), Ledger(["main"])
        player = Player(target, "message", ledger, loop, Random(1))
        loop.start(player.play(load(tmp_path / "x.talk")[0], 1, 1, 0.0))
        loop.run(loop.now() + 0.1)
        assert (ledger.open, ledger.in_flight) == (1, 0)
        loop.close()
    assert (ledger.open, ledger.in_flight) == (0, 0)


def test_who_cannot_connect_for_a_fault_has_one_exchange_of_its_step(tmp_path):
    with serving(closing()) as target:
        pass
    ledger = play(tmp_path, target, "@connect pass\n!hold 1h\n< hello\n")
    assert outcomes(ledger) == {"refused": 1}
    assert (first_failure(ledger) or NONE).line == 3


def test_of_a_secret_of_several_lines_none_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("KEY", "hun\r\n-\nter2\n")

    def echo(file):
        for line in file:
            file.write(b"A " + line)

    _, failure = result(tmp_path, echo, "> ${env:KEY}\n< A ${env:KEY}\n", "user")
    assert (failure.expected, failure.got) == ("A ${env:KEY}", "A ${env:KEY}")
    _, failure = result(tmp_path, echo, "> ${env:KEY}\n< A hun\n< A -\n< B\n", "user")
    assert (failure.got, failure.said[1:]) == ("A ${env:KEY}", ("< A ${env:KEY}", "< A -"))


@pytest.mark.parametrize(
    ("datagrams", "script", "counted", "got"),
    [
        ((b"", b"b"), "> a\n< \n< b\n", {"ok": 1}, ""),
        ((b"a", b""), "> a\n< a\n", {"unexpected_data": 1}, "''"),
        ((b"a", b"b"), "> a\n< a\n", {"unexpected_data": 1}, "'b'"),
        ((b"a", b"b\n"), "> a\n< a\n", {"unexpected_data": 1}, r"'b\n'"),
        ((b"", b""), "> a\n<~ ^$\n<\n", {"ok": 1}, ""),
        ((b"abc", b"def"), "> a\n< 2B\n< 4B\n", {"ok": 1}, ""),
        ((b"abc", b"d"), "> a\n<| abc\n< d\n", {"ok": 1}, ""),
        ((b"abc",), "> a\n<| abX\n", {"mismatch": 1}, "abc"),
        ((b"abc",), "> a\n<| abc\\n\n", {"mismatch": 1}, "abc"),
        ((b"",), "> a\n<| abc\n", {"mismatch": 1}, ""),
        ((b"abc\n",), "> a\n<| abc\n", {"unexpected_data": 1}, r"'\n'"),
        ((b"abcd",), "> a\n< 4B\n", {"ok": 1}, ""),
        ((b"ab", b"cd"), "@timeout 50ms\n> a\n< 5B\n", {"timeout": 1}, "4 of 5 bytes, 'abcd', in 0.05 s"),
        ((b"ab", b"cd"), "> a\n< 4B\n", {"ok": 1}, ""),
        ((b"abcd\n",), "> a\n< 4B\n", {"unexpected_data": 1}, r"'\n'"),
        ((b"abcd",), "> a\n< 2B\n< cd\n", {"ok": 1}, ""),
        ((b"abcd",), "> a\n<| ab\n< 1B\n< 1B\n", {"ok": 1}, ""),
        ((b"abcd",), "@timeout 50ms\n> a\n<| ab\n< 3B\n", {"timeout": 1}, "2 of 3 bytes, 'cd', in 0.05 s"),
    ],
)
@pytest.mark.parametrize("connect", ["message", "user"])
def test_a_datagram_is_a_line_and_no_byte_more(tmp_path, datagrams, script, counted, got, connect):
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)

        def answer() -> None:
            _, client = server.recvfrom(100)
            for datagram in datagrams:
                server.sendto(datagram, client)

        thread = in_a_thread(answer)
        target = Target(Address("udp", *server.getsockname()))
        ledger = play(tmp_path, target, f"@timeout 1s\n{script}", connect)
        thread.join()
    # On a kept connection, what is too much may come up after the exchange that was ok.
    assert outcomes(ledger).items() - {("ok", 1)} == counted.items() - {("ok", 1)}
    assert ledger.failures or outcomes(ledger) == {"ok": 1}
    assert (first_failure(ledger) or NONE).got == got

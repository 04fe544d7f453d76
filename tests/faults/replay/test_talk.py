"""`talk` at a terminal: a prompt with history and line editing."""

import os
import socket
import subprocess
import sys
import time
from typing import IO

import pytest

from socketscope.commands.options import parse_target
from socketscope.replay import talk
from socketscope.replay.wire.targets import Target
from tests.faults.replay.terminal import ROOT, terminal
from tests.faults.replay.test_replay import PATIENCE, echo, nobody, serving, stall, with_file

COMMAND = (sys.executable, "-m", "client", "talk", "--target")
UP, LEFT = "\x1b[A", "\x1b[D"


def test_a_person_edits_lines_and_gets_earlier_ones_back():
    with serving(echo) as target, terminal(*COMMAND, target) as shown:
        shown.sees(">")
        shown.type("helo" + LEFT + "l\r")
        shown.sees("\nhello\n>")
        shown.type(UP + " again\r")
        shown.sees("\nhello again\n>")
        shown.type("\r")
        assert shown.wait() == 0
        assert shown.lines[:5] == ["> hello", "hello", "> hello again", "hello again", ">"]


def test_a_tab_is_sent_and_the_end_of_input_ends():
    with serving(echo) as target, terminal(*COMMAND, target) as shown:
        shown.sees(">")
        shown.type("a\tb\r")
        shown.sees("\na       b\n>")
        shown.type("\x04")
        assert shown.wait() == 0


def test_of_lines_that_are_pasted_as_a_whole_each_is_sent_alone():
    with serving(echo) as target, terminal(*COMMAND, target) as shown:
        shown.sees(">")
        shown.type("\x1b[200~one\rtwo\x1b[201~\r")
        shown.sees("\none\ntwo\n>")
        shown.type("\x1b[200~three\r\x1b[201~\r")
        assert shown.wait() == 0
        assert shown.text.endswith("\nthree")


def test_a_person_is_told_of_a_failure_and_may_try_again():
    target = nobody()
    with terminal(*COMMAND, target) as shown:
        shown.sees(">")
        shown.type("hello\r")
        shown.sees(f"\nclient: {target}: Connection refused\nfailed\n>")
        shown.type("\x03")
        assert shown.wait() == 0


def test_a_server_that_does_not_answer_is_told_as_that(monkeypatch):
    monkeypatch.setattr(talk, "REPLY_TIMEOUT", 0.2)
    with serving(stall) as target, pytest.raises(TimeoutError, match=r"^no reply within 0\.2 s$"):
        talk.ask(Target(parse_target(target)), "hello")


def test_ctrl_c_ends_the_wait_for_a_reply():
    with serving(stall) as target, terminal(*COMMAND, target) as shown:
        shown.sees(">")
        shown.type("hello\r")
        shown.sees(lambda _: shown.row == 1)
        shown.type("\x03")
        assert shown.wait() == 130
        assert "Traceback" not in shown.text


def keep(target: str, said: bytes) -> tuple[int, bytes, bytes]:
    ended = subprocess.run(
        [*COMMAND, target, "--keep"], cwd=ROOT, capture_output=True, timeout=PATIENCE, check=False,
        input=said, env=os.environ | {"PYTHONIOENCODING": "ascii:strict"},  # as some locales
    )  # fmt: skip
    return ended.returncode, ended.stdout, ended.stderr


@with_file
def mail(file: IO[bytes]) -> None:
    file.write(b"220 ready\r\n")
    for number, line in enumerate(file, 1):
        file.write(b"250-%d\r\n250 " % number)
        time.sleep(0.05)
        file.write(line)
        if line == b"QUIT\r\n":
            return


def test_a_kept_connection_shows_the_greeting_and_whatever_comes():
    with serving(mail) as target, terminal(*COMMAND, target, "--keep") as shown:
        shown.sees("220 ready\n>")
        shown.type("HELO\r")
        shown.sees("\n250-1\n250 HELO\n>")
        shown.type("NOOP\r")
        shown.sees("\n250-2\n250 NOOP\n>")
        shown.type("\r")
        assert shown.wait() == 0


def test_a_kept_connection_works_in_a_pipe_and_ends_where_the_server_closes():
    with serving(mail) as target:
        told = keep(target, b"caf\xe9\nQUIT\nunheard\n")
    closed = f"client: {target} has closed the connection\n".encode()
    assert told == (0, b"220 ready\n> 250-1\n250 caf\xe9\n> 250-2\n250 QUIT\n", closed)


def test_lines_of_a_file_may_end_with_crlf_and_an_empty_one_ends():
    with serving(mail) as target:
        told = keep(target, b"NOOP\r\n\r\nunheard\r\n")
        assert told == (0, b"220 ready\n> 250-1\n250 NOOP\n> ", b"")
        closed = f"client: {target} has closed the connection\n".encode()
        assert keep(target, b"QUIT\r\n") == (0, b"220 ready\n> 250-1\n250 QUIT\n", closed)


def test_a_prompt_of_the_servers_has_a_line_of_its_own():
    @with_file
    def prompts(file: IO[bytes]) -> None:
        file.write(b"login: ")
        file.write(b"hello " + file.readline() + b"$ ")
        file.readline()

    with serving(prompts) as target:
        assert keep(target, b"ada\n")[:2] == (0, b"login: \n> hello ada\n$ \n> \n")


def test_a_kept_connection_waits_in_a_pipe_for_the_last_reply():
    @with_file
    def slow(file: IO[bytes]) -> None:
        file.readline()
        time.sleep(talk.FIRST_BYTE + 0.5)
        file.write(b"done\n")
        file.readline()

    with serving(slow) as target:
        assert keep(target, b"work\n")[:2] == (0, b"> > \ndone\n")


def test_a_connection_that_cannot_be_kept_is_one_line():
    target = nobody()
    assert keep(target, b"hello\n") == (1, b"", f"client: {target}: Connection refused\n".encode())


def test_a_kept_connection_that_breaks_within_a_line_is_told_on_a_line_of_its_own():
    def breaks_off(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"par")
        time.sleep(0.05)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with serving(breaks_off) as target:
        broken = f"client: {target}: Connection reset by peer\n".encode()
        assert keep(target, b"hello\n") == (1, b"> par\n", broken)

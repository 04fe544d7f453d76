"""`talk` at a terminal: a prompt with history and line editing."""

import subprocess
import sys

from tests.faults.replay.terminal import ROOT, terminal
from tests.faults.replay.test_replay import echo, nobody, serving, stall

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
        assert shown.is_as_it_was


def test_a_tab_is_sent_and_the_end_of_input_ends():
    with serving(echo) as target, terminal(*COMMAND, target) as shown:
        shown.sees(">")
        shown.type("a\tb\r")
        shown.sees("\na       b\n>")
        shown.type("\x04")
        assert shown.wait() == 0
        assert shown.is_as_it_was


def test_a_person_is_told_of_a_failure_and_may_try_again():
    with terminal(*COMMAND, nobody()) as shown:
        shown.sees(">")
        shown.type("hello\r")
        shown.sees("failed\n>")
        shown.type("\x03")
        assert shown.wait() == 0
        assert shown.is_as_it_was


def test_ctrl_c_ends_the_wait_for_a_reply():
    with serving(stall) as target, terminal(*COMMAND, target) as shown:
        shown.sees(">")
        shown.type("hello\r")
        shown.sees(lambda _: shown.row == 1)
        shown.type("\x03")
        assert shown.wait() == 130
        assert "Traceback" not in shown.text
        assert shown.is_as_it_was


def test_bytes_that_are_no_text_come_back_as_they_were():
    with serving(echo) as target:
        ended = subprocess.run(
            [*COMMAND, target], cwd=ROOT, capture_output=True, timeout=30, check=False,
            input=b"caf\xe9\r\n\xff\xfe\n",
        )  # fmt: skip
    assert ended.stdout == b"> caf\xe9\n> \xff\xfe\n> \n"
    assert (ended.returncode, ended.stderr) == (0, b"")

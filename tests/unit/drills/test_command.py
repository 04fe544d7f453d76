"""What `make drill` says without a stack."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from drills import __main__ as command
from drills.__main__ import main
from drills.catalogue import DRILLS
from drills.rehearsal import StoppedError


def test_drills_are_listed(capsys):
    assert main([]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [*(drill.name for drill in DRILLS), "all"]


def test_one_that_there_is_not_is_told_in_a_line(capsys):
    assert main(["nosuch", "thing"]) == 2
    assert capsys.readouterr().err == "drills: there is no nosuch thing; make drill lists them\n"


def test_who_reads_the_list_may_stop_reading():
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "wb") as output:
        listing = [sys.executable, "-m", "drills"]
        ended = subprocess.run(listing, stdout=output, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.parametrize(("others", "status"), [(True, 0), (False, 1)])
def test_of_all_one_that_is_not_as_told_is_a_failure(monkeypatch, others, status):
    outcomes = [
        (drill, SimpleNamespace(is_as_told=lambda drill: others or drill is DRILLS[0])) for drill in DRILLS
    ]
    written: list[object] = []
    monkeypatch.setattr(command, "Stack", lambda: None)
    monkeypatch.setattr(command, "_do", lambda *_: outcomes)
    monkeypatch.setattr(command, "_write", written.append)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["all"]) == status
    assert written == [outcomes]


@pytest.fixture
def stopped_by(monkeypatch):
    """Return what plays a drill that is sent a signal, and tells whether it was to end."""
    # One that nobody takes must not end the tests.
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.signal(number, lambda *_: None) for number in numbers}
    stack = SimpleNamespace(grafana="", prometheus="")
    monkeypatch.setattr(command, "Stack", lambda: stack)

    def play(number):
        ended = []

        class Sent:
            def __init__(self, _stack, _say, wait):
                self.wait = wait

            def play(self, _):
                signal.raise_signal(number)
                ended.append(self.wait(0))
                if ended == [True]:
                    raise StoppedError
                return SimpleNamespace(is_as_told=lambda _: True)

        monkeypatch.setattr(command, "Rehearsal", Sent)
        return main(["resets"]), ended

    yield play
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_a_kill_and_a_closed_terminal_have_it_undo_what_it_did(stopped_by, number):
    assert stopped_by(number) == (128 + number, [True])


def test_a_drill_that_nohup_started_goes_on_when_the_terminal_is_closed(stopped_by):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert stopped_by(signal.SIGHUP) == (0, [False])

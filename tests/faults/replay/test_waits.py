"""How long a script's waits last, by the clock, against servers that never stop, take nothing or say more."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from socketscope.replay.play import exchanges
from tests.unit.replay.play.test_language import NONE, result
from tests.unit.replay.play.test_player import first_failure, outcomes, play, serving


def flowing(stop: threading.Event) -> Callable[[Any], None]:
    def handle(file):
        file.readline()
        while not stop.wait(0.01):
            file.write(b"another\r\n")

    return handle


@pytest.mark.parametrize("wait", ["<... never", "<...~ never", "@ignore another\n> b\n< never", "<...$"])
def test_the_timeout_holds_while_lines_flow(tmp_path, wait):
    stop = threading.Event()
    began = time.monotonic()
    counted, _ = result(tmp_path, flowing(stop), f"@timeout 100ms\n@reply none\n> a\n{wait}\n")
    stop.set()
    assert counted.get("timeout") == 1
    assert time.monotonic() - began < 2


def test_a_send_that_nobody_reads_has_the_timeout_of_the_script(tmp_path):
    stop = threading.Event()
    with serving(lambda _: stop.wait(10)) as target:
        ledger = play(tmp_path, target, "@timeout 100ms\n!flood 64MiB\n> b\n< never\n")
        stop.set()
    assert outcomes(ledger) == {"send_error": 1}
    assert (first_failure(ledger) or NONE).got.endswith("of 67108864 bytes were taken in 0.1 s")


def late(delay: float) -> Callable[[Any], None]:
    def handle(file):
        for line in file:
            file.write(line)
            time.sleep(delay)
            file.write(b"and one too many\r\n")

    return handle


@pytest.mark.parametrize("connect", ["message", "pass", "user"])
def test_what_comes_in_the_quiet_moment_after_the_last_line_is_unexpected(tmp_path, monkeypatch, connect):
    monkeypatch.setattr(exchanges, "QUIET", 5.0)  # else a server on a busy machine may come too late
    counted, failure = result(tmp_path, late(0.005), "> a\n< a\n", connect)
    assert counted.get("unexpected_data") == 1, counted
    assert failure.got == r"'and one too many\r\n'"


@pytest.mark.parametrize("rest", ["pause 600ms", "!hold 600ms", "@on PING > PONG\npause 600ms"])
@pytest.mark.parametrize(("between", "took"), [(0.0, 0.0), (0.2, 0.2)])
def test_a_reply_that_comes_during_a_pause_took_as_long_as_it_did(tmp_path, rest, between, took):
    def handle(file):
        file.readline()
        file.write(b"a\r\n")
        time.sleep(between)
        file.write(b"b\r\n")

    with serving(handle) as target:
        ledger = play(tmp_path, target, f"> go\n{rest}\n< a\n< b\n")
    assert outcomes(ledger) == {"ok": 1}
    assert ledger.service.quantile(1.0) == pytest.approx(took, abs=0.2)
    assert ledger.first_byte.sum == pytest.approx(0.0, abs=0.15)

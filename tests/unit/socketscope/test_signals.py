"""A stop that is asked for while somebody waits for it."""

import signal
import threading
from pathlib import Path
from time import monotonic

from socketscope import signals
from socketscope.signals import INSISTENCE, STOP_SIGNALS, stop_signals
from tests.threads import in_a_thread

from .patience import PATIENCE, until


def test_a_signal_that_another_thread_takes_wakes_who_waits():
    # So it is, too, with one that comes right before the wait: its handler runs when the wait is over.
    waiting = Path(f"/proc/self/task/{threading.get_native_id()}/wchan")

    def take() -> None:
        until(lambda: "poll" in waiting.read_text())
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    with stop_signals() as stop:
        other = in_a_thread(take)
        began = monotonic()
        while not stop.asked:
            stop.wait(PATIENCE)
        assert monotonic() - began < PATIENCE / 2
        other.join()


def test_who_was_woken_by_signals_before_is_again():
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with stop_signals():
        pass
    assert signal.set_wakeup_fd(before) == before


def test_a_hangup_that_is_ignored_stays_so_and_another_is_noted():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.asked
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with stop_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert stop.asked
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interrupt_that_a_shell_has_ignored_for_what_runs_behind_it_is_noted():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_signals() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.asked
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_hangup_that_asks_for_files_is_no_stop_whether_it_is_ignored_otherwise_or_not():
    for usual in (signal.SIG_IGN, signal.SIG_DFL):
        before = signal.signal(signal.SIGHUP, usual)
        try:
            with stop_signals(renews=True) as stop:
                assert not stop.renew
                signal.raise_signal(signal.SIGHUP)
                signal.raise_signal(signal.SIGHUP)
                assert (stop.renew, stop.asked, stop.insists) == (True, False, False)
                stop.wait(PATIENCE)  # it was woken
                signal.raise_signal(signal.SIGTERM)
                assert (stop.asked, stop.insists) == (True, False)
            assert signal.getsignal(signal.SIGHUP) is usual
        finally:
            signal.signal(signal.SIGHUP, before)


def test_a_second_signal_insists_unless_it_comes_with_the_first(monkeypatch):
    times = iter([5.0, 5.0 + INSISTENCE, 5.001 + INSISTENCE])
    monkeypatch.setattr(signals, "monotonic", lambda: next(times))
    with stop_signals() as stop:
        for insists in (False, False, True):
            signal.raise_signal(signal.SIGTERM)
            assert (stop.asked, stop.insists) == (True, insists)


def test_signals_are_handled_afterwards_as_they_were_before():
    handlers = [lambda *_: None for _ in STOP_SIGNALS]
    before = [signal.signal(*each) for each in zip(STOP_SIGNALS, handlers, strict=True)]
    with stop_signals():
        assert handlers[0] not in map(signal.getsignal, STOP_SIGNALS)
    assert [signal.signal(*each) for each in zip(STOP_SIGNALS, before, strict=True)] == handlers


def test_more_signals_than_anybody_waits_for_are_taken_without_a_word(capfd):
    with stop_signals() as stop:
        for _ in range(10_000):
            stop.wake()
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked
    assert capfd.readouterr().err == ""


def test_who_was_woken_once_waits_again():
    with stop_signals() as stop:
        stop.wake()
        stop.wait(PATIENCE)
        began = monotonic()
        stop.wait(0.02)
        assert monotonic() - began >= 0.02

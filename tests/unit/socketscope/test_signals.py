"""A stop that is asked for while somebody waits for it."""

import signal
import threading
from pathlib import Path
from time import monotonic

from socketscope.signals import stop_signals

from .patience import PATIENCE, until


def test_a_signal_that_another_thread_takes_wakes_who_waits():
    # So it is, too, with one that comes right before the wait: its handler runs when the wait is over.
    waiting = Path(f"/proc/self/task/{threading.get_native_id()}/wchan")

    def take() -> None:
        until(lambda: "poll" in waiting.read_text())
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    with stop_signals() as stop:
        other = threading.Thread(target=take)
        other.start()
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

"""Signals that end a replay or a recording."""

import asyncio
import signal

import pytest

from socketscope.addresses import Address
from socketscope.replay.record.folder import Folder
from socketscope.replay.record.listening import listen
from socketscope.replay.record.recorder import Recorder
from socketscope.replay.record.secrets import Secrets
from socketscope.replay.signals import NUMBERS, Noted, Stopped, stoppable
from socketscope.replay.wire.targets import Target
from tests.threads import ends, in_a_thread

each = pytest.mark.parametrize("number", NUMBERS)


@each
def test_the_first_one_is_noted_and_calls_what_is_to_be_stopped(number):
    calls = []
    noted = Noted()
    noted.then(lambda: calls.append(noted.first))
    assert noted.first == 0
    for again in (number, signal.SIGTERM):
        signal.raise_signal(again)
    assert (noted.first, calls) == (number, [number])


@each
def test_what_was_ignored_at_the_start_stays_so(number):
    signal.signal(number, signal.SIG_IGN)
    noted = Noted()
    signal.raise_signal(number)
    assert noted.first == 0
    with stoppable():
        signal.raise_signal(number)


@each
def test_one_ends_a_block_and_the_rest_are_ignored(number):
    def interrupted():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Stopped) as stopped, stoppable():
        interrupted()
    assert stopped.value.number == number


def test_a_recording_ends_by_a_signal_that_has_woken_nobody(tmp_path):
    target = Target(Address("tcp", "127.0.0.1", 1))
    noted, recorder = Noted(), Recorder(Folder(tmp_path, "#"), Secrets([]), target)
    listeners = listen(Address("tcp", "127.0.0.1"))
    recording = in_a_thread(asyncio.run, recorder.run(listeners, None, noted))
    noted.first = signal.SIGINT  # as it is handled right after a wait that began right after it
    ends(recording, 10)

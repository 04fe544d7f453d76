import os
import signal

import pytest

from tests.ending import heeding_sigterm


def test_sigterm_ends_what_runs_as_ctrl_c_does_and_later_as_before():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), heeding_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before

import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def heard_signals() -> None:
    """Have Ctrl-C heard, where whoever started the tests in the background has had it ignored.

    Each program that a test starts would inherit that.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)

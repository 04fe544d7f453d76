import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def heard_signals() -> None:
    """Have Ctrl-C heard, where whoever started the tests in the background has had it ignored.

    Each program that a test starts would inherit that. What nohup has ignored is handled in place, which
    is not inherited: a hangup still does not end the tests.
    """
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
        (signal.SIGHUP, lambda *_: None),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)

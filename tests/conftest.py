import signal
import sys

import pytest

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


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


@pytest.fixture
def hurried():
    """Threads that take turns all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(autouse=True)
def signals_as_they_were():
    """What a command has set in this process must not be what later tests' programs inherit."""
    before = {number: signal.getsignal(number) for number in STOPS}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)

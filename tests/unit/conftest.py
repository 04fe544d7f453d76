import signal

import pytest
from hypothesis import settings

# How long an example takes is the machine's affair, which others share.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def signals_as_they_were():
    """What a command has set in this process must not be what later tests' programs inherit."""
    before = {number: signal.getsignal(number) for number in STOPS}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)

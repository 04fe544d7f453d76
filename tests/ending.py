"""How tests end that somebody else ends."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heeding_sigterm() -> Iterator[None]:
    """Have SIGTERM, of `timeout` or of CI, end the tests as Ctrl-C does: what they have made is removed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

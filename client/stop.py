"""The end of a run: asked for by the clock or a signal, seen by every user at once."""

import threading
import time


class Stop:
    """Ends waits early. Time comes from here, so that tests can have their own."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def requested(self) -> bool:
        """Whether the run is to end."""
        return self._event.is_set()

    def request(self) -> None:
        """End the run."""
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Wait so long or until the run ends; return whether it does."""
        return self._event.wait(seconds) if seconds > 0 else self._event.is_set()

    @staticmethod
    def now() -> float:
        """Return seconds on a clock that never goes back."""
        return time.perf_counter()

"""Watches a page of metrics: whether it answers, its values, and their rates."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from socketscope.replay.watch import scrape
from socketscope.replay.watch.scrape import Samples, Unusable

LATELY = 5.0
"""Seconds over which current rates are computed, so that they do not flicker."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a replica.

    Attributes:
        url: URL of its page.
        kind: One of `scrape.KINDS`; None as long as it has never answered.
        problem: Why it did not answer the last time; None if it did.
        since: When it stopped answering, on the monotonic clock.
        page: The values of its last page; empty if it did not answer.
        step: Rates between its last two pages, per second.
        lately: Rates over the last seconds.
    """

    url: str
    kind: str | None = None
    problem: str | None = None
    since: float = 0.0
    page: Samples = field(default_factory=dict)
    step: Samples = field(default_factory=dict)
    lately: Samples = field(default_factory=dict)

    @property
    def up(self) -> bool:
        """Whether it answered the last time."""
        return self.problem is None

    @property
    def name(self) -> str:
        """The URL's host and port."""
        return self.url.partition("://")[2].removesuffix("/metrics")


class Watch:
    """Asks for the page of a replica at intervals, in its own thread: one that hangs delays no other.

    Attributes:
        look: What is known now.
    """

    def __init__(self, url: str, every: float) -> None:
        self.look = Look(url, problem="not asked yet")
        self._every = every
        self._last: tuple[float, Samples] | None = None
        self._steps: deque[tuple[float, Samples, float]] = deque()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {url}", daemon=True)

    def answered(self, page: Samples, now: float) -> None:
        """Take a page that came at a time on the monotonic clock.

        Raises:
            Unusable: The page is not one of this project's.
        """
        kind = scrape.kind(page)
        step: Samples = {}
        if self._last is not None:
            before, last = self._last
            seconds = max(now - before, 1e-9)
            grown = scrape.increases(last, page)
            if self.look.up or seconds <= LATELY:
                # After a longer absence, rates would be means over all that time.
                self._steps.append((now, grown, seconds))
            step = {key: value / seconds for key, value in grown.items()}
        self._last = (now, page)
        while self._steps and self._steps[0][0] <= now - LATELY:
            self._steps.popleft()
        whole = sum(seconds for _, _, seconds in self._steps)
        grown = scrape.combined(grown for _, grown, _ in self._steps)
        lately = {key: value / whole for key, value in grown.items()}
        self.look = Look(self.look.url, kind, page=page, step=step, lately=lately)

    def failed(self, problem: str, now: float) -> None:
        """Note that no page came."""
        self._steps.clear()
        since = now if self.look.up or self.look.since == 0 else self.look.since
        self.look = Look(self.look.url, self.look.kind, problem=problem, since=since)

    def ask(self) -> Unusable | None:
        """Ask once; return what was wrong, or None."""
        try:
            self.answered(scrape.fetch(self.look.url), time.monotonic())
        except Unusable as error:
            self.failed(str(error), time.monotonic())
            return error
        return None

    def start(self) -> None:
        """Start asking at intervals."""
        self._thread.start()

    def stop(self) -> None:
        """Stop asking; a request in progress may still end."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            self.ask()

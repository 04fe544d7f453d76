"""A loop whose time passes only while there is nothing to do, and a server that is a list of durations."""

from collections.abc import Callable, Generator, Iterable
from itertools import chain, repeat
from math import inf
from random import Random
from typing import Any

from socketscope.replay.wire.inbox import Closed, Inbox
from socketscope.replay.wire.loop import Loop, Until, Wait
from socketscope.replay.wire.targets import CONNECT_TIMEOUT


class FakeLoop(Loop):
    """Real connections, no real time.

    Attributes:
        late: Seconds by which it comes late to whatever it waits for, as on a machine that is busy.
    """

    def __init__(self) -> None:
        self.time = 100.0
        self.late = 0.0
        super().__init__(lambda: self.time)

    def _poll(self, seconds: float) -> list[tuple[int, int]]:
        happened = self._epoll.poll(0)
        if not happened:
            assert seconds < inf, "nothing would ever happen"
            self.time += seconds + self.late
        return happened


class FakeConnection:
    """Answers every message with itself, each as late as it was told."""

    first_byte_at: float | None = None
    last_byte_at = 0.0

    def __init__(self, server: "FakeServer") -> None:
        self._server = server
        self._loop = server.loop
        self._said = b""
        self.inbox = Inbox()

    def send(self, data: bytes) -> bytes:
        self._said = data
        self._server.heard.append((round(self._loop.now() - self._server.began, 6), data))
        return b""

    def read(self, take: Callable[[], Any], until: float) -> Generator[Wait, int, bytes | bool]:
        if take != self.inbox.take_line:
            # It closes behind its reply, so that nobody waits for more, unless it says more.
            if self._server.says_more_after < inf:
                yield Until(min(until, self.last_byte_at + self._server.says_more_after))
            return self.has_unread()
        takes = next(self._server.durations)
        timeout = until - self._loop.now()
        yield Until(self._loop.now() + min(takes, timeout))
        if takes > timeout:
            raise TimeoutError
        if takes < 0:
            raise Closed(b"")
        self.first_byte_at = self.last_byte_at = self._loop.now()
        return self._said.removesuffix(b"\r\n")

    def note_arrival(self, until: float) -> Generator[Wait, int, None]:
        yield Until(until)

    def has_unread(self, **_: bool) -> bool:
        if self.last_byte_at and self._loop.now() >= self.last_byte_at + self._server.says_more_after:
            self.inbox = Inbox()
            self.inbox.add(b"more")
        return bool(self.inbox.data)

    def take_counts(self) -> tuple[int, int]:
        return 1, 1

    def close(self) -> None:
        self._server.closed += 1


class FakeServer:
    """A target for runs.

    Attributes:
        heard: When each message came, in seconds since the beginning, and what it was.
        attempts: When a connection was asked for.
        says_more_after: Seconds after each reply until something comes that nobody wants.
    """

    address = "tcp://fake:1"

    def __init__(
        self,
        loop: FakeLoop,
        *durations: float,
        then: float = 0.001,
        connect: Iterable[float | OSError] = (),
        says_more_after: float = inf,
    ) -> None:
        self.loop = loop
        self.began = loop.now()
        self.durations = chain(durations, repeat(then))
        self.heard: list[tuple[float, bytes]] = []
        self.attempts: list[float] = []
        self.closed = 0
        self.says_more_after = says_more_after
        self._connect = chain(connect, repeat(0.0))

    def connect(self, loop: FakeLoop, _: Random) -> Generator[Wait, int, FakeConnection]:
        self.attempts.append(round(loop.now() - self.began, 6))
        takes = next(self._connect)
        if isinstance(takes, TimeoutError):
            yield Until(loop.now() + CONNECT_TIMEOUT)
        if isinstance(takes, OSError):
            raise takes
        yield Until(loop.now() + takes)
        return FakeConnection(self)

"""A user's connection, one at a time, counted when it opens and when it closes."""

from collections.abc import Generator
from contextlib import suppress
from random import Random

from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.play.failing import Failed, not_connected
from socketscope.replay.wire.connection import Connection
from socketscope.replay.wire.loop import Loop, Wait
from socketscope.replay.wire.targets import Target


class Link:
    """A user's connection, open or not.

    Attributes:
        connection: None while none is open.
        greeting: The lines that the server sent on it before anything was sent to it.
        has_sent: Whether anything was sent on it.
        reachable: Whether the last attempt to connect succeeded.
    """

    def __init__(self, target: Target, ledger: Ledger, loop: Loop, random: Random) -> None:
        self.connection: Connection | None = None
        self.greeting: list[bytes] = []
        self.has_sent = False
        self.reachable = True
        self._target = target
        self._ledger = ledger
        self._loop = loop
        self._random = random

    def open(self, line: int) -> Generator[Wait, int, Connection]:
        """Connect, for the exchange that a line of the script begins.

        Raises:
            Failed: It could not connect.
        """
        began = self._loop.now()
        outcome, got = "ok", ""
        try:
            self.connection = connection = yield from self._target.connect(self._loop, self._random)
        except OSError as error:
            outcome, got = not_connected(error)
        self._ledger.connected(outcome, self._loop.now() - began)
        self.reachable = outcome == "ok"
        if outcome != "ok":
            raise Failed(outcome, f"a connection to {self._target.address}", got, line)
        self.greeting.clear()
        self.has_sent = False
        return connection

    def half_close(self) -> None:
        """Send no more on this connection."""
        if self.connection is not None:
            with suppress(OSError):
                self.connection.half_close()

    def close(self, *, with_reset: bool = False) -> None:
        """Close the connection, if there is one."""
        if (connection := self.connection) is not None:
            if with_reset:
                connection.reset()
            else:
                connection.close()
            self._ledger.disconnected(*connection.take_counts())
            self.connection = None

"""A user's exchanges: sent, read, compared, and entered in the ledger."""

from collections.abc import Generator
from dataclasses import dataclass

from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.play.asides import Asides
from socketscope.replay.play.failing import Failed, not_sent, wrong
from socketscope.replay.play.link import Link
from socketscope.replay.play.reading import read_expected
from socketscope.replay.play.saying import Saying
from socketscope.replay.script.context import Context
from socketscope.replay.script.program import Expectation, Opening, Sending
from socketscope.replay.script.text import quoted
from socketscope.replay.wire.connection import Connection
from socketscope.replay.wire.loop import Loop, Task, Until, Wait
from socketscope.replay.wire.targets import Target

QUIET = 0.02
"""Seconds for which a server must stay silent after its last line before a connection is closed."""


@dataclass(slots=True)
class Exchange:
    """The exchange in progress: its step, its line in the script, and times on the loop's clock.

    Attributes:
        is_answered: Whether a reply was read, or none is expected, as for a flood.
    """

    step: str
    line: int
    began: float
    sent_at: float = 0.0
    ended: float = 0.0
    is_answered: bool = False


class Exchanges:
    """One exchange after another, over one connection at a time. Its generators run in the user's task.

    Attributes:
        link: The user's connection.
        current: The exchange in progress; None between two.
        asides: What the current pass ignores and answers.
    """

    def __init__(self, target: Target, ledger: Ledger, loop: Loop, context: Context, saying: Saying) -> None:
        self.link = Link(target, ledger, loop, context.random)
        self.current: Exchange | None = None
        self.asides = Asides(context, saying.note)
        self._ledger = ledger
        self._now = loop.now
        self._saying = saying
        self._file = ""
        self._connect_for = ""
        self._lateness = 0.0
        self._last: Exchange | None = None

    def begin_pass(self, file: str, connect_for: str, lateness: float) -> list[bytes] | None:
        """Begin a pass; return the greeting of the connection kept from an earlier pass, None without one.

        Args:
            file: The script's name.
            connect_for: What a connection is for: ``message``, ``pass`` or ``user``.
            lateness: Seconds by which the pass begins too late.
        """
        self._file, self._connect_for, self._lateness = file, connect_for, lateness
        self.asides.known.clear()
        return None if self.link.connection is None else list(self.link.greeting)

    def open(self, action: Opening) -> Task:
        """Connect, unless a connection is open; only a failure is entered, as an exchange."""
        if self.link.connection is None:
            yield from self._open(self._begin(action))
            self.current = None

    def send(self, action: Sending) -> Task:
        """Enter the exchange in progress, and return the task that sends a message, which begins another."""
        self.settle()
        if self._connect_for == "message" and self.link.has_sent:
            self.link.close()
        return self._send(action, action.data(self.asides.context))

    def read(self, action: Expectation) -> Task:
        """Read what is expected.

        Raises:
            Failed: Something else came, or nothing.
        """
        exchange = self.current or self._begin(action)
        connection = self.link.connection or (yield from self._open(exchange))
        note = self._saying.note if self.link.has_sent else self._note_greeting
        until = self._now() + action.timeout
        reply = yield from read_expected(action, connection, self.asides, note, until)
        # If no bytes are expected, the last byte may belong to an earlier exchange, or none may have come.
        exchange.ended = max(connection.last_byte_at, exchange.began)
        exchange.is_answered = True
        if action.ends:
            self._take_end(action, exchange, reply)

    def _note_greeting(self, line: bytes) -> None:
        self.link.greeting.append(line)
        self._saying.note(line)

    def expect_silence(self, action: Sending) -> None:
        """Check that the server has not spoken since the last exchange on the connection.

        Raises:
            Failed: The server has spoken.
        """
        if (connection := self.link.connection) is not None:
            self.asides.require_silence(connection, action.line, "nothing before this", again=False)

    def settle(self) -> None:
        """Enter the exchange in progress, if any, as ok, unless the server has said too much.

        Raises:
            Failed: The server has said too much.
        """
        if (exchange := self.current) is None:
            return
        connection = self.link.connection
        # A kept connection is checked with its next message; a check here too would cost a tenth of each.
        if connection is not None:
            again = self._connect_for != "user"
            self.asides.require_silence(connection, exchange.line, "nothing more", again=again)
        self._enter(exchange, "ok", exchange.ended, None)

    def rest(self, seconds: float) -> Task:
        """Wait; meanwhile answer the lines that the script answers whenever they come."""
        until = self._now() + seconds
        if (connection := self.link.connection) is not None:
            if self.asides.known:
                latest = self.current or self._last
                yield from self.asides.listen(connection, latest.line if latest else None, until)
            if self.current is not None:
                yield from connection.note_arrival(until)
        yield Until(until)

    def reset(self) -> None:
        """Enter the exchange in progress, and close the connection with a reset."""
        self.settle()
        self.link.close(with_reset=True)

    def end_pass(self) -> Task | None:
        """Enter the exchange in progress, and close a connection that is not kept; return what has to wait.

        Raises:
            Failed: The server has said too much.
        """
        self._last = self.current or self._last
        if self._connect_for != "user":
            return self._end()
        self.settle()
        return None

    def _end(self) -> Task:
        if self.current is not None and self.link.connection is not None:
            yield from self._hear_out(self.link.connection, self.current)
        self.settle()
        self.link.close()

    def _hear_out(self, connection: Connection, latest: Exchange) -> Task:
        """Listen for `QUIET` seconds; if an unfinished line comes, as long again for its end."""
        since, line = self._now(), latest.line
        yield from self.asides.listen(connection, line, since + QUIET, is_answered=latest.is_answered)
        if connection.inbox.data:
            since = self._now()
            yield from self.asides.listen(connection, line, since + QUIET)
        connection.heard_since = since

    def leave(self) -> Task:
        """After the last pass, hear whether the server says more on a kept connection; then disconnect."""
        connection, last = self.link.connection, self._last
        if connection is not None and last is not None:
            try:
                yield from self._hear_out(connection, last)
            except Failed as failed:
                self.fail(failed, last.step)
        self.disconnect()

    def disconnect(self) -> None:
        """Close the connection, if it is open; bytes that came since the last pass are a failed exchange."""
        connection, last = self.link.connection, self._last
        if connection is not None and last is not None:
            try:
                self.asides.require_silence(connection, last.line, "nothing more")
            except Failed as failed:
                self.fail(failed, last.step)
        self.link.close()

    def fail(self, failed: Failed, step: str) -> None:
        """Enter the exchange in progress as failed, or without one an exchange of `step`; disconnect."""
        exchange = self.current or Exchange(step, failed.line, self._now())
        failure = Failure(
            self._file, failed.line, failed.expected, failed.got, failed.is_text, exchange.step,
            self._saying.last,
        )  # fmt: skip
        if failed.is_text:
            self._saying.tell(f"< {failed.got}")
        got = "" if failed.is_text else f", got {failed.got}"
        self._saying.tell(f"# {self._file}:{failed.line}: {failed.outcome}{got}")
        self._enter(exchange, failed.outcome, self._now(), failure)
        self.link.close()

    def interrupt(self, *, is_complete: bool, is_waiting: bool) -> None:
        """End at once.

        Args:
            is_complete: Whether the whole reply was read; else the exchange counts as in flight.
            is_waiting: Whether the user was waiting for the server.
        """
        if (exchange := self.current) is not None and is_complete:
            try:
                self.settle()
            except Failed as failed:
                self.fail(failed, exchange.step)
        elif exchange is not None:
            waited = self._now() - exchange.began if is_waiting else None
            self._ledger.interrupted(exchange.step, waited, self._lateness)
        self.link.close()

    def _begin(self, action: Sending | Expectation | Opening) -> Exchange:
        self.current = Exchange(action.step, action.line, self._now())
        return self.current

    def _open(self, exchange: Exchange) -> Generator[Wait, int, Connection]:
        """Connect for an exchange; the time counts if the connection is for one message, or if this fails."""
        began = exchange.began = self._now()
        connection = yield from self.link.open(exchange.line)
        exchange.began = began if self._connect_for == "message" else self._now()
        return connection

    def _send(self, action: Sending, data: bytes) -> Task:
        exchange = self._begin(action)
        exchange.is_answered = action.filler > 0
        connection = self.link.connection or (yield from self._open(exchange))
        connection.first_byte_at = None
        self.link.has_sent = True
        self._saying.note((action, data))
        try:
            if action.chunk:
                yield from self._dribble(connection, data, action)
            elif rest := connection.send(data):
                yield from connection.write(rest, self._now() + action.timeout)
        except OSError as error:
            # What a server says before it closes is its answer, which is for what follows to judge.
            if not (isinstance(error, (BrokenPipeError, ConnectionResetError)) and connection.has_unread()):
                raise not_sent(error, action, connection.sent, len(data)) from error
        exchange.sent_at = exchange.ended = self._now()

    def _dribble(self, connection: Connection, data: bytes, action: Sending) -> Task:
        for start in range(0, len(data), action.chunk):
            if start:
                yield Until(self._now() + action.interval)
            yield from connection.write(data[start : start + action.chunk], self._now() + action.timeout)

    def _take_end(self, action: Expectation, exchange: Exchange, rest: bytes) -> None:
        """End the exchange, as the server has closed, and close this side."""
        if rest:
            context = self.asides.context
            raise wrong("unexpected_data", action, context, quoted(rest, context))
        exchange.ended = self._now()
        self.settle()
        self.link.close()

    def _enter(self, exchange: Exchange, outcome: str, ended: float, failure: Failure | None) -> None:
        sent = received = 0
        first_byte = None
        if (connection := self.link.connection) is not None:
            sent, received = connection.take_counts()
            if exchange.sent_at and connection.first_byte_at is not None:
                first_byte = max(connection.first_byte_at - exchange.sent_at, 0.0)
        self.current = None
        self._ledger.exchange(
            exchange.step, outcome, ended - exchange.began, self._lateness, failure,
            ended, first_byte, sent, received,
        )  # fmt: skip

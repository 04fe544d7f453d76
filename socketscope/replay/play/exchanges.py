"""A user's exchanges on its connection: sent, read, compared, and entered in the ledger."""

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.play.asides import Asides
from socketscope.replay.play.conversation import Conversation
from socketscope.replay.play.failing import Failed, differs, not_connected, not_read, not_sent, wrong
from socketscope.replay.play.inbox import Differs, Ended
from socketscope.replay.play.loop import Loop, Task, Until, Wait
from socketscope.replay.play.reading import Take, came_so_far, last_line, recalled, taking
from socketscope.replay.play.saying import Saying
from socketscope.replay.play.targets import Target
from socketscope.replay.script.context import Context
from socketscope.replay.script.program import OF_LINES, Expectation, Sending
from socketscope.replay.script.text import quoted

QUIET = 0.02
"""Seconds after its last line for which a server must keep silent before a connection is closed."""


@dataclass(slots=True)
class Exchange:
    """One that is under way: a step, a line of its script, and times on the loop's clock."""

    step: str
    line: int
    began: float
    sent_at: float = 0.0
    ended: float = 0.0


class Exchanges:
    """One after another, over one connection at a time. Its generators run in the user's task.

    Attributes:
        reachable: Whether the last attempt to connect succeeded.
        current: The exchange under way; None between two.
        asides: What the pass under way passes over and answers.
    """

    def __init__(self, target: Target, ledger: Ledger, loop: Loop, random: Random, saying: Saying) -> None:
        self.reachable = True
        self.current: Exchange | None = None
        self.asides = Asides(random)
        self._target = target
        self._ledger = ledger
        self._loop = loop
        self._now = loop.now
        self._random = random
        self._saying = saying
        self._file = ""
        self._context: Context = {}
        self._connect_for = ""
        self._lateness = 0.0
        self._conversation: Conversation | None = None
        self._last: Exchange | None = None
        self._greeting: list[bytes] = []
        self._has_sent = False

    def begin_pass(
        self, file: str, context: Context, connect_for: str, lateness: float
    ) -> list[bytes] | None:
        """Begin a pass; return what the server said when a connection opened that is kept, None without one.

        Args:
            file: The script's name.
            context: Variables.
            connect_for: What a connection is for: ``message``, ``pass`` or ``user``.
            lateness: Seconds by which the pass begins too late.
        """
        self._file, self._context, self._lateness = file, context, lateness
        self._connect_for = connect_for
        self.asides.context = context
        self.asides.known.clear()
        if connect_for != "user":
            # Another script may have kept one.
            self.disconnect()
        return None if self._conversation is None else list(self._greeting)

    def send(self, action: Sending) -> Task:
        """Enter the exchange under way, and return what begins another with a message."""
        self.settle()
        if self._connect_for == "message":
            self.disconnect()
        return self._send(action, action.data(self._context, self._random))

    def read(self, action: Expectation) -> Task:
        """Read what is expected.

        Raises:
            Failed: Something else came, or nothing.
        """
        exchange = self.current or self._begin(action)
        conversation = self._conversation or (yield from self._open(exchange))
        context, random, is_line = self._context, self._random, action.kind in OF_LINES
        take: Take = conversation.inbox.take_line
        others, reply = 0, b""
        until = self._now() + action.timeout
        try:
            if self.asides.known or not is_line:
                take = taking(action, conversation, context, random, self.asides)
            while True:
                reply = yield from conversation.read(take, until)
                if not self._has_sent:
                    self._greeting.append(reply)
                if not is_line:
                    self._saying.note(reply)
                    break
                if (found := action.matches(reply, context, random)) is not None:
                    context.update(found)
                    self._saying.note(reply)
                    break
                if not action.kind.startswith("until"):
                    raise differs(action, context, random, reply)
                others += 1
                self._saying.note(reply)
        except Ended as ended:
            context.update(last_line(ended.partial, action, conversation, context, random, take))
        except (Differs, OverflowError, OSError) as error:
            came = came_so_far(conversation, take, reply, others, context)
            raise not_read(error, action, context, random, came) from error
        exchange.ended = conversation.last_byte_at
        if not is_line and action.ends:
            self._take_end(action, exchange, reply)

    def recall(self, action: Expectation, greeting: list[bytes]) -> None:
        """Take from what the server said on this connection before anything was sent to it.

        Raises:
            Failed: It was something else.
        """
        try:
            self._context.update(recalled(action, greeting, self._context, self._random, self._saying.note))
        except Failed:
            self._begin(action)
            raise

    def expect_silence(self, action: Sending) -> None:
        """Fail the exchange to come where the server has spoken since the last one of the connection.

        Raises:
            Failed: It has.
        """
        conversation = self._conversation
        if conversation is None or not conversation.unread(look=not conversation.just_received):
            return
        if extra := self.asides.others(conversation):
            self._begin(action)
            got = quoted(extra, self._context)
            raise Failed("unexpected_data", "nothing before this", got, action.line)

    def settle(self) -> None:
        """Enter the exchange under way, if there is one, as ok, unless the server has said too much.

        Raises:
            Failed: It has.
        """
        if (exchange := self.current) is None:
            return
        conversation = self._conversation
        # A kept connection is looked at again with its next message; at every message it would cost a tenth.
        look = self._connect_for != "user" or conversation is None or not conversation.just_received
        if conversation is not None and conversation.unread(look=look):
            self._expect_no_others(conversation, exchange)
        self._enter(exchange, "ok", exchange.ended, None)

    def _expect_no_others(self, conversation: Conversation, exchange: Exchange) -> None:
        if extra := self.asides.others(conversation):
            raise Failed("unexpected_data", "nothing more", quoted(extra, self._context), exchange.line)

    def rest(self, seconds: float) -> Task:
        """Wait, and attend to lines that are answered wherever they come."""
        until = self._now() + seconds
        if self.asides.known and (conversation := self._conversation) is not None:
            with suppress(OSError):
                yield from conversation.read(lambda: self.asides.heard(conversation), until)
        yield Until(until)

    def half_close(self) -> None:
        """Send no more on this connection."""
        if self._conversation is not None:
            with suppress(OSError):
                self._conversation.half_close()

    def reset(self) -> None:
        """Enter the exchange under way, and close the connection with a reset."""
        self.settle()
        self.disconnect(with_reset=True)

    def end_pass(self) -> Task | None:
        """Enter the exchange under way, and close the connection unless it is kept; return what waits first.

        Raises:
            Failed: The server has said too much.
        """
        self._last = self.current or self._last
        if self._connect_for != "user":
            return self._end()
        self.settle()
        return None

    def _end(self) -> Task:
        if self.current is not None and self._conversation is not None:
            yield from self._hush(self._conversation)
        self.settle()
        self.disconnect()

    def leave(self) -> Task:
        """Disconnect after the last pass; what comes of a kept connection until then is a failed exchange."""
        try:
            if (conversation := self._conversation) is not None and (last := self._last) is not None:
                yield from self._hush(conversation)
                if conversation.unread() and (extra := self.asides.others(conversation)):
                    self.current = Exchange(last.step, last.line, self._now())
                    got = quoted(extra, self._context)
                    self.fail(Failed("unexpected_data", "nothing more", got, last.line))
        finally:
            self.disconnect()

    def fail(self, failed: Failed) -> None:
        """Enter the exchange under way as failed, and give its connection up."""
        if (exchange := self.current) is not None:
            failure = Failure(
                self._file, failed.line, failed.expected, failed.got, failed.is_text, exchange.step,
                self._saying.last,
            )  # fmt: skip
            if failed.is_text:
                self._saying.tell(f"< {failed.got}")
            got = "" if failed.is_text else f", got {failed.got}"
            self._saying.tell(f"# {self._file}:{failed.line}: {failed.outcome}{got}")
            self._enter(exchange, failed.outcome, self._now(), failure)
        self.disconnect()

    def interrupt(self, *, is_complete: bool, is_waiting: bool) -> None:
        """End at once.

        Args:
            is_complete: Whether all of the reply under way was read; else the exchange is in flight.
            is_waiting: Whether it is the server that is waited for.
        """
        if (exchange := self.current) is not None and is_complete:
            try:
                self.settle()
            except Failed as failed:
                self.fail(failed)
        elif exchange is not None:
            waited = self._now() - exchange.began if is_waiting else None
            self._ledger.interrupted(exchange.step, waited, self._lateness)
        self.disconnect()

    def disconnect(self, *, with_reset: bool = False) -> None:
        """Close the connection, if there is one."""
        if (conversation := self._conversation) is not None:
            if with_reset:
                conversation.reset()
            else:
                conversation.close()
            self._ledger.disconnected(*conversation.take_counts())
            self._conversation = None

    def _hush(self, conversation: Conversation) -> Task:
        """Wait for a moment whether the server says more than it should."""
        with suppress(OSError):
            yield from conversation.read(lambda: self.asides.heard(conversation), self._now() + QUIET)

    def _begin(self, action: Sending | Expectation) -> Exchange:
        self.current = Exchange(action.step, action.line, self._now())
        return self.current

    def _open(self, exchange: Exchange) -> Generator[Wait, int, Conversation]:
        """Open the connection that an exchange needs, and is longer by if it is a message's own."""
        began = self._now()
        outcome, got = "ok", ""
        try:
            conversation = yield from self._target.connect(self._loop, self._random)
        except OSError as error:
            outcome, got = not_connected(error)
        exchange.began = opened = self._now()
        self._ledger.connected(outcome, opened - began)
        self.reachable = outcome == "ok"
        if outcome != "ok" or self._connect_for == "message":
            exchange.began = began
        if outcome != "ok":
            raise Failed(outcome, f"a connection to {self._target.address}", got, exchange.line)
        self._conversation = conversation
        self._greeting.clear()
        self._has_sent = False
        return conversation

    def _send(self, action: Sending, data: bytes) -> Task:
        exchange = self._begin(action)
        conversation = self._conversation or (yield from self._open(exchange))
        conversation.first_byte_at = None
        self._has_sent = True
        self._saying.note((action, data))
        try:
            if action.chunk:
                yield from self._dribble(conversation, data, action)
            elif rest := conversation.send(data):
                yield from conversation.write(rest, self._now() + action.timeout)
        except OSError as error:
            raise not_sent(error, action, conversation.sent, len(data)) from error
        exchange.sent_at = exchange.ended = self._now()

    def _dribble(self, conversation: Conversation, data: bytes, action: Sending) -> Task:
        for start in range(0, len(data), action.chunk):
            if start:
                yield Until(self._now() + action.interval)
            yield from conversation.write(data[start : start + action.chunk], self._now() + action.timeout)

    def _take_end(self, action: Expectation, exchange: Exchange, rest: bytes) -> None:
        """Take the close, which ends the exchange, and the connection on this side too."""
        if rest:
            got = quoted(rest, self._context)
            raise wrong("unexpected_data", action, self._context, self._random, got)
        exchange.ended = self._now()
        self.settle()
        self.disconnect()

    def _enter(self, exchange: Exchange, outcome: str, ended: float, failure: Failure | None) -> None:
        sent = received = 0
        first_byte = None
        if (conversation := self._conversation) is not None:
            sent, received = conversation.take_counts()
            if exchange.sent_at and conversation.first_byte_at is not None:
                first_byte = max(conversation.first_byte_at - exchange.sent_at, 0.0)
        self.current = None
        self._ledger.exchange(
            exchange.step, outcome, ended - exchange.began, self._lateness, failure,
            ended, first_byte, sent, received,
        )  # fmt: skip

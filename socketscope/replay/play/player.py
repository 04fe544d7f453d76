"""One user playing programs: sends, reads, compares, and enters every exchange in the ledger."""

from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from socketscope.replay.measure.ledger import Failure, Ledger
from socketscope.replay.play.asides import Asides
from socketscope.replay.play.conversation import Conversation
from socketscope.replay.play.failing import TOO_LONG, Failed, not_connected, not_read, not_sent, told, wrong
from socketscope.replay.play.inbox import Differs, Ended
from socketscope.replay.play.loop import Loop, Task, Until, Wait
from socketscope.replay.play.reading import Count, Take, came_so_far, taking
from socketscope.replay.play.targets import Target
from socketscope.replay.script.constructs import HalfClose, Hold, Pause, Reset
from socketscope.replay.script.context import Context
from socketscope.replay.script.program import (
    Action,
    Aside,
    Assignment,
    Expectation,
    Program,
    Sending,
    Table,
)
from socketscope.replay.script.text import decode

QUIET = 0.02
"""Seconds after its last line for which a server must keep silent before a connection is closed."""


@dataclass(slots=True)
class _Exchange:
    """The exchange under way."""

    step: str
    line: int
    began: float
    sent_at: float = 0.0
    ended: float = 0.0


class Player:
    """A user. Its generators run in one task of a loop; closing that ends what is under way.

    Attributes:
        reachable: Whether the last attempt to connect succeeded.
    """

    def __init__(
        self, target: Target, connect: str | None, ledger: Ledger, loop: Loop, random: Random
    ) -> None:
        self.reachable = True
        self._target = target
        self._connect = connect
        self._connect_for = ""
        self._ledger = ledger
        self._loop = loop
        self._now = loop.now
        self._random = random
        self._context = Context()
        self._asides = Asides(self._context, random)
        self._conversation: Conversation | None = None
        self._exchange: _Exchange | None = None
        self._last: tuple[Program, _Exchange] | None = None
        self._lateness = 0.0
        self._greeting: list[bytes] = []
        self._has_sent = False

    def play(self, program: Program, user: int, seq: int, lateness: float) -> Task:  # noqa: C901 - for now
        """Play a program once, to its end or to a failure.

        Args:
            program: What to play.
            user: Number of the user, from 1.
            seq: Number of the pass, from 1.
            lateness: Seconds by which the pass begins too late.
        """
        self._context = Context(program.environment)
        self._context.update(user=str(user), seq=str(seq))
        self._asides = Asides(self._context, self._random)
        self._connect_for = self._connect or program.connect or "message"
        if self._connect_for != "user":
            # Another script may have kept one.
            self.disconnect()
        self._lateness = lateness
        action: Action | None = None
        actions = iter(program.actions)
        # What a connection that is kept said when it opened, it does not say again.
        greeting = None if self._conversation is None else list(self._greeting)
        try:
            for action in actions:
                if greeting is not None and isinstance(action, Expectation) and not action.ends:
                    self._recall(action, greeting)
                    continue
                if greeting is not None and isinstance(action, Sending):
                    self._expect_silence(action)
                    greeting = None
                if (waiting := self._do(action)) is not None:
                    yield from waiting
            action = None
            if self._connect_for != "user" and self._exchange is not None and self._conversation is not None:
                yield from self._hush(self._conversation)
            if self._exchange is not None:
                self._last = program, self._exchange
            self._settle()
        except Failed as failed:
            self._fail(program, failed)
            self.disconnect()
        except GeneratorExit:
            self._interrupt(program, action, actions)
            raise
        if self._connect_for != "user":
            self.disconnect()
        self._ledger.passed()

    def leave(self) -> Task:
        """Disconnect after the last pass; what comes of a kept connection until then is a failed exchange."""
        try:
            if (conversation := self._conversation) is not None and self._last is not None:
                yield from self._hush(conversation)
                if extra := self._extra(conversation, look=True):
                    program, last = self._last
                    self._exchange = _Exchange(last.step, last.line, self._now())
                    got = told(extra, self._context)
                    self._fail(program, Failed("unexpected_data", "nothing more", got, last.line))
        finally:
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

    def _do(self, action: Action) -> Task | None:
        """Do what can be done at once, and return what waits."""
        match action:
            case Sending():
                self._settle()
                if self._connect_for == "message":
                    self.disconnect()
                return self._send(action, action.data(self._context, self._random))
            case Expectation():
                return self._read(action)
            case Pause():
                return self._rest(action.seconds(self._random))
            case Hold(seconds):
                return self._rest(seconds)
            case HalfClose():
                self._half_close()
            case Reset():
                self._settle()
                self.disconnect(with_reset=True)
            case Assignment(name, template):
                self._context[name] = decode(template.fill(self._context, self._random))
            case Table():
                self._context.update(action.next_row())
            case Aside():
                self._asides.add(action)
        return None

    def _rest(self, seconds: float) -> Task:
        until = self._now() + seconds
        if self._asides and (conversation := self._conversation) is not None:
            with suppress(OSError):
                yield from conversation.read(lambda: self._heard(conversation), until)
        yield Until(until)

    def _hush(self, conversation: Conversation) -> Task:
        """Wait for a moment whether the server says more than it should."""
        with suppress(OSError):
            yield from conversation.read(lambda: self._heard(conversation), self._now() + QUIET)

    def _heard(self, conversation: Conversation) -> bool | None:
        """Return whether the server has said what is no aside, or has closed; None while that may come."""
        inbox = conversation.inbox
        is_other = self._asides.attend(conversation) if self._asides else bool(inbox)
        return is_other or inbox.ended or None

    def _half_close(self) -> None:
        if self._conversation is not None:
            with suppress(OSError):
                self._conversation.half_close()

    def _begin(self, action: Sending | Expectation) -> _Exchange:
        self._exchange = _Exchange(action.step, action.line, self._now())
        return self._exchange

    def _open(self, exchange: _Exchange) -> Generator[Wait, int, Conversation]:
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
        if outcome != "ok":
            raise Failed(outcome, f"a connection to {self._target.address}", got, exchange.line)
        if self._connect_for == "message":
            exchange.began = began
        self._conversation = conversation
        self._greeting.clear()
        self._has_sent = False
        return conversation

    def _send(self, action: Sending, data: bytes) -> Task:
        exchange = self._begin(action)
        conversation = self._conversation or (yield from self._open(exchange))
        conversation.first_byte_at = None
        self._has_sent = True
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

    def _read(self, action: Expectation) -> Task:
        exchange = self._exchange or self._begin(action)
        conversation = self._conversation or (yield from self._open(exchange))
        context, random = self._context, self._random
        take: Take = conversation.inbox.take_line
        others, reply = 0, b""
        until = self._now() + action.timeout
        try:
            if self._asides or not action.is_line:
                take = taking(action, conversation, context, random, self._asides)
            while True:
                reply = yield from conversation.read(take, until)
                if not (self._has_sent or action.ends):
                    self._greeting.append(reply)
                if not action.is_line:
                    break
                if (found := action.matches(reply, context, random)) is not None:
                    context.update(found)
                    break
                if not action.kind.startswith("until"):
                    raise Differs(reply)
                others += 1
        except Ended as ended:
            self._end(ended, action, conversation, take)
        except Differs as differs:
            raise wrong("mismatch", action, context, random, told(differs.came, context)) from differs
        except OverflowError as error:
            raise wrong("mismatch", action, context, random, TOO_LONG) from error
        except OSError as error:
            came = came_so_far(conversation, take, reply, others, context)
            raise not_read(error, action, context, random, came) from error
        if action.ends:
            self._take_end(action, exchange, reply)
        else:
            exchange.ended = conversation.last_byte_at

    def _end(self, ended: Ended, action: Expectation, conversation: Conversation, take: Take) -> None:
        """Take what stands before the close, without a line's end, as a line if that is what was expected."""
        context, random = self._context, self._random
        found = None
        if ended.partial and action.is_line and action.kind != "any":
            found = action.matches(ended.partial, context, random)
        if found is None:
            outcome = "closed" if conversation.first_byte_at is None else "short_reply"
            got = take.told if isinstance(take, Count) else told(ended.partial, context) or "the end"
            raise wrong(outcome, action, context, random, got) from ended
        context.update(found)

    def _take_end(self, action: Expectation, exchange: _Exchange, rest: bytes) -> None:
        """Take the close, which ends the exchange, and the connection on this side too."""
        if rest:
            got = told(rest, self._context)
            raise wrong("unexpected_data", action, self._context, self._random, got)
        exchange.ended = self._now()
        self._settle()
        self.disconnect()

    def _recall(self, action: Expectation, greeting: list[bytes]) -> None:
        """Take from what the server said on this connection before anything was sent to it."""
        found = None
        while found is None:
            if greeting:
                found = action.matches(greeting.pop(0), self._context, self._random)
            if found is None and not (greeting and action.kind.startswith("until")):
                self._begin(action)
                got = "another greeting, when the connection opened"
                raise wrong("mismatch", action, self._context, self._random, got)
        self._context.update(found)

    def _expect_silence(self, action: Sending) -> None:
        """Fail the exchange to come where the server has spoken since the last one of the connection."""
        conversation = self._conversation
        if conversation is None:
            return
        if extra := self._extra(conversation, look=not conversation.just_received):
            self._begin(action)
            got = told(extra, self._context)
            raise Failed("unexpected_data", "nothing before this", got, action.line)

    def _extra(self, conversation: Conversation, *, look: bool) -> bytes:
        """Return what has come that nothing has taken, and that is no aside."""
        extra = conversation.unread(look=look)
        if extra and self._asides:
            self._asides.attend(conversation)
            extra = conversation.unread(look=False)
        return extra

    def _settle(self) -> None:
        """Enter the exchange under way, if there is one, as ok, unless the server has said too much."""
        if (exchange := self._exchange) is None:
            return
        conversation = self._conversation
        # A kept connection is looked at again with its next message; at every message it would cost a tenth.
        look = self._connect_for != "user" or conversation is None or not conversation.just_received
        if conversation is not None and (extra := self._extra(conversation, look=look)):
            raise Failed("unexpected_data", "nothing more", told(extra, self._context), exchange.line)
        self._enter(exchange, "ok", exchange.ended, None)

    def _fail(self, program: Program, failed: Failed) -> None:
        if (exchange := self._exchange) is not None:
            failure = Failure(program.file, failed.line, failed.expected, failed.got)
            self._enter(exchange, failed.outcome, self._now(), failure)

    def _interrupt(self, program: Program, action: Action | None, following: Iterator[Action]) -> None:
        """Enter the exchange that the end of the run has met: in flight, unless all of its reply was read."""
        if self._exchange is not None:
            upcoming = (a for a in following if isinstance(a, Sending | Expectation))
            rests = action is None or isinstance(action, Pause | Hold)
            if rests and not isinstance(next(upcoming, None), Expectation):
                try:
                    self._settle()
                except Failed as failed:
                    self._fail(program, failed)
            else:
                self._ledger.interrupted()
        self.disconnect()

    def _enter(self, exchange: _Exchange, outcome: str, ended: float, failure: Failure | None) -> None:
        sent = received = 0
        first_byte = None
        if (conversation := self._conversation) is not None:
            sent, received = conversation.take_counts()
            if exchange.sent_at and conversation.first_byte_at is not None:
                first_byte = max(conversation.first_byte_at - exchange.sent_at, 0.0)
        self._exchange = None
        self._ledger.exchange(
            exchange.step, outcome, ended - exchange.began, self._lateness, failure,
            ended, first_byte, sent, received,
        )  # fmt: skip

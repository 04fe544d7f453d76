"""One user playing programs: sends, reads, compares, and enters every exchange in the ledger."""

import socket
import ssl
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from socketscope.replay.measure.ledger import Failure, Ledger
from socketscope.replay.play.conversation import LONGEST_LINE, Conversation, Ended
from socketscope.replay.play.loop import Loop, Task, Until, Wait
from socketscope.replay.play.targets import Target
from socketscope.replay.script.constructs import HalfClose, Hold, Pause, Reset
from socketscope.replay.script.program import Action, Assignment, Expectation, Program, Sending, Table
from socketscope.replay.script.text import decode

_SHOWN = 200
"""Characters of a wrong reply that are shown."""

_SEND_TIMEOUT = 30.0
"""Seconds that a server may take to accept what is sent."""


class Failed(Exception):  # noqa: N818 - ends a pass, and is counted
    """An exchange did not end ok.

    Attributes:
        outcome: How it ended.
    """

    def __init__(self, outcome: str, expected: str, got: str, line: int) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.expected = expected
        self.got = got
        self.line = line


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

    def __init__(self, target: Target, connect: str, ledger: Ledger, loop: Loop, random: Random) -> None:
        self.reachable = True
        self._target = target
        self._connect_for = connect
        self._ledger = ledger
        self._loop = loop
        self._now = loop.now
        self._random = random
        self._conversation: Conversation | None = None
        self._exchange: _Exchange | None = None
        self._lateness = 0.0
        self._greeting: list[bytes] = []
        self._has_sent = False

    def play(self, program: Program, user: int, seq: int, lateness: float) -> Task:
        """Play a program once, to its end or to a failure.

        Args:
            program: What to play.
            user: Number of the user, from 1.
            seq: Number of the pass, from 1.
            lateness: Seconds by which the pass begins too late.
        """
        context = {**program.environment, "user": str(user), "seq": str(seq)}
        self._lateness = lateness
        action: Action | None = None
        actions = iter(program.actions)
        # What a connection that is kept said when it opened, it does not say again.
        greeting = None if self._conversation is None else list(self._greeting)
        try:
            for action in actions:
                if greeting is not None and isinstance(action, Expectation) and action.kind != "close":
                    self._recall(action, context, greeting)
                    continue
                if greeting is not None and isinstance(action, Sending):
                    self._expect_silence(action)
                    greeting = None
                if (waiting := self._do(action, context)) is not None:
                    yield from waiting
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

    def disconnect(self, *, with_reset: bool = False) -> None:
        """Close the connection, if there is one."""
        if (conversation := self._conversation) is not None:
            if with_reset:
                conversation.reset()
            else:
                conversation.close()
            self._ledger.disconnected(*conversation.take_counts())
            self._conversation = None

    def _do(self, action: Action, context: dict[str, str]) -> Task | None:
        """Do what can be done at once, and return what waits."""
        match action:
            case Sending():
                self._settle()
                if self._connect_for == "message":
                    self.disconnect()
                return self._send(action, action.data(context, self._random))
            case Expectation():
                return self._read(action, context)
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
                context[name] = decode(template.fill(context, self._random))
            case Table():
                context.update(action.next_row())
        return None

    def _rest(self, seconds: float) -> Task:
        yield Until(self._now() + seconds)

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
        except socket.gaierror as error:
            outcome, got = "dns_error", error.strerror or str(error)
        except TimeoutError:
            outcome, got = "connect_timeout", "no answer"
        except ssl.SSLError as error:
            outcome, got = "reset", str(error)
        except ConnectionResetError as error:
            outcome, got = "reset", error.strerror or str(error)
        except OSError as error:
            outcome, got = "refused", error.strerror or str(error)
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
                yield from conversation.write(rest, _SEND_TIMEOUT)
        except OSError as error:
            raise Failed("send_error", "to send", error.strerror or str(error), action.line) from error
        exchange.sent_at = exchange.ended = self._now()

    def _dribble(self, conversation: Conversation, data: bytes, action: Sending) -> Task:
        for start in range(0, len(data), action.chunk):
            if start:
                yield Until(self._now() + action.interval)
            yield from conversation.write(data[start : start + action.chunk], _SEND_TIMEOUT)

    def _read(self, action: Expectation, context: dict[str, str]) -> Task:
        exchange = self._exchange or self._begin(action)
        conversation = self._conversation or (yield from self._open(exchange))
        try:
            if action.kind == "close":
                yield from self._read_end(action, context, exchange, conversation)
                return
            found = None
            while found is None:
                reply = yield from conversation.read_line(action.timeout)
                if not self._has_sent:
                    self._greeting.append(reply)
                found = action.matches(reply, context, self._random)
                if found is None and not action.kind.startswith("until"):
                    raise self._wrong("mismatch", action, context, decode(reply))
            context.update(found)
        except Ended as ended:
            self._end(ended, action, context, conversation)
        except OverflowError as error:
            told = f"{LONGEST_LINE} bytes and no line's end"
            raise self._wrong("mismatch", action, context, told) from error
        except TimeoutError as error:
            raise self._wrong("timeout", action, context, f"nothing in {action.timeout:g} s") from error
        except OSError as error:
            # Of a datagram, the refusal comes when it was sent.
            outcome = "refused" if isinstance(error, ConnectionRefusedError) else "reset"
            raise self._wrong(outcome, action, context, error.strerror or str(error)) from error
        exchange.ended = conversation.last_byte_at

    def _end(
        self, ended: Ended, action: Expectation, context: dict[str, str], conversation: Conversation
    ) -> None:
        """Take what stands before the close, without a line's end, as a line if that is what was expected."""
        found = None
        if ended.partial and action.kind != "any":
            found = action.matches(ended.partial, context, self._random)
        if found is None:
            outcome = "closed" if conversation.first_byte_at is None else "short_reply"
            raise self._wrong(outcome, action, context, decode(ended.partial) or "the end") from ended
        context.update(found)

    def _read_end(
        self, action: Expectation, context: dict[str, str], exchange: _Exchange, conversation: Conversation
    ) -> Task:
        """Read that the server closes, which ends the exchange, and the connection on this side too."""
        if rest := (yield from conversation.read_end(action.timeout)):
            raise self._wrong("unexpected_data", action, context, decode(rest))
        exchange.ended = self._now()
        self._settle()
        self.disconnect()

    def _recall(self, action: Expectation, context: dict[str, str], greeting: list[bytes]) -> None:
        """Take from the lines that the server said on this connection before anything was sent to it."""
        found = None
        while found is None:
            if not greeting:
                self._begin(action)
                raise self._wrong("mismatch", action, context, "another greeting, when the connection opened")
            found = action.matches(greeting.pop(0), context, self._random)
        context.update(found)

    def _expect_silence(self, action: Sending) -> None:
        """Fail the exchange to come where the server has spoken since the last one of the connection."""
        conversation = self._conversation
        if conversation is not None and (extra := conversation.unread(look=not conversation.just_received)):
            self._begin(action)
            raise Failed("unexpected_data", "nothing before this", decode(extra)[:_SHOWN], action.line)

    def _wrong(self, outcome: str, action: Expectation, context: dict[str, str], got: str) -> Failed:
        return Failed(outcome, action.shown(context, self._random), got[:_SHOWN], action.line)

    def _settle(self) -> None:
        """Enter the exchange under way, if there is one, as ok, unless the server has said too much."""
        if (exchange := self._exchange) is None:
            return
        conversation = self._conversation
        # A kept connection is looked at again with its next message; at every message it would cost a tenth.
        look = self._connect_for != "user" or conversation is None or not conversation.just_received
        if conversation is not None and (extra := conversation.unread(look=look)):
            raise Failed("unexpected_data", "nothing more", decode(extra)[:_SHOWN], exchange.line)
        self._enter(exchange, "ok", exchange.ended, None)

    def _fail(self, program: Program, failed: Failed) -> None:
        if (exchange := self._exchange) is not None:
            failure = Failure(program.file, failed.line, failed.expected, failed.got)
            self._enter(exchange, failed.outcome, self._now(), failure)

    def _interrupt(self, program: Program, action: Action | None, following: Iterator[Action]) -> None:
        """Enter the exchange that the end of the run has met: in flight, unless all of its reply was read."""
        if self._exchange is not None:
            upcoming = (a for a in following if isinstance(a, Sending | Expectation))
            if isinstance(action, Pause | Hold) and not isinstance(next(upcoming, None), Expectation):
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

"""One user playing programs: sends, reads, compares, and enters every exchange in the ledger."""

import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from client.ledger import Failure, Ledger
from client.program import Action, Assignment, Expectation, Program, Sending, Table, ends_connection
from client.script import HalfClose, Hold, Pause, Reset
from client.stop import Stop
from client.targets import Conversation, Ended, Target
from client.text import decode

_SHOWN = 200
"""Characters of a wrong reply that are shown."""


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
    """A user. One thread plays; `abort` may come from another.

    Attributes:
        reachable: Whether the last attempt to connect succeeded.
    """

    def __init__(self, target: Target, connect: str, ledger: Ledger, stop: Stop, random: Random) -> None:
        self.reachable = True
        self._target = target
        self._connect_for = connect
        self._ledger = ledger
        self._stop = stop
        self._random = random
        self._conversation: Conversation | None = None
        self._accounted = (0, 0)
        self._greeting: list[bytes] = []

    def play(self, program: Program, user: int, seq: int, lateness: float) -> bool:
        """Play a program once; return whether all of it went well.

        Args:
            program: What to play.
            user: Number of the user, from 1.
            seq: Number of the pass, from 1.
            lateness: Seconds by which the pass begins too late.
        """
        context = {**program.environment, "user": str(user), "seq": str(seq)}
        self._exchange: _Exchange | None = None
        try:
            # What a connection that is kept said when it opened, it does not say again.
            greeting = None if self._conversation is None else list(self._greeting)
            first = next(action for action in program.actions if isinstance(action, Sending | Expectation))
            if greeting is None and isinstance(first, Expectation):
                self._begin(first.step, first.line)
            for action in program.actions:
                self._check_stop()
                if greeting is not None and isinstance(action, Expectation) and action.kind != "close":
                    self._recall(action, context, greeting)
                    continue
                if greeting is not None and isinstance(action, Sending):
                    self._expect_silence(action)
                    greeting = None
                self._do(action, context, lateness)
                if ends_connection(action):
                    self._settle(lateness)
                    self.disconnect(with_reset=isinstance(action, Reset))
            self._settle(lateness)
        except Failed as failed:
            self._fail(program, failed, lateness)
            self.disconnect()
            self._ledger.passed()
            return False
        except _Interrupted:
            if self._exchange is not None:
                self._ledger.interrupted()
            self.disconnect()
            return False
        if self._connect_for != "user":
            self.disconnect()
        self._ledger.passed()
        return True

    def abort(self) -> None:
        """Have the exchange under way end now."""
        if (conversation := self._conversation) is not None:
            conversation.abort()

    def disconnect(self, *, with_reset: bool = False) -> None:
        """Close the connection, if there is one."""
        if (conversation := self._conversation) is not None:
            self._account(None)
            if with_reset:
                conversation.reset()
            else:
                conversation.close()
            self._ledger.disconnected()
            self._conversation = None

    def _do(self, action: Action, context: dict[str, str], lateness: float) -> None:
        match action:
            case Sending():
                self._settle(lateness)
                if self._connect_for == "message":
                    self.disconnect()
                self._send(action, action.data(context, self._random))
            case Expectation():
                self._read(action, context)
            case Pause():
                self._sleep(action.seconds(self._random))
            case Hold(seconds):
                self._sleep(seconds)
            case HalfClose():
                self._half_close()
            case Assignment(name, template):
                context[name] = decode(template.fill(context, self._random))
            case Table():
                context.update(action.next_row())

    def _half_close(self) -> None:
        if self._conversation is not None:
            with suppress(OSError):
                self._conversation.half_close()

    def _begin(self, step: str, line: int) -> Conversation:
        """Begin an exchange, with a connection where there is none."""
        self._exchange = _Exchange(step, line, time.perf_counter())
        if self._conversation is None:
            self._conversation = self._open()
            self._accounted = (0, 0)
            self._greeting.clear()
        return self._conversation

    def _open(self) -> Conversation:
        began = time.perf_counter()
        outcome, got = "ok", ""
        try:
            conversation = self._target.connect()
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
        self._ledger.connected(outcome, time.perf_counter() - began)
        self.reachable = outcome == "ok"
        if outcome != "ok":
            assert self._exchange is not None  # noqa: S101 - it was just begun
            raise Failed(outcome, f"a connection to {self._target.address}", got, self._exchange.line)
        return conversation

    def _send(self, action: Sending, data: bytes) -> None:
        conversation = self._begin(action.step, action.line)
        exchange = self._exchange
        assert exchange is not None  # noqa: S101 - it was just begun
        try:
            chunk = action.chunk or len(data) or 1
            for start in range(0, max(len(data), 1), chunk):
                if start:
                    self._sleep(action.interval)
                conversation.send(data[start : start + chunk], _SEND_TIMEOUT)
        except OSError as error:
            self._check_stop()
            raise Failed("send_error", "to send", error.strerror or str(error), action.line) from error
        exchange.sent_at = exchange.ended = time.perf_counter()

    def _read(self, action: Expectation, context: dict[str, str]) -> None:
        conversation = self._conversation or self._begin(action.step, action.line)
        if self._exchange is None:
            self._exchange = _Exchange(action.step, action.line, time.perf_counter())
        try:
            if action.kind == "close":
                if rest := conversation.read_end(action.timeout):
                    raise self._wrong("unexpected_data", action, context, decode(rest))
                self._exchange.ended = time.perf_counter()
                return
            found = None
            while found is None:
                reply = conversation.read_line(action.timeout)
                if not conversation.sent:
                    self._greeting.append(reply)
                found = action.matches(reply, context, self._random)
                if found is None and not action.kind.startswith("until"):
                    raise self._wrong("mismatch", action, context, decode(reply))
            context.update(found)
        except Ended as ended:
            self._check_stop()
            self._end(ended, action, context)
        except TimeoutError as error:
            self._check_stop()
            raise self._wrong("timeout", action, context, f"nothing in {action.timeout:g} s") from error
        except OSError as error:
            self._check_stop()
            # Of a datagram, the refusal comes when it was sent.
            outcome = "refused" if isinstance(error, ConnectionRefusedError) else "reset"
            raise self._wrong(outcome, action, context, error.strerror or str(error)) from error
        self._exchange.ended = conversation.last_byte_at

    def _end(self, ended: Ended, action: Expectation, context: dict[str, str]) -> None:
        """Take what stands before the close, without a line's end, as a line if that is what was expected."""
        found = None
        if ended.partial and action.kind != "any":
            found = action.matches(ended.partial, context, self._random)
        if found is None:
            began = self._conversation is not None and self._conversation.first_byte_at is not None
            outcome = "short_reply" if began else "closed"
            raise self._wrong(outcome, action, context, decode(ended.partial) or "the end") from ended
        context.update(found)

    def _recall(self, action: Expectation, context: dict[str, str], greeting: list[bytes]) -> None:
        """Take from the lines that the server said on this connection before anything was sent to it."""
        found = None
        while found is None:
            if not greeting:
                self._begin(action.step, action.line)
                raise self._wrong("mismatch", action, context, "another greeting, when the connection opened")
            found = action.matches(greeting.pop(0), context, self._random)
        context.update(found)

    def _expect_silence(self, action: Sending) -> None:
        """Fail the exchange to come where the server has spoken since the last one of the connection."""
        conversation = self._begin(action.step, action.line)
        if extra := conversation.unread():
            raise Failed("unexpected_data", "nothing before this", decode(extra)[:_SHOWN], action.line)
        self._exchange = None

    def _wrong(self, outcome: str, action: Expectation, context: dict[str, str], got: str) -> Failed:
        return Failed(outcome, action.shown(context, self._random), got[:_SHOWN], action.line)

    def _settle(self, lateness: float) -> None:
        """Enter the exchange under way, if there is one, as ok, unless the server has said too much."""
        exchange, conversation = self._exchange, self._conversation
        if exchange is None:
            return
        if conversation is not None and (extra := conversation.unread()):
            raise Failed("unexpected_data", "nothing more", decode(extra)[:_SHOWN], exchange.line)
        self._account(exchange)
        self._ledger.exchange(exchange.step, "ok", exchange.ended - exchange.began, lateness, None)
        self._exchange = None

    def _fail(self, program: Program, failed: Failed, lateness: float) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        self._account(exchange)
        failure = Failure(program.file, failed.line, failed.expected, failed.got)
        seconds = time.perf_counter() - exchange.began
        self._ledger.exchange(exchange.step, failed.outcome, seconds, lateness, failure)
        self._exchange = None

    def _account(self, exchange: _Exchange | None) -> None:
        conversation = self._conversation
        if conversation is None:
            return
        now = (conversation.sent, conversation.received)
        first = None
        if exchange is not None and exchange.sent_at and conversation.first_byte_at is not None:
            first = max(conversation.first_byte_at - exchange.sent_at, 0.0)
        self._ledger.moved(now[0] - self._accounted[0], now[1] - self._accounted[1], first)
        self._accounted = now

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Interrupted

    def _check_stop(self) -> None:
        if self._stop.requested:
            raise _Interrupted


_SEND_TIMEOUT = 30.0
"""Seconds that a server may take to accept what is sent."""


class _Interrupted(Exception):  # noqa: N818 - the end of the run, no fault
    """The run has ended in the middle of a pass."""

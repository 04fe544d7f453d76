"""How an exchange fails, and what is told of that. No I/O."""

import socket
import ssl

from socketscope.replay.measure.failures import around_difference
from socketscope.replay.script.context import Context, secrets, split_at_secrets
from socketscope.replay.script.program import Expectation, Sending
from socketscope.replay.script.text import escape, quoted
from socketscope.replay.wire.inbox import Differs
from socketscope.replay.wire.reasons import reason
from socketscope.replay.wire.targets import NoPortError


class Failed(Exception):  # noqa: N818 - ends a pass, and is counted
    """An exchange did not end ok.

    Attributes:
        outcome: How it ended.
        expected: What was to come.
        got: What came.
        line: Of the script.
        is_text: Whether both are texts and no words, as in `Failure`.
    """

    def __init__(self, outcome: str, expected: str, got: str, line: int, *, is_text: bool = False) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.expected = expected
        self.got = got
        self.line = line
        self.is_text = is_text


def not_connected(error: OSError) -> tuple[str, str]:
    """Return how an attempt to connect has ended, and why."""
    match error:
        case socket.gaierror():
            return "dns_error", reason(error)
        case TimeoutError():
            return "connect_timeout", "no answer"
        case NoPortError():
            return "no_port", "no local port is left"
        case ssl.SSLError():
            return "tls_error", reason(error)
        case ConnectionResetError():
            return "reset", reason(error)
    return "refused", reason(error)


def not_sent(error: OSError, action: Sending, sent: int, size: int) -> Failed:
    """Return how a message was not sent.

    Args:
        error: What happened.
        action: Which message.
        sent: How many of its bytes were taken.
        size: How many it has.
    """
    match error:
        case TimeoutError():
            got = f"{sent} of {size} bytes were taken in {action.timeout:g} s"
            return Failed("send_error", "to send", got, action.line)
        case ConnectionRefusedError() | ssl.SSLError():
            return not_received(error, action.line)
    return Failed("send_error", "to send", reason(error), action.line)


def not_received(error: OSError, line: int) -> Failed:
    """Return how a message failed that its sender hears of later: it reached nobody, or was not wanted."""
    match error:
        case ConnectionRefusedError():
            outcome = "refused"
        case ssl.SSLError():
            outcome = "tls_error"
        case _:
            outcome = "reset"
    return Failed(outcome, "to send", reason(error), line)


def not_read(error: Exception, action: Expectation, context: Context, came: str) -> Failed:
    """Return how an expectation was not met: something else came, nothing in time, or the connection broke.

    Args:
        error: What happened.
        action: The expectation.
        context: Variables of the pass.
        came: What came instead, for a person; empty if nothing.
    """
    outcome, got = "reset", ""
    match error:
        case Differs(came=other):
            return differs(action, context, other)
        case OverflowError():
            outcome, got = "mismatch", str(error)
        case TimeoutError():
            outcome, got = "timeout", f"{came or 'nothing'} in {action.timeout:g} s"
        case ssl.SSLError():
            outcome, got = "tls_error", reason(error)
        case ConnectionRefusedError():
            # Of a datagram, the refusal comes when it was sent.
            outcome, got = "refused", reason(error)
        case OSError():
            got = f"{came.removesuffix(',')}, then {reason(error)}" if came else reason(error)
    return wrong(outcome, action, context, got)


def differs(action: Expectation, context: Context, reply: bytes) -> Failed:
    """Return the failure of a reply that is another than the expected one."""
    if not action.is_literal:
        return wrong("mismatch", action, context, quoted(reply, context))
    # Secrets become marks before long texts are cut: a mere part of one would not be known as a secret.
    names = list(dict.fromkeys(secrets(context).values()))
    both = (_marked(text, context, names) for text in (action.template.fill(context), reply))
    expected, got = (escape(text) for text in around_difference(*both))
    for number, name in enumerate(names):
        mark = escape(_mark(number))
        expected, got = expected.replace(mark, name), got.replace(mark, name)
    return Failed("mismatch", expected, got, action.line, is_text=True)


def _marked(data: bytes, context: Context, names: list[str]) -> bytes:
    known = secrets(context)
    return b"".join(
        plain + (_mark(names.index(name)) if name else b"") for plain, name in split_at_secrets(data, known)
    )


def _mark(number: int) -> bytes:
    return b"\0${%d}\0" % number


def wrong(outcome: str, action: Expectation, context: Context, got: str) -> Failed:
    """Return how an expectation was not met."""
    return Failed(outcome, action.shown(context), got, action.line)

"""How an exchange fails, and what is reported of it. No I/O."""

import socket
import ssl

from socketscope.replay.measure.failures import around_difference
from socketscope.replay.script.context import Context, secrets, split_at_secrets
from socketscope.replay.script.program import Expectation, Sending
from socketscope.replay.script.text import escape, quoted
from socketscope.replay.wire.inbox import Differs
from socketscope.replay.wire.reasons import reason
from socketscope.replay.wire.targets import NoPortError


class Failed(Exception):  # noqa: N818 - it ends a pass and is counted
    """An exchange did not end ok.

    Attributes:
        outcome: How it ended.
        expected: What should have come.
        got: What came instead.
        line: Number of the script's line.
        is_text: Whether both are the bytes themselves and not a description, as in `Failure`.
    """

    def __init__(self, outcome: str, expected: str, got: str, line: int, *, is_text: bool = False) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.expected = expected
        self.got = got
        self.line = line
        self.is_text = is_text


def not_connected(error: OSError) -> tuple[str, str]:
    """Return the outcome of a failed attempt to connect, and the reason."""
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
    """Return the failure of a message that could not be sent.

    Args:
        error: What happened.
        action: The message.
        sent: How many of its bytes the kernel took.
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
    """Return the failure of a message that was sent and, as shows later, not delivered or not accepted."""
    match error:
        case ConnectionRefusedError():
            outcome = "refused"
        case ssl.SSLError():
            outcome = "tls_error"
        case _:
            outcome = "reset"
    return Failed(outcome, "to send", reason(error), line)


def not_read(error: Exception, action: Expectation, context: Context, came: str) -> Failed:
    """Return why an expectation failed: something else came, nothing came in time, or the connection broke.

    Args:
        error: What happened.
        action: The expectation.
        context: Variables of the pass.
        came: What came instead, described for a person; empty if nothing did.
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
            # A datagram is refused only after it was sent.
            outcome, got = "refused", reason(error)
        case OSError():
            got = f"{came.removesuffix(',')}, then {reason(error)}" if came else reason(error)
    return wrong(outcome, action, context, got)


def differs(action: Expectation, context: Context, reply: bytes) -> Failed:
    """Return the failure of a reply that differs from the expected one."""
    if action.kind not in {"line", "until", "bytes"}:
        return wrong("mismatch", action, context, quoted(reply, context))
    # Secrets are replaced by marks before long texts are cut, as part of a secret would not be recognised.
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
    """Return the failure of an expectation."""
    return Failed(outcome, action.shown(context), got, action.line)

"""Checks that a server is silent where the script expects nothing: between exchanges and in pauses."""

import ssl

from socketscope.replay.play.asides import Asides
from socketscope.replay.play.failing import Failed, not_received
from socketscope.replay.script.text import quoted
from socketscope.replay.wire.connection import Connection
from socketscope.replay.wire.loop import Task


def require_silence(
    connection: Connection, asides: Asides, line: int, expected: str, *, again: bool = True
) -> None:
    """Check, without waiting, that nothing has come except what the script ignores or answers.

    Args:
        connection: Where.
        asides: What the script ignores and answers.
        line: The line of the script to which a failure belongs.
        expected: What the failure says was expected.
        again: As for `Connection.has_unread`.

    Raises:
        Failed: Something else has come, or a datagram that was sent was refused.
    """
    try:
        has_come = connection.has_unread(again=again)
    except ConnectionRefusedError as error:
        raise not_received(error, line) from error
    if has_come and (extra := asides.others(connection)) is not None:
        raise Failed("unexpected_data", expected, quoted(extra, asides.context), line)


def listen(
    connection: Connection, asides: Asides, line: int | None, until: float, *, is_answered: bool = True
) -> Task:
    """Wait until a time, or until something comes that the script neither ignores nor answers.

    Args:
        connection: Where.
        asides: What the script ignores and answers.
        line: The line of the script to which a failure belongs; None before the first exchange, when
            nothing can fail.
        until: The time, on the loop's clock.
        is_answered: Whether the last message had its reply, so that a broken connection fails nothing.

    Raises:
        Failed: A datagram that was sent was refused, or a message without a reply was answered by a reset.
    """
    try:
        yield from connection.read(lambda: asides.heard(connection), until)
        if not is_answered:
            connection.raise_error()
    except (ConnectionError, ssl.SSLError) as error:
        if line is not None and (isinstance(error, ConnectionRefusedError) or not is_answered):
            raise not_received(error, line) from error
    except OSError:
        pass  # the time is over

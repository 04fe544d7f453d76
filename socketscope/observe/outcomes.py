"""How connections and datagrams can end, and why one is not served: the values of labels."""

from errno import ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT
from ssl import SSLEOFError

OUTCOMES = (
    "forced",
    "handler_error",
    "line_too_long",
    "read_timeout",
    "write_timeout",
    "reset",
    "idle_timeout",
    "empty",
    "ok",
)
"""How a connection can end; where several fit, the first one counts."""

DATAGRAM_OUTCOMES = ("ok", "no_reply", "truncated", "no_address", "dropped", "handler_error")
"""What can become of a datagram."""

EXPECTED_OUTCOMES = frozenset({"ok", "empty", "idle_timeout", "no_reply"})
"""Ends that are part of normal service, also of datagrams; every other one is worth a warning."""

REJECT_REASONS = ("capacity", "verify")
ACCEPT_ERRORS = ("fd_limit", "no_buffers", "aborted", "other")

_GONE = frozenset({ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT})


class LineTooLongError(Exception):
    """Raised by a handler whose client sent more than a line may hold; ends it with that outcome."""


def is_gone(error: OSError) -> bool:
    """Return whether a socket's error says that its peer is no longer there."""
    return error.errno in _GONE or isinstance(error, SSLEOFError)


def describe(error: BaseException) -> str:
    """Return an exception in one line: its type, its text and where it was raised."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return text
    code = traceback.tb_frame.f_code
    return f"{text} ({code.co_filename}:{traceback.tb_lineno} in {code.co_name})"

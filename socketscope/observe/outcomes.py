"""How connections and datagrams can end, and why one was not served: the values of labels."""

import errno
import ssl
from pathlib import Path

from socketscope.excerpt import in_words

OUTCOMES = (
    "forced",
    "handler_error",
    "line_too_long",
    "read_timeout",
    "write_timeout",
    "tls_error",
    "reset",
    "idle_timeout",
    "empty",
    "ok",
)
"""How a connection can end; if several fit, the first one counts."""

DATAGRAM_OUTCOMES = ("ok", "no_reply", "truncated", "no_address", "dropped", "handler_error")
"""What can become of a datagram."""

EXPECTED_OUTCOMES = frozenset({"ok", "empty", "idle_timeout", "no_reply"})
"""Outcomes of normal service, also of datagrams; any other one is worth a warning."""

REJECT_REASONS = ("capacity", "verify")
ACCEPT_ERRORS = ("fd_limit", "no_buffers", "aborted", "other")

_OWN_FILES = str(Path(__file__).parent)

_NO_FAULTS = (
    ssl.SSLEOFError, ssl.SSLSyscallError, ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLZeroReturnError,
)  # fmt: skip
_GONE = frozenset({
    errno.ECONNABORTED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOTCONN, errno.EPIPE,
    errno.ETIMEDOUT,
})  # fmt: skip
_NO_ROOM = {
    errno.EMFILE: "fd_limit", errno.ENFILE: "fd_limit",
    errno.ENOBUFS: "no_buffers", errno.ENOMEM: "no_buffers",
}  # fmt: skip


class LineTooLongError(Exception):
    """Raised by a handler whose client sent too long a line; its connection ends with that outcome."""


def is_gone(error: OSError) -> bool:
    """Return whether a socket's error says that its peer is no longer there."""
    return error.errno in _GONE or isinstance(error, ssl.SSLEOFError)


def is_tls_fault(error: OSError) -> bool:
    """Return whether a socket's error says that its peer did not speak TLS, or not as required."""
    return isinstance(error, ssl.SSLError) and not isinstance(error, _NO_FAULTS)


def accept_error(error: OSError) -> str:
    """Return which of `ACCEPT_ERRORS` an error is that was raised when a client was accepted."""
    # A user's get_request may do more than accept: a handshake, say, or reading a preamble.
    if isinstance(error, ssl.SSLError) or is_gone(error):
        return "aborted"
    return _NO_ROOM.get(error.errno or 0, "other")


def describe(error: BaseException) -> str:
    """Return an exception in one line: its type, its text and its place."""
    place = ""
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(_OWN_FILES):
            place = f" ({code.co_filename}:{traceback.tb_lineno} in {code.co_name})"
        traceback = traceback.tb_next
    return in_words(error) + place

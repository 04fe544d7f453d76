"""Lines of the timestamp service, as bytes in and bytes out. No I/O."""

import time
from functools import lru_cache

TOO_LONG = b"ERR line too long\r\n"
TIMED_OUT = b"ERR timeout\r\n"
FULL = b"ERR too many connections\r\n"


def content(raw: bytes) -> bytes:
    """Return a line without its ending, which is LF or CRLF, or nothing at the end of the data."""
    return raw[:-1].removesuffix(b"\r") if raw.endswith(b"\n") else raw


def fits(raw: bytes, max_line: int) -> bool:
    """Return whether a line has at most so many bytes, its ending not counted."""
    return len(raw) <= max_line or len(content(raw)) <= max_line


@lru_cache(maxsize=1)
def stamp(second: int) -> bytes:
    """Return what a reply has before the repeated line: the time, given in seconds since 1970."""
    # It is made once a second, not for each of thousands of replies.
    return b"[%b] " % time.ctime(second).encode("ascii")

"""Watching open connections, and shutting down those that are overdue.

That wakes whoever waits there: after ``SHUT_RD`` a receive ends and a refusal can still be sent;
``SHUT_RDWR`` ends a send.
"""

import fcntl
import socket
import struct
import termios
import threading
import time
from contextlib import suppress
from time import monotonic
from typing import Any

from socketscope.observe.adoption import is_socket
from socketscope.observe.record import Record
from socketscope.observe.totals import StreamTotals

LOOK = 0.1
"""Seconds between looks: a deadline is late by less, but for `CATCH_UP`."""

CATCH_UP = 0.5
"""Seconds that handlers have to read what came while the process was suspended, if it was for that long."""

_CALM = 10
"""Looks without a connection after which the thread ends."""

# struct tcp_info of <linux/tcp.h>: tcpi_bytes_acked.
_BYTES_ACKED = 120


class Deadlines:
    """Holds the connections of one listener to their limits, from a thread that lives while there are any.

    Attributes:
        watching: Whether there is such a thread.
    """

    def __init__(self, totals: StreamTotals) -> None:
        self._totals = totals
        self._lock = threading.Lock()
        self.watching = False
        self._calm = 0
        self._rests = False
        self._sending: dict[Record, tuple[Any, float]] = {}  # how far each is, and since when it is there

    def watch(self) -> None:
        """Make sure that a thread watches; called for each connection once it is open."""
        with self._lock:
            if self.watching:
                return
            self.watching, self._calm, self._rests = True, 0, False
            try:
                threading.Thread(target=self._run, name="deadlines", daemon=True).start()
            except (RuntimeError, MemoryError):
                self.watching = False  # the next connection tries again

    def rest(self) -> None:
        """Let the watching thread end after its next look, as there will be no more connections."""
        self._rests = True

    def _run(self) -> None:
        while not (self._rests or self._calm >= _CALM) or not self._leave():
            self._pause()
            try:
                self._calm = 0 if self._look() else self._calm + 1
            except MemoryError:
                self._calm = 0  # there may be some at the next look

    @staticmethod
    def _pause() -> None:
        seconds, began = LOOK, monotonic()
        time.sleep(seconds)
        # One that was stopped (SIGSTOP, a paused container) finds all overdue, even those who sent in time.
        while monotonic() - began > seconds + CATCH_UP:
            seconds, began = CATCH_UP, monotonic()
            time.sleep(seconds)

    def _leave(self) -> bool:
        with self._lock:
            self.watching = False  # first: whoever sees it from now on waits for the lock
            with self._totals.capacity.lock:  # records are added under it, before `watching` is looked at
                self.watching = bool(self._totals.records)
            return not self.watching

    def _look(self) -> bool:
        """Shut down what is overdue; return whether there is any connection."""
        with self._totals.capacity.lock:
            records = list(self._totals.records)
        now = monotonic()
        before, self._sending = self._sending, {}
        for record in records:
            if record.overdue(now):
                hang_up(record, socket.SHUT_RD)
            elif record.blocked and record.limits.write_timeout is not None and record.late is None:
                taken, since = _progress(record), now
                if record in before and before[record][0] == taken:
                    since = before[record][1]
                self._sending[record] = taken, since
                if now - since >= record.limits.write_timeout:
                    record.stall()
                    hang_up(record, socket.SHUT_RDWR)
        return bool(records)


def hang_up(record: Record, how: int) -> None:
    """Shut a connection's socket down, whoever waits there."""
    if (sock := record.request) is None:
        return  # it still waits for a thread, or is gone
    record.cut = True
    with suppress(Exception):  # if it is none of the standard library's, it may raise anything
        if is_socket(sock):
            # The base class's method: that of TLS would drop the session while a thread reads.
            socket.SocketType.shutdown(sock, how)
        else:
            sock.shutdown(how)


def _progress(record: Record) -> Any:
    """Return what changes whenever the peer takes something of what is sent."""
    sock = record.request
    # If it is none of the standard library's, it may raise anything.
    with suppress(Exception):
        info: bytes = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
        return record.sent, struct.unpack_from("Q", info, _BYTES_ACKED)
    with suppress(Exception):
        return record.sent, fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4))
    return record.sent, None

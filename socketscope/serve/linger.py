"""Closing without losing the reply: what a peer still sends is read away until it closes, within bounds.

The kernel answers data that nobody will read with a reset, and a reset can overtake the reply in the
peer's buffers. gunicorn's bounds are 2 s and 64 KiB.
"""

import fcntl
import selectors
import socket
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

SECONDS = 2.0
BYTES = 1 << 20
MOST = 1024
"""Sockets that may linger at once; one more is closed directly."""

_CHUNK = 1 << 16
_NOTHING = bytes(4)  # no bytes, as FIONREAD tells it: a C int
_TICK = 0.1
_SO_MEMINFO = 55  # <linux>/include/uapi/asm-generic/socket.h; its first number is the queue's charge


def unread(sock: socket.socket, *, charged: bool) -> bool:
    """Return whether the peer has sent bytes that were not received; none has where the socket is closed.

    Args:
        sock: The socket.
        charged: Whether the kernel charges it for its receive queue, as it does under TCP; a Unix socket's is
            charged to the peer.
    """
    if charged:
        # Costs less than to ask for the bytes, and does not let others have the interpreter.
        try:
            if not sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO):
                return False
        except OSError:
            pass  # closed, or an older kernel
    try:
        # The base class's method: nobody is given the descriptor here.
        return fcntl.ioctl(socket.socket.fileno(sock), termios.FIONREAD, _NOTHING) != _NOTHING
    except (OSError, ValueError):
        return False


@dataclass(slots=True)
class _Leaving:
    close: Callable[[], None]
    until: float
    left: int = BYTES


class Linger:
    """Reads away what comes on sockets that were shut down for writing, then closes them.

    It has a thread while there are any.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._selector: selectors.BaseSelector | None = None
        self._thread: threading.Thread | None = None

    def add(self, sock: socket.socket, close: Callable[[], None]) -> None:
        """Take over a socket; call `close` when its peer has closed, or a bound is reached."""
        with self._lock:
            try:
                if self._selector is None:
                    self._selector = selectors.DefaultSelector()
                    self._thread = threading.Thread(target=self._run, name="linger", daemon=True)
                    self._thread.start()
                if len(self._selector.get_map()) < MOST:
                    leaving = _Leaving(close, monotonic() + SECONDS)
                    self._selector.register(sock, selectors.EVENT_READ, leaving)
                    return
            except (OSError, RuntimeError, ValueError, KeyError):
                # No descriptor or no thread to be had, or the socket is closed: then it is closed directly.
                if self._thread is not None and not self._thread.is_alive():
                    self._stop()
        close()

    def join(self, timeout: float) -> None:
        """Wait until all sockets are closed, at most so many seconds."""
        if (thread := self._thread) is not None:
            thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._lock:
                selector = self._selector
                if selector is None or not selector.get_map():
                    self._stop()
                    return
            for key, _ in selector.select(_TICK):
                self._read(selector, key)
            now = monotonic()
            for key in list(selector.get_map().values()):
                if key.data.until <= now or key.data.left <= 0:
                    self._close(selector, key)

    def _read(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        try:
            # The base class's method: these bytes are no part of the conversation.
            data = socket.socket.recv(key.fileobj, _CHUNK, socket.MSG_DONTWAIT)  # type: ignore[arg-type]
        except BlockingIOError:
            return
        except OSError:
            data = b""
        key.data.left -= len(data)
        if not data:
            self._close(selector, key)

    @staticmethod
    def _close(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        selector.unregister(key.fileobj)
        key.data.close()

    def _stop(self) -> None:
        if self._selector is not None:
            self._selector.close()
        self._selector = self._thread = None

"""Closing without losing the reply: what a peer still sends is discarded until it closes, within bounds.

The kernel answers data that nobody will read with a reset, and a reset can overtake the reply in the
peer's buffers. gunicorn's bounds are 2 s and 64 KiB.
"""

import fcntl
import os
import selectors
import socket
import ssl
import termios
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from stat import S_ISSOCK
from time import monotonic, sleep

from socketscope.observe.adoption import is_socket
from socketscope.serve.listeners.queue import SO_MEMINFO

SECONDS = 2.0
BYTES = 1 << 20
MOST = 1024
"""Sockets that may linger at once; one more is closed directly."""

_CHUNK = 1 << 16
_NOTHING = bytes(4)  # no bytes, as FIONREAD tells it: a C int
_TICK = 0.05

_REST = 0.0002
"""Seconds for each lingering socket, at most `_TICK`, between two looks at all of them: a look whenever bytes
come would take the interpreter from those who serve."""


def unread(sock: socket.socket, *, charged: bool) -> bool:
    """Return whether the peer has sent bytes that were not received; False for a closed socket.

    Args:
        sock: The socket.
        charged: Whether the kernel charges it for its receive queue, as under TCP; a Unix socket's is charged
            to the peer.
    """
    try:
        # This costs less than asking for the bytes, and does not release the interpreter.
        if charged and not sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO):
            return False
    except (OSError, AttributeError):
        pass  # closed, or an older kernel, or no socket
    try:
        waiting = bytearray(4)  # of `bytes`, which cannot be written to, it makes and drops an error first
        fcntl.ioctl(sock.fileno(), termios.FIONREAD, waiting)
        if waiting == _NOTHING:
            return False
        # Closing a pipe or a serial line resets nothing, and what is left in it may be the next request.
        return S_ISSOCK(os.fstat(sock.fileno()).st_mode)
    except Exception:  # noqa: BLE001 - where it is none of the standard library's, it may raise anything
        return False


def say_end(request: ssl.SSLSocket) -> None:
    """Tell a peer that this is the end, and no cut; its answer is not waited for."""
    with suppress(OSError, ValueError):
        request.settimeout(0)
        request.unwrap()


@dataclass(slots=True)
class _Lingering:
    sock: socket.SocketType
    close: Callable[[], None]
    until: float
    left: int = BYTES


class Linger:
    """Reads and discards what comes on sockets that were shut down for writing, then closes them.

    It has a thread while there are any; nobody else changes what that iterates over.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: deque[_Lingering] = deque()
        self._held: set[int] = set()  # by `id`; each stays until it is closed
        self._thread: threading.Thread | None = None
        # Made here, so that its thread needs no memory for it. Eventlet, which has none, is refused later.
        self._selector = getattr(selectors, "PollSelector", selectors.SelectSelector)()

    def add(self, sock: socket.SocketType, close: Callable[[], None]) -> None:
        """Take over a socket; call `close`, which must not raise, when its peer has closed, or at a bound."""
        with self._lock:
            if len(self._held) < MOST and self._has_thread():
                self._new.append(_Lingering(sock, close, monotonic() + SECONDS))
                self._held.add(id(sock))
                return
        close()

    def has(self, sock: socket.SocketType) -> bool:
        """Return whether a socket lingers here."""
        return id(sock) in self._held

    def join(self, timeout: float) -> None:
        """Wait until all sockets are closed, at most so many seconds."""
        if (thread := self._thread) is not None and thread is not threading.current_thread():
            thread.join(max(timeout, 0))

    def _has_thread(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="linger", daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError):
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            try:
                if not self._take_new():
                    return
                self._read_away()
                sleep(min(_REST * len(self._held), _TICK))
            except MemoryError:
                sleep(_TICK)  # there may be some memory by then

    def _read_away(self) -> None:
        for key, _ in self._selector.select(_TICK):
            self._read(key)
        now = monotonic()
        for key in list(self._selector.get_map().values()):
            if key.data.until <= now or key.data.left <= 0:
                self._close(key)

    def _take_new(self) -> bool:
        """Take over what was added; return False if there is nothing to do, and the thread is to end."""
        with self._lock:
            new = list(self._new)
            self._new.clear()
            if not new and not self._selector.get_map():
                self._thread = None
                return False
        for lingering in new:
            try:
                self._selector.register(lingering.sock, selectors.EVENT_READ, lingering)
            except Exception:  # noqa: BLE001 - it is closed, its number is another's, or it raises anything
                self._finish(lingering)
        return True

    def _read(self, key: selectors.SelectorKey) -> None:
        sock = key.data.sock
        try:
            if is_socket(sock):
                # The base class's method: these bytes are not part of the conversation.
                data = socket.SocketType.recv(sock, _CHUNK, socket.MSG_DONTWAIT)
            else:
                data = os.read(sock.fileno(), _CHUNK)
        except BlockingIOError:
            return
        except Exception:  # noqa: BLE001 - where it is none of the standard library's, it may raise anything
            data = b""
        key.data.left -= len(data)
        if not data:
            self._close(key)

    def _close(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fd)
        self._finish(key.data)

    def _finish(self, lingering: _Lingering) -> None:
        lingering.close()
        with self._lock:
            self._held.discard(id(lingering.sock))

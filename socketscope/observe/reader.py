"""What a handler's file object reads through."""

import socket
from io import BufferedReader
from typing import Any

from socketscope.interpreter import FREE_THREADED


class Reader(socket.SocketIO):
    """Reads as its base class does, in one call where that makes five.

    A buffered reader asks for itself whether it is closed, and is made for reading alone.
    """

    # The base class has them in a dictionary, where the interpreter looks for them anew at each receive.
    __slots__ = ("_sock", "_timeout_occurred")

    # What the base class would make of a mode, each time.
    _mode, _reading, _writing = "rb", True, False

    def __init__(self, sock: socket.socket) -> None:
        self._sock: socket.socket | None = sock
        self._timeout_occurred = False

    def readinto(self, buffer: Any) -> int | None:
        """Receive into a buffer; None is that nothing came and the handler does not want to wait.

        Raises:
            OSError: As the socket raises it, and whenever a receive has timed out before.
        """
        sock = self._sock
        if sock is None or self._timeout_occurred:
            return super().readinto(buffer)
        try:
            return sock.recv_into(buffer)
        except TimeoutError:
            self._timeout_occurred = True
            raise
        except BlockingIOError:
            return None


class _QuicklyClosed(BufferedReader):
    """Flushes, as its base class does, without the lock of the object.

    `close` of the base class holds that lock and calls this, which would wait for it: on a free-threaded
    interpreter that yields the core forty times.
    """

    def flush(self) -> None:
        """Flush what it reads through."""
        self.raw.flush()


buffered: type[BufferedReader] = _QuicklyClosed if FREE_THREADED else BufferedReader
"""What a handler's file object is."""

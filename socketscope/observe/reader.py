"""What a handler's file object reads through."""

import socket
from io import BufferedReader
from typing import Any

from socketscope.interpreter import FREE_THREADED


class Reader(socket.SocketIO):
    """Reads as its base class does, in one call instead of five.

    The buffered reader in front checks by itself whether it is closed, and only ever reads.
    """

    # The base class keeps them in a dictionary, where each receive would look them up.
    __slots__ = ("_sock", "_timeout_occurred")

    # What the base class would set from the mode, each time.
    _mode, _reading, _writing = "rb", True, False

    def __init__(self, sock: socket.socket) -> None:
        self._sock: socket.socket | None = sock
        self._timeout_occurred = False

    def readinto(self, buffer: Any) -> int | None:
        """Receive into a buffer; None means that nothing came and the socket does not block.

        Raises:
            OSError: As the socket raises it; also if an earlier receive has timed out.
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
    """Flushes as its base class does, but without the object's lock.

    `close` of the base class holds that lock while it calls this, which would wait for it: on a free-threaded
    interpreter that yields the core forty times.
    """

    def flush(self) -> None:
        """Flush what it reads through."""
        self.raw.flush()


buffered: type[BufferedReader] = _QuicklyClosed if FREE_THREADED else BufferedReader
"""The class of a handler's file object."""

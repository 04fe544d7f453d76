"""What a handler's file object reads through."""

import socket
from typing import Any


class Reader(socket.SocketIO):
    """Reads as its base class does, in one call where that makes five.

    A buffered reader asks for itself whether it is closed, and is made for reading alone.
    """

    _sock: socket.socket | None
    _timeout_occurred: bool

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

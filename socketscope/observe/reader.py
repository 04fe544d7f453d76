"""What a handler's file object reads through."""

import socket
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from socketscope.observe.sockets import ObservedSocket

_recv_into = socket.socket.recv_into


class Reader(socket.SocketIO):
    """Reads as its base class does, in one call where that makes five.

    A buffered reader asks for itself whether it is closed, and is made for reading alone.
    """

    _sock: "ObservedSocket | None"
    _timeout_occurred: bool

    def readinto(self, buffer: Any) -> int | None:
        """Receive into a buffer; None is that nothing came and the handler does not want to wait.

        Raises:
            OSError: As the socket raises it, and whenever a receive has timed out before.
        """
        sock = self._sock
        if sock is None or sock.bare or self._timeout_occurred:
            return super().readinto(buffer)
        try:
            size = _recv_into(sock, buffer)
        except OSError as error:
            try:
                size = sock.receive_late(error, 0, partial(_recv_into, sock, buffer))
            except BlockingIOError:
                return None
            except TimeoutError:
                self._timeout_occurred = True
                raise
        if (record := sock.record) is not None:
            record.took(size, monotonic())
        return size

"""What was done for one datagram, and the listener's socket as its handlers have it.

All handlers share that socket; the context of the running one tells which datagram its bytes belong to.
"""

import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from socketscope.observe.noting import MSG_DONTWAIT, MSG_PEEK, PLAIN, Socket
from socketscope.observe.outcomes import is_gone
from socketscope.observe.served import Served, get_current

_CONNECTED = "connected"  # in place of an address

_AGAIN = 0.01
"""Seconds between two tries to send to a Unix peer whose queue is full: nothing tells when it has room."""


class Datagram(Served):
    """What was done for one datagram.

    Attributes:
        patience: Seconds that a reply may wait for a Unix peer whose queue is full; None is for ever.
        failure: The outcome that it must be counted as, if that is known before its handler leaves.
        began: When serving it began, on the monotonic clock; 0 until then.
    """

    __slots__ = ("began", "failure", "patience")

    def __init__(self, peer: str, received: int, patience: float | None = None) -> None:
        super().__init__(peer)
        self.received = received
        self.patience = patience
        self.failure: str | None = None
        self.began = 0.0

    def took(self, size: int) -> None:
        """Note another receive of its handler's."""
        self.received += size

    def gave(self, size: int) -> None:
        """Note a send."""
        self.sent += size
        self.exchanges = 1

    @property
    def outcome(self) -> str:
        """What became of it, or would if its handler left now."""
        return self.failure or ("ok" if self.exchanges else "no_reply")


class NotingDatagrams(Socket):
    """Notes what passes through a datagram socket; without slots, as `noting.Noting` explains."""

    __slots__ = ()

    def sendto(self, data: Any, *flags_and_address: Any) -> int:
        """Send, as the base class does."""
        address = flags_and_address[-1] if flags_and_address else None
        flags = flags_and_address[0] if len(flags_and_address) > 1 else 0
        return _send(PLAIN.sendto, self, data, flags, address)

    def sendmsg(self, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None) -> int:
        """Send from several buffers, as the base class does."""

        def send(sock: Any, data: Any, flags: int, to: Any) -> int:
            return PLAIN.sendmsg(sock, data, ancdata, flags, to)

        return _send(send, self, buffers, flags, address)

    def send(self, data: Any, flags: int = 0) -> int:
        """Send to the peer that the socket is connected to, as the base class does."""

        def send(sock: Any, data: Any, flags: int, _: Any) -> int:
            return PLAIN.send(sock, data, flags)

        return _send(send, self, data, flags, _CONNECTED)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send as `send` does: a datagram goes as a whole."""
        self.send(data, flags)

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        """Receive with the sender's address, as the base class does."""
        received: tuple[bytes, Any] = PLAIN.recvfrom(self, bufsize, flags)
        _took(len(received[0]), flags)
        return received

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        """Receive into a buffer with the sender's address, as the base class does."""
        received: tuple[int, Any] = super().recvfrom_into(buffer, nbytes, flags)
        _took(received[0], flags)
        return received

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0) -> tuple[bytes, list[Any], int, Any]:
        """Receive with ancillary data, as the base class does."""
        received: tuple[bytes, list[Any], int, Any] = super().recvmsg(bufsize, ancbufsize, flags)
        _took(len(received[0]), flags)
        return received

    def recvmsg_into(
        self, buffers: Any, ancbufsize: int = 0, flags: int = 0
    ) -> tuple[int, list[Any], int, Any]:
        """Receive into buffers with ancillary data, as the base class does."""
        received: tuple[int, list[Any], int, Any] = super().recvmsg_into(buffers, ancbufsize, flags)
        _took(received[0], flags)
        return received

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Receive, as the base class does."""
        data: bytes = super().recv(bufsize, flags)
        _took(len(data), flags)
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into a buffer, as the base class does."""
        size = super().recv_into(buffer, nbytes, flags)
        _took(size, flags)
        return size

    def dup(self) -> Self:
        """Return another socket of the same address, which notes the same."""
        twin = super().dup()
        twin.__class__ = type(self)  # not `self.__class__`, which may be another
        return twin


class DatagramSocket(NotingDatagrams, socket.socket):
    """A datagram listener's socket; what is sent and received in a handler counts for its datagram."""

    __slots__ = ()


def receives_here(listener: Any) -> bool:
    """Return whether a listener receives by the method above: that of another class may take no flags."""
    return getattr(getattr(listener, "recvfrom", None), "__func__", None) is NotingDatagrams.recvfrom


def _took(size: int, flags: int) -> None:
    if not flags & MSG_PEEK and isinstance(datagram := get_current(), Datagram):
        datagram.took(size)


def _send(send: Callable[[Any, Any, int, Any], int], sock: Any, data: Any, flags: int, to: Any) -> int:
    """Send for the datagram being served, if there is one."""
    datagram = get_current()
    if not isinstance(datagram, Datagram):
        return send(sock, data, flags, to)
    if not to and not datagram.peer:
        datagram.failure = "no_address"
    try:
        if datagram.patience is not None and sock.gettimeout() is None:
            at_once = partial(send, sock, data, flags | MSG_DONTWAIT, to)
            size = _send_in_time(at_once, datagram.patience)
        else:
            size = send(sock, data, flags, to)
    except OSError as error:
        if is_gone(error) or isinstance(error, (ConnectionRefusedError, FileNotFoundError, TimeoutError)):
            datagram.mark(error)
        raise
    datagram.gave(size)
    return size


def _send_in_time(send: Callable[[], int], patience: float) -> int:
    until = time.monotonic() + patience
    while True:
        try:
            return send()
        except BlockingIOError:
            if time.monotonic() >= until:
                raise TimeoutError("the peer did not take the reply in time") from None
            time.sleep(_AGAIN)

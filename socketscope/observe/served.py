"""What connections and datagrams have in common. No I/O, and no clock of its own."""

import itertools
import os
import weakref
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

from socketscope.forks import OfProcess

_MARK = "_socketscope"
"""The attribute of an error that a record has marked."""

_attributes: Callable[[BaseException], dict[str, object]] = vars(BaseException)["__dict__"].__get__
"""Returns an error's attributes, also where its class has a `__dict__` or a `__getattribute__` of its own."""

numbers = itertools.count(1)

process = OfProcess(lambda: os.urandom(4).hex())
"""Numbers begin anew in each process, replicas and restarts included; this tells them apart."""


class Listener(Protocol):
    """What log lines need of the listener that a client came in by."""

    name: str

    @property
    def processors(self) -> Sequence[Callable[..., Any]]:
        """structlog's, for the lines of its clients."""


class Served:
    """What connections and datagrams have in common.

    Attributes:
        connection_id: Unique in all of a service's processes, over all kinds.
        listener: Where it came in; set once it was taken.
        peer: Its address, as text; empty where it has none.
        received: Bytes.
        sent: Bytes.
        exchanges: Turns from receiving to sending.
        error: What went wrong, for a person; None when nothing did.
        raised: The exception that `error` tells of, until its line is written.
        socket: What its handler has as its request, or a weak reference to that where it was handed on; None
            once it has ended.
    """

    listener: Listener

    __slots__ = (
        "connection_id",
        "error",
        "exchanges",
        "listener",
        "peer",
        "raised",
        "received",
        "sent",
        "socket",
    )

    def __init__(self, peer: str) -> None:
        self.connection_id = f"{process.own}-{next(numbers)}"
        self.peer = peer
        self.socket: Any = None
        self.received = self.sent = self.exchanges = 0
        self.error: str | None = None
        self.raised: BaseException | None = None

    def mark(self, error: BaseException) -> None:
        """Mark an error as the peer's doing, or that of a timeout that its handler set.

        The error itself is not kept: its traceback would keep alive whatever the handler's frames have.
        """
        _attributes(error)[_MARK] = self.connection_id

    def knows(self, error: BaseException) -> bool:
        """Return whether it has marked an error."""
        return self.connection_id == _attributes(error).get(_MARK)

    @property
    def request(self) -> Any:
        """What its handler has as its request, as long as somebody has it."""
        known = self.socket
        return known() if isinstance(known, weakref.ref) else known


current: ContextVar[Served | None] = ContextVar("socketscope", default=None)
"""What the running code serves, also in what copies its context."""

get_current, set_current = current.get, current.set
"""The same, made methods once: of a name that was imported the interpreter makes one anew at each call."""

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
"""Returns an error's attributes, even if its class has its own `__dict__` or `__getattribute__`."""

numbers = itertools.count(1)

process = OfProcess(lambda: os.urandom(4).hex())
"""Numbers start anew in each process, also in replicas and after restarts; this tells those apart."""


class Listener(Protocol):
    """What log lines need of a client's listener."""

    name: str

    @property
    def processors(self) -> Sequence[Callable[..., Any]]:
        """structlog's, for the lines of its clients."""


class Served:
    """What connections and datagrams have in common.

    Attributes:
        connection_id: Unique in all of a service's processes, over all kinds.
        listener: Where it came in; set once it was taken.
        peer: Its address as text; empty if it has none.
        received: Bytes.
        sent: Bytes.
        exchanges: Turns from receiving to sending.
        error: What went wrong, for a person; None if nothing did.
        raised: The exception that `error` describes, until its line is written.
        socket: Its handler's request, weakly referenced if it was handed on; None once it has ended.
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
        """Mark an error as caused by the peer, or by a timeout that the handler set.

        The error itself is not kept: its traceback would keep alive all that the handler's frames refer to.
        """
        _attributes(error)[_MARK] = self.connection_id

    def knows(self, error: BaseException) -> bool:
        """Return whether it has marked an error."""
        return self.connection_id == _attributes(error).get(_MARK)

    @property
    def request(self) -> Any:
        """Its handler's request, as long as somebody has it."""
        known = self.socket
        return known() if isinstance(known, weakref.ref) else known


current: ContextVar[Served | None] = ContextVar("socketscope", default=None)
"""What the running code serves; code that runs in a copy of its context serves the same."""

get_current, set_current = current.get, current.set
"""Its methods, bound once: on an imported name the interpreter would bind them at each call."""

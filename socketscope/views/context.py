"""Which client the running code serves: its record, and what structlog adds to lines about it.

structlog merges into a line what is bound in the context that it is written in, whoever has configured it.
"""

import sys
import threading
from contextvars import Context, ContextVar, Token, copy_context
from typing import Any

from socketscope.forks import OfProcess
from socketscope.observe.served import Served, get_current, set_current

_variables: tuple[ContextVar[Any], ...] = ()
"""Those of `connection_id`, `listener` and `peer`, once the program has loaded structlog."""

_finding = OfProcess(threading.Lock)

_OURS = 4
"""Variables that are set in the context of a client: those, and the record's."""


def enter(served: Served) -> list[Token[Any]]:
    """Have the running code, and what copies its context, serve this client.

    Returns:
        What `leave` needs; where the context ends with the client, nothing is to be left.
    """
    entered: Token[Any] = set_current(served)
    if not (_variables or _find()):
        return [entered]
    connection_id, name, peer = _variables
    return [
        entered,
        connection_id.set(served.connection_id),
        name.set(served.listener.name),
        peer.set(served.peer),
    ]


def leave(entered: list[Token[Any]]) -> None:
    """Have the running code serve the client that it served before."""
    for token in entered:
        token.var.reset(token)


def nothing_else_bound(served: object) -> bool:
    """Return whether nothing but the library's variables is set in a client's context, where this is that."""
    # Whatever else is set, be it structlog's or not, is looked at by structlog.
    return get_current() is not served or len(copy_context()) == _OURS


def _find() -> bool:
    """Find structlog's variables, if the program or our log has loaded it."""
    global _variables  # noqa: PLW0603 - there is one structlog
    bind = getattr(sys.modules.get("structlog.contextvars"), "bind_contextvars", None)
    if bind is None:
        return False
    with _finding.own:  # of two threads that ask for the first time, each would be given variables of its own
        # It makes one for each name, and tells of them by what it returns.
        bound = Context().run(bind, connection_id=None, listener=None, peer=None)
        _variables = tuple(token.var for token in bound.values())
    return True

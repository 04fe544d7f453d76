"""Which client the running code serves: its record, and what structlog adds to lines about it.

structlog adds to a line what is bound in the context that it is written in, whoever has configured it.
"""

import sys
import threading
from contextvars import Context, ContextVar, Token, copy_context
from typing import Any

from socketscope.forks import OfProcess
from socketscope.observe.served import Served, get_current, set_current

_variables: tuple[ContextVar[Any], ...] = ()
"""structlog's variables of `connection_id`, `listener` and `peer`, once the program has loaded it."""

_finding = OfProcess(threading.Lock)

_OURS = 4
"""How many variables are set in the context of a client: those, and the record's."""


def enter(served: Served) -> list[Token[Any]]:
    """Let the running code, and whatever copies its context, serve this client.

    Returns:
        What `leave` needs; it need not be called if the context ends with the client.
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
    """Let the running code serve the client that it served before."""
    for token in entered:
        token.var.reset(token)


def nothing_else_bound(served: object) -> bool:
    """Return whether this is not a client's context, or only the library's variables are set in it."""
    # If anything else is set, structlog's or not, structlog has to look at it.
    return get_current() is not served or len(copy_context()) == _OURS


def _find() -> bool:
    """Find structlog's variables, if the program or our log has loaded it."""
    global _variables  # noqa: PLW0603 - there is one structlog
    bind = getattr(sys.modules.get("structlog.contextvars"), "bind_contextvars", None)
    if bind is None:
        return False
    with _finding.own:  # or two threads that ask for the first time would get different variables
        # It makes a variable for each name, and returns their tokens.
        bound = Context().run(bind, connection_id=None, listener=None, peer=None)
        _variables = tuple(token.var for token in bound.values())
    return True

"""Observing a server object that somebody else made."""

from dataclasses import replace
from socketserver import BaseServer, TCPServer
from socketserver import ThreadingMixIn as TheirThreadingMixIn
from typing import Any, TypeVar

from socketscope.observe.adoption import Unannounced, posing_as
from socketscope.serve import theirs
from socketscope.serve.hooks import is_ours
from socketscope.serve.mixin import (
    Closing,
    Listening,
    ListeningBehind,
    Observed,
    Serial,
    ThreadingMixIn,
    make_service,
    service_of,
    stand_before,
    take_places,
)
from socketscope.serve.options import declared, overrides, refuse_forking

_Server = TypeVar("_Server", bound=BaseServer)

_NOT_PASSED_ON = ("process_request", "process_request_thread", "shutdown_request", "handle_error")
"""Hooks whose version in the library does not call socketserver's, or not always."""


def observe(server: _Server, **options: Any) -> _Server:
    """Observe a server that was made elsewhere, before it serves.

    It stays the same object, but its class becomes a subclass; a server without threads stays serial.

    Args:
        server: Any of the standard library's, or of a class derived from them, that does not fork.
        **options: As for `ThreadingMixIn`.

    Returns:
        The server.

    Raises:
        TypeError: It forks, or is not a server of socketserver's, or a keyword is not an option.
        ValueError: An option makes no sense.
        RuntimeError: It serves already.
    """
    if not isinstance(server, BaseServer):
        raise TypeError(f"{type(server).__name__} is not a server of socketserver's")
    kind = type(server)
    if not isinstance(server, Observed):
        if theirs.serves(server):
            raise RuntimeError("it serves already: observe a server before it does")
        kind = _observed(server)
    elif options and service_of(server).serving.is_set():
        raise RuntimeError("it serves already: observe a server before it does")
    earlier = vars(server).get("_socketscope")
    if options or earlier is None:
        before = declared(kind) if earlier is None else earlier.options
        service = make_service(server, replace(before, **options))
        if earlier is not None:
            service.take_over(earlier)
        if _is_bound(server):
            service.show(server)
        # Last, so that a server which cannot be observed stays as it was.
        object.__setattr__(server, "__class__", kind)
        vars(server)["_socketscope"] = service
    return server


def is_draining(server: BaseServer) -> bool:
    """Return whether a server has been asked to stop: its handlers may want to finish.

    Raises:
        TypeError: It is not observed.
    """
    try:
        return service_of(server).draining
    except AttributeError:
        raise TypeError(f"this {type(server).__name__} is not observed") from None


class _Unannounced:
    """`Unannounced`, with room for attributes as servers have: else none could become of its kind."""

    __init_subclass__ = Unannounced.__init_subclass__


def _observed(server: BaseServer) -> type:
    # A new one for each server: a cache would keep the user's class alive, and all it refers to.
    kind = type(server)
    refuse_forking(kind)
    named: dict[str, Any] = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    named |= {"__doc__": kind.__doc__, "__class__": posing_as(kind)}
    if "__firstlineno__" in vars(kind):  # since Python 3.13; by it `inspect` finds the source
        named["__firstlineno__"] = vars(kind)["__firstlineno__"]
    if overrides(kind, TheirThreadingMixIn):
        # The interpreter puts the mixin right before the standard library's, so behind the user's overrides.
        made = type(kind.__name__, (_Unannounced, kind, ThreadingMixIn), named)
        if not _may_become(server, made):
            made = type(kind.__name__, (kind, ThreadingMixIn), named)
        take_places(made)
        _keep_put(TheirThreadingMixIn, ThreadingMixIn, made)
        _keep_put(BaseServer, Observed, made)
    else:
        made = type(kind.__name__, (_Unannounced, Listening, kind), named)
        if not _may_become(server, made):
            made = type(kind.__name__, (kind,), named)
            stand_before(TCPServer, ListeningBehind, made)
        stand_before(TCPServer, Closing, made)
        stand_before(BaseServer, Serial, made)
        _keep_put(BaseServer, Serial, made)
    _keep_put(TCPServer, Closing, made)
    return made


def _keep_put(owner: type, ours: type, kind: type) -> None:
    """Put hooks that the program has set on a class of socketserver's before the library's."""
    put = {name: hook for name in _NOT_PASSED_ON if (hook := vars(owner).get(name)) and not is_ours(hook)}
    if put:
        stand_before(ours, type(owner.__name__, (), {"__slots__": (), **put}), kind)


def _may_become(server: BaseServer, made: type) -> bool:
    """Return whether a server can become one of a class, which must have the same layout."""
    kind = type(server)
    try:
        # Past a `__setattr__` of the user's.
        object.__setattr__(server, "__class__", made)
    except TypeError:
        return False
    object.__setattr__(server, "__class__", kind)
    return True


def _is_bound(server: Any) -> bool:
    try:
        return bool(server.socket.getsockname())
    except (AttributeError, OSError):
        return False

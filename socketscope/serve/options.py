"""What a server's author can choose: keywords of the class statement and of `observe`."""

import re
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import takewhile
from socketserver import BaseServer, ForkingMixIn
from typing import Any, Literal, get_args

from prometheus_client import CollectorRegistry

from socketscope.identity import TLS
from socketscope.limits import Limits

Threads = Literal["elastic", "per-connection"]

_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a server is observed.

    Attributes:
        limits: What clients are allowed.
        listener: The name in labels and log lines; None is the kind of listener.
        registry: Where the metrics are shown; None is prometheus-client's default registry.
        threads: Pooled ones, or a new one for each connection.
        processors: structlog's; each log line of its clients passes them in this order before it is rendered.
        tls: Files to wrap connections by, in the thread that serves; None leaves connections as they are.
    """

    limits: Limits = field(default_factory=Limits)
    listener: str | None = None
    registry: CollectorRegistry | None = None
    threads: Threads = "elastic"
    processors: Sequence[Callable[..., Any]] = ()
    tls: TLS | None = None

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            ValueError: There is no such choice of threads, or the listener's name cannot be shown.
            TypeError: A processor cannot be called, or a value has a wrong type.
        """
        if self.threads not in get_args(Threads):
            raise ValueError(f"threads is {self.threads!r}: it must be 'elastic' or 'per-connection'")
        if not isinstance(self.limits, Limits):
            raise TypeError(f"limits is {self.limits!r}: it must be socketscope.Limits(...)")
        # A name that cannot be shown would break every scrape of the registry.
        if not isinstance(self.listener, str | None):
            raise TypeError(f"listener is {self.listener!r}: it must be a string")
        if self.listener == "":
            raise ValueError("listener is '': it must be a name; None is the kind of listener")
        if self.listener is not None and _SURROGATES.search(self.listener):
            raise ValueError(f"listener is {self.listener!r}, which UTF-8 cannot write")
        if not isinstance(self.registry, CollectorRegistry | None):
            raise TypeError(
                f"registry is {self.registry!r}: it must be prometheus_client.CollectorRegistry(...)"
            )
        if not isinstance(self.tls, TLS | None):
            raise TypeError(f"tls is {self.tls!r}: it must be socketscope.TLS(...)")
        object.__setattr__(self, "processors", checked(self.processors))


_declared: "weakref.WeakKeyDictionary[type, dict[str, Any]]" = weakref.WeakKeyDictionary()


def declare(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """Keep a class' options; return the other keywords.

    Raises:
        TypeError: The class forks, or as in `Options`.
        ValueError: As in `Options`.
    """
    refuse_forking(kind)
    names = {each.name for each in fields(Options)}
    mine = {name: value for name, value in given.items() if name in names}
    Options(**mine)
    _declared[kind] = mine
    return {name: value for name, value in given.items() if name not in names}


def checked(processors: Iterable[Callable[..., Any]]) -> tuple[Callable[..., Any], ...]:
    """Return processors as a tuple.

    Raises:
        TypeError: It is no list of them, or one cannot be called.
    """
    if not isinstance(processors, Iterable):
        raise TypeError(f"processors is {processors!r}: it must be a list of functions")
    each = tuple(processors)
    for processor in each:
        if not callable(processor):
            raise TypeError(f"processors has {processor!r}, which cannot be called")
    return each


def refuse_forking(kind: type) -> None:
    """Refuse a class of servers that fork.

    Raises:
        TypeError: The class forks.
    """
    if issubclass(kind, ForkingMixIn):
        raise TypeError(f"{kind.__name__} forks for each client: socketscope observes threads, not processes")


def overrides(kind: type, mixin: type) -> bool:
    """Return whether a mixin stands before the server in a class; behind it, it would do nothing."""
    return mixin in takewhile(lambda base: base is not BaseServer, kind.__mro__)


def declared(kind: type) -> Options:
    """Return the options of a class: its own, and otherwise those of its bases."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        found |= _declared.get(base, {})
    return Options(**found)

"""What threads, locks and descriptors are in a child process, which has copies of these alone."""

import os
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class OfProcess(Generic[_T]):
    """What a process has one of, as a lock: who had that of its parent has stayed behind.

    Attributes:
        own: The one of this process.
    """

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self.own = self._make()


def in_each_child(adapt: Callable[[_T], object]) -> "weakref.WeakSet[_T]":
    """Return a set for objects; in each child that is forked, those that still live are adapted to it.

    Args:
        adapt: Called for each, in the child's one thread, before its program goes on.
    """
    alive: weakref.WeakSet[_T] = weakref.WeakSet()

    def adapt_all() -> None:
        for each in list(alive):
            adapt(each)

    os.register_at_fork(after_in_child=adapt_all)
    return alive

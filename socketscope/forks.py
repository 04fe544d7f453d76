"""What a forked child makes anew, such as locks: the threads that held its parent's are not in it."""

import os
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class OfProcess(Generic[_T]):
    """What each process has one of, such as a lock: a forked child makes its own.

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
    """Return a set of objects that does not keep them alive, and adapts them in each child that is forked.

    Args:
        adapt: Called for each, in the child's one thread, before its program goes on.
    """
    alive: weakref.WeakSet[_T] = weakref.WeakSet()

    def adapt_all() -> None:
        for each in list(alive):
            adapt(each)

    os.register_at_fork(after_in_child=adapt_all)
    return alive

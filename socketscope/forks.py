"""What a forked child makes anew, such as locks: the child lacks the threads that held its parent's."""

import os
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class OfProcess(Generic[_T]):
    """Something of which each process has its own, such as a lock: a forked child makes another.

    Attributes:
        own: That of this process.
    """

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self.own = self._make()


def in_each_child(adapt: Callable[[_T], object]) -> "weakref.WeakSet[_T]":
    """Return a set of objects, held weakly, that adapts them in each forked child.

    Args:
        adapt: Called with each, in the child's only thread, before its program goes on.
    """
    alive: weakref.WeakSet[_T] = weakref.WeakSet()

    def adapt_all() -> None:
        for each in list(alive):
            adapt(each)

    os.register_at_fork(after_in_child=adapt_all)
    return alive

"""What objects with threads, locks or descriptors do in a child process, which has copies of these alone."""

import os
import weakref
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


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

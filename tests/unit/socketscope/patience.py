"""Waiting for what no event tells of, without ever waiting for nothing."""

import threading
from collections.abc import Callable

import pytest

PATIENCE = 20.0
"""Seconds; nothing that holds takes a tenth of it."""


def until(condition: Callable[[], object]) -> None:
    waiting = threading.Event()
    for _ in range(int(PATIENCE * 1000)):
        if condition():
            return
        waiting.wait(0.001)
    pytest.fail("it never was so")

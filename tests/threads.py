"""Threads of a test's own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def in_a_thread(work: Callable[..., Any], *args: Any) -> threading.Thread:
    """Do something in a thread, which keeps nobody waiting if a test fails; return the thread."""
    thread = threading.Thread(target=work, args=args, daemon=True)
    thread.start()
    return thread


def ends(thread: threading.Thread, seconds: float = 20.0) -> None:
    """Wait for the end of a thread, which must come within so many seconds."""
    thread.join(seconds)
    assert not thread.is_alive()


def together(work: Callable[[int], Any], threads: int) -> list[Any]:
    """Have threads begin the same work at the same moment; return what each, by its number, has returned."""
    barrier = threading.Barrier(threads)

    def at_once(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(at_once, range(threads)))

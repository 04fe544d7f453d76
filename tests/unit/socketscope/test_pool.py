import queue
import socket
import threading
import time
from collections.abc import Callable

from socketscope.serve.pool import Pool

PATIENCE = 20.0


def test_a_thread_that_has_left_does_not_count_among_those_that_turn_over():
    taken: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    both = threading.Barrier(2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pool = Pool(listener, taken.get, lambda _: both.wait(PATIENCE), 2, "test")
        pool.grow(2)
        first, second = pool.workers

        def turn_until(condition: Callable[[], bool]) -> None:
            deadline = time.monotonic() + PATIENCE
            while not condition():
                assert time.monotonic() < deadline
                taken.put(None)
                first.join(0.001)

        taken.put("one")
        taken.put("another")
        turn_until(lambda: pool.turned == {first, second})
        pool.shrink(1)
        turn_until(lambda: len(pool.workers) == 1)
        assert pool.turned == set(pool.workers)
        assert pool.turned < {first, second}
        stopping = threading.Thread(target=pool.stop, args=(time.monotonic() + PATIENCE,))
        stopping.start()
        turn_until(lambda: not pool.workers)
        stopping.join(PATIENCE)

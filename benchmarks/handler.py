"""An echo whose handler does something first: `python -m benchmarks.handler LIBRARY URL WORK`.

LIBRARY is where the server class comes from, `socketserver` or `socketscope`: the one import that differs.
WORK is one of `WORK`. Nothing of the process is tuned, and the library's metrics go nowhere.
"""

import hashlib
import importlib
import random
import socketserver
import sys
import threading
import time
import timeit
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

TRIES = 30
"""How often work is timed to size it: two servers must not have different work for a moment's noise."""

_NOISE = random.Random(0).randbytes(1 << 22)


def _nothing() -> None:
    pass


def _sleep(seconds: float) -> Callable[[], None]:
    return partial(time.sleep, seconds)


def _hash(seconds: float) -> Callable[[], None]:
    def work(rounds: int) -> None:
        hashlib.pbkdf2_hmac("sha256", b"password", b"salt", rounds)

    return partial(work, _sized(work, 20_000, seconds))


def _count(to: int) -> None:
    while to:
        to -= 1


def _compute(seconds: float) -> Callable[[], None]:
    return partial(_count, _sized(_count, 200_000, seconds))


def _sized(work: Callable[[int], None], size: int, seconds: float) -> int:
    """Return the size of work that takes so long where nothing else runs: by the fastest of many tries."""
    fastest = min(timeit.repeat(partial(work, size), number=1, repeat=TRIES))
    return max(1, int(size * seconds / fastest))


def _mix() -> Callable[[], None]:
    choices = [_nothing] * 7 + [_sleep(0.05), _hash(0.001), _compute(0.001)]
    picked = random.Random(1)

    def work() -> None:
        picked.choice(choices)()

    return work


def _beside_compression() -> Callable[[], None]:
    def compress() -> None:
        while True:
            zlib.compress(_NOISE, 6)

    threading.Thread(target=compress, daemon=True).start()
    return _sleep(0.05)


WORK: dict[str, Callable[[], Callable[[], None]]] = {
    "nothing": lambda: _nothing,
    "sleep-200us": lambda: _sleep(0.0002),
    "sleep-50ms": lambda: _sleep(0.05),
    "sleep-50ms-beside-zlib": _beside_compression,
    "pbkdf2-1ms": lambda: _hash(0.001),
    "pbkdf2-10ms": lambda: _hash(0.01),
    "python-5ms": lambda: _compute(0.005),
    "python-10000": lambda: partial(_count, 10_000),  # the same work on every interpreter
    "mix": _mix,
}
"""What a handler does, by name; made once, and done for each request."""


def main(library: str, url: str, name: str) -> None:
    """Serve until killed."""
    work = WORK[name]()

    class Lines(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline(8192)
            work()
            # Whose turn has ended has hung up: a traceback for each would hide the figures.
            with suppress(ConnectionError):
                self.wfile.write(line)

    class Datagrams(socketserver.DatagramRequestHandler):
        def handle(self) -> None:
            work()
            self.wfile.write(self.rfile.read())

    scheme, _, rest = url.partition("://")
    host, _, port = rest.rpartition(":")
    address: Any = rest if scheme == "unix" else (host, int(port))
    kind = {"tcp": "ThreadingTCPServer", "udp": "ThreadingUDPServer", "unix": "ThreadingUnixStreamServer"}[
        scheme
    ]
    base = getattr(importlib.import_module(library), kind)
    settings = {"daemon_threads": True, "request_queue_size": 1024, "allow_reuse_address": scheme == "tcp"}
    server: Any = type("Server", (base,), settings)
    server(address, Datagrams if scheme == "udp" else Lines).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])

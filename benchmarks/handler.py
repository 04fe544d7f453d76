"""An echo whose handler does something first: `python -m benchmarks.handler LIBRARY URL WORK [SPEEDS]`.

LIBRARY is where the server class comes from, `socketserver` or `socketscope`: the one import that differs.
WORK is one of `WORK`, and SPEEDS are what `speeds` returns, for work that takes a certain time. Nothing of
the process is tuned, and nobody reads the library's metrics.
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
"""How often work is timed to find its speed; nothing else ran during the fastest."""

_NOISE = random.Random(0).randbytes(1 << 22)


def _nothing() -> None:
    pass


def _sleep(seconds: float) -> Callable[[], None]:
    return partial(time.sleep, seconds)


def _hash(rounds: int) -> None:
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", rounds)


def _count(to: int) -> None:
    while to:
        to -= 1


def speeds() -> list[str]:
    """Return how many rounds of hashing, and of counting, this machine does in a second, as arguments.

    Measured once for all servers that are compared: each would find its own speed, and do other work.
    """
    return [
        f"{size / min(timeit.repeat(partial(work, size), number=1, repeat=TRIES)):.0f}"
        for work, size in ((_hash, 20_000), (_count, 200_000))
    ]


def _lasting(seconds: float, work: Callable[[int], None], speed: float) -> Callable[[], None]:
    return partial(work, int(seconds * speed))


def _mix(hashes: float, counts: float) -> Callable[[], None]:
    choices = [_nothing] * 7 + [_sleep(0.05), _lasting(0.001, _hash, hashes), _lasting(0.001, _count, counts)]
    picked = random.Random(1)

    def work() -> None:
        picked.choice(choices)()

    return work


def _beside_compression(*_: float) -> Callable[[], None]:
    def compress() -> None:
        while True:
            zlib.compress(_NOISE, 6)

    threading.Thread(target=compress, daemon=True).start()
    return _sleep(0.05)


WORK: dict[str, Callable[[float, float], Callable[[], None]]] = {
    "nothing": lambda *_: _nothing,
    "sleep-200us": lambda *_: _sleep(0.0002),
    "sleep-50ms": lambda *_: _sleep(0.05),
    "sleep-50ms-beside-zlib": _beside_compression,
    "pbkdf2-1ms": lambda hashes, _: _lasting(0.001, _hash, hashes),
    "pbkdf2-10ms": lambda hashes, _: _lasting(0.01, _hash, hashes),
    "python-5ms": lambda _, counts: _lasting(0.005, _count, counts),
    "python-10000": lambda *_: partial(_count, 10_000),  # the same work on every interpreter
    "mix": _mix,
}
"""What a handler does, by name: made once from both speeds, and done for each request."""


def main(library: str, url: str, name: str, hashes: str = "0", counts: str = "0") -> None:
    """Serve until killed."""
    work = WORK[name](float(hashes), float(counts))

    class Lines(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline(8192)
            work()
            # Clients hang up at the end of a turn: a traceback for each would hide the figures.
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

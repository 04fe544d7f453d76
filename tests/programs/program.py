"""What is known of each program that is tried."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Made:
    """A server that a program has made, and how the program starts and stops it."""

    server: Any
    start: Callable[[], Any]
    stop: Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that serves by socketserver.

    Attributes:
        package: Its distribution; None is Python's own.
        client: The distribution whose client talks to it; None is Python's own.
        uses: How it uses socketserver.
        make: Makes its server, bound or about to be.
        talk: Has a client, whose number it is told, talk to an address; returns what came back.
        threads: Whether its class has threads, so that the mixin has a place there.
        datagrams: Whether it serves datagrams.
        early: Whether it serves before anybody else has its server.
        silent: How a connection ends whose client says nothing.
        cut: How a connection ends that is reset after some bytes.
    """

    package: str | None
    client: str | None = None
    uses: str
    make: Callable[[], Made]
    talk: Callable[[tuple[str, int], int], Any]
    threads: bool = True
    datagrams: bool = False
    early: bool = False
    silent: str = "empty"
    cut: str = "reset"


def plain(server: Any) -> Made:
    """Return a server that is started and stopped as the standard library's documentation says."""
    thread = threading.Thread(target=lambda: server.serve_forever(0.05))

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    return Made(server, thread.start, stop)

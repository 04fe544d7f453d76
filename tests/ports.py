"""Ports for what can be told no 0."""

import secrets
import socket
from pathlib import Path

_given: set[int] = set()


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free, another each time, and that the kernel gives to nobody.

    One that it had given, and has back, is soon another test's, or the near end of somebody's connection: one
    that tries it until it is served may meet itself.
    """
    given = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="utf-8")
    lowest = int(given.split()[0])
    while True:
        port = 22_000 + secrets.randbelow(max(lowest - 22_000, 10_000))
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        if port not in _given:
            _given.add(port)
            return port

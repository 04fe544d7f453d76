"""Holds 5,000 idle connections, then lets all of them go at once: `python -m tests.soak.release`.

Prints what a connection takes, and how long the server needs to be as it was.
"""

import os
import resource
import time

from tests.faults.server.process import serving, wait_for

CONNECTIONS = int(os.environ.get("SOAK_HELD", "5000"))
ROOM = 100
"""Descriptors for everything else."""

MEMORY = 48 << 10
"""Most bytes of a connection."""


def main() -> None:
    """Run it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(CONNECTIONS + ROOM, most), most))
    with serving(
        "--keep-alive",
        "--max-connections",
        str(CONNECTIONS),
        "--idle-timeout",
        "10m",
        "--log-level",
        "warning",
    ) as server:
        server.connect(b"x\n").close()
        time.sleep(1)
        threads, memory = server.threads(), server.memory()
        clients = [server.connect(b"x\n") for _ in range(CONNECTIONS)]
        for client in clients:
            assert client.recv(100)
        each = (server.memory() - memory) / CONNECTIONS
        print(f"{CONNECTIONS} held: {each / 1024:.1f} KiB and a thread each")
        began = time.monotonic()
        for client in clients:
            client.close()
        wait_for(lambda: server.threads() <= threads, "the threads have left", 60)
        print(f"{server.threads()} threads after {time.monotonic() - began:.1f} s")
        began = time.monotonic()
        assert server.connect(b"x\n").recv(100)
        assert server.metric("socketserver_connections_open") == 1
        assert time.monotonic() - began < 5
        assert each < MEMORY


if __name__ == "__main__":
    main()

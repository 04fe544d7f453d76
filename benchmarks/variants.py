"""This server with parts of the observation off: `python -m benchmarks.variants NAME [server's options]`.

They show what each part costs, and are no way to run the server: `off`, for instance, has no limits either.
They reach into `socketscope`, and follow its changes.
"""

import socket
import sys
from typing import Any

from server import cli, listeners
from socketscope import ThreadingTCPServer, ThreadingUDPServer, ThreadingUnixStreamServer
from socketscope.base import ObservedServer, Received


class Unobserved(ObservedServer):
    """Hands out plain sockets and keeps no record: nothing counted, timed, limited or logged."""

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve from a plain listener."""
        self.socket = socket.socket(fileno=self.socket.detach())
        super().serve_forever(poll_interval)

    def _admit(self, received: Received) -> bool:  # noqa: ARG002 - the base's signature
        return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Run the handler."""
        try:  # noqa: SIM105 - as what it is compared with
            self.finish_request(request, client_address)
        except OSError:
            pass  # the measurement has ended
        self.shutdown_request(request)


def _without(parts: type, base: type) -> type:
    return type(base.__name__, (parts, base), {"__module__": base.__module__})


VARIANTS: dict[str, type] = {"off": Unobserved}


def _use(parts: type) -> None:
    for kind, base in (
        ("tcp", ThreadingTCPServer),
        ("udp", ThreadingUDPServer),
        ("unix", ThreadingUnixStreamServer),
    ):
        listeners._CLASSES[kind] = _without(parts, base)  # noqa: SLF001 - no option of the server's


if __name__ == "__main__":
    _use(VARIANTS[sys.argv.pop(1)])
    cli.main()

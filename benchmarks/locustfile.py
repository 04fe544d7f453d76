"""A user of locust's that talks over a kept socket, with its events fired as its documentation has it."""

import socket
import time
from urllib.parse import urlsplit

from locust import User, task

LINE = b"hello world\n"


class LineUser(User):  # type: ignore[misc]  # has no types here
    """Sends a line and checks that it comes back, without a pause."""

    def on_start(self) -> None:
        """Connect."""
        url = urlsplit(self.host)
        self._socket = socket.create_connection((url.hostname, url.port))

    @task  # type: ignore[untyped-decorator]
    def exchange(self) -> None:
        """Exchange one line."""
        began = time.perf_counter()
        error = None
        reply = b""
        try:
            self._socket.sendall(LINE)
            reply = self._socket.recv(512)
            if reply != LINE:
                raise ValueError(f"expected {LINE!r}, got {reply!r}")  # noqa: TRY301 - as in its examples
        except (OSError, ValueError) as failure:
            error = failure
        self.environment.events.request.fire(
            request_type="line",
            name="exchange",
            response_time=(time.perf_counter() - began) * 1e3,
            response_length=len(reply),
            exception=error,
            context={},
        )

"""The handler of the timestamp service, as the standard library would have it."""

import socketserver
from contextlib import suppress
from time import time
from typing import Any, TypeVar, cast

from server import framing
from socketscope import LineTooLongError

_Handler = TypeVar("_Handler", bound=socketserver.BaseRequestHandler)


class TimestampHandler(socketserver.StreamRequestHandler):
    """Answers a line with the time and the line.

    Attributes:
        max_line: Most bytes of a line without its ending.
        keep_alive: Whether any number of lines is answered, or one.
    """

    max_line = 8192
    keep_alive = False

    # As in Python up to 3.13. With 128 KiB, as now, what follows the line would have been read as well, and
    # nothing would show that there is more to read before the close.
    rbufsize = 8192

    def handle(self) -> None:
        """Answer until the client has ended, or once.

        Raises:
            LineTooLongError: The client was told so.
        """
        size = self.max_line + 1  # enough to tell, unless the last byte is half of the ending
        while True:
            try:
                raw = self.rfile.readline(size)
                if len(raw) == size and raw.endswith(b"\r"):
                    raw += self.rfile.readline(1)
            except TimeoutError:
                self._refuse(framing.TIMED_OUT)
                break
            if not raw:
                break
            if len(raw) > self.max_line and not framing.fits(raw, self.max_line):
                self._refuse(framing.TOO_LONG)
                raise LineTooLongError(f"more than {self.max_line} bytes")
            self.request.sendall(framing.stamp(int(time())) + raw)
            if not self.keep_alive:
                break

    def _refuse(self, text: bytes) -> None:
        # The reason for the refusal stays the same, whether or not the client still listens.
        with suppress(OSError):
            self.wfile.write(text)


class TimestampDatagramHandler(socketserver.DatagramRequestHandler):
    """Answers a datagram, which is a line, with the time and the line."""

    max_line = 8192

    def handle(self) -> None:
        """Answer."""
        raw = self.rfile.read()
        fits = framing.fits(raw, self.max_line)
        self.wfile.write(framing.stamp(int(time())) + raw if fits else framing.TOO_LONG)


def configured(handler: type[_Handler], **settings: Any) -> type[_Handler]:
    """Return a subclass of a handler with other settings."""
    return cast("type[_Handler]", type("ConfiguredHandler", (handler,), settings))

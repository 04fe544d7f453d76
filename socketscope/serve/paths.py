"""The path of a Unix listener: taken over from a dead server, never from a live one or from another file."""

import errno
import os
import socket
import socketserver
import stat
from contextlib import suppress
from typing import Any


class UnixPath(socketserver.BaseServer):
    """Binds a Unix server's path, and removes it in the end if it is still its own.

    Attributes:
        mode: Permissions of the path, as for chmod; None leaves them to the umask.
    """

    mode: int | None = None
    socket: socket.socket
    server_address: Any
    _bound: tuple[int, int] | None = None

    def server_bind(self) -> None:
        """Bind the path.

        Raises:
            OSError: Somebody listens there, or it is no socket.
        """
        path = os.fspath(self.server_address)
        abstract = path[:1] in {"\0", b"\0", "", b""}
        if not abstract:
            _reclaim(path, self.socket.type)
        self.socket.bind(path)
        self.server_address = self.socket.getsockname()
        if not abstract:
            if self.mode is not None:
                os.chmod(path, self.mode)  # noqa: PTH101 - a path may be bytes
            self._bound = _identity(path)

    def stop_arrivals(self) -> bool:
        """Remove the path, so that nobody finds it any more; return whether nobody comes any more."""
        if self._bound is not None and _identity(self.server_address) == self._bound:
            with suppress(OSError):
                os.unlink(self.server_address)  # noqa: PTH108 - a path may be bytes
        self._bound = None
        # Of the observed server that this is mixed into.
        return bool(super().stop_arrivals())  # type: ignore[misc]

    def server_close(self) -> None:
        """Remove the path, then close."""
        self.stop_arrivals()
        super().server_close()


def _reclaim(path: str | bytes, kind: int) -> None:
    """Remove a path whose server is dead."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "it exists and is no socket", path)
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108 - a path may be bytes
            return
        except OSError as error:
            # A full backlog, or a socket of the other type: somebody is there.
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path) from error
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)


def _identity(path: str | bytes) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino

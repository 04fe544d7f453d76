"""The path of a Unix listener: taken over from a dead server, never from a live one or another kind of file.

A lock beside it, held as long as the listener is, tells a server that has bound and does not listen yet from
a dead one, and keeps two that start at once from taking the same path.
"""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any


class Held:
    """A path that this process has bound."""

    def __init__(self, path: str, lock: int) -> None:
        """Hold it.

        Args:
            path: Absolute, as the program may change its folder.
            lock: The descriptor of its lock.
        """
        self._path = path
        self._identity = _identity(path)
        self._lock = lock

    def release(self, *, remove: bool) -> bool:
        """Release the lock; if `remove`, remove its file and the path, unless they are another's by now.

        Returns:
            Whether the path was removed.
        """
        if self._lock < 0:
            return False
        lock, self._lock = self._lock, -1
        removed = remove and _remove(self._path, self._identity)
        if remove:
            _remove_lock(self._path, lock)
        os.close(lock)
        return removed


def bind(server: Any, server_bind: Callable[[], None]) -> Held | None:
    """Bind a server by its own method; return its path, if it is a Unix server that has one.

    Raises:
        OSError: Somebody is there, or it is not a socket.
    """
    sock = server.socket
    if getattr(sock, "family", None) != socket.AF_UNIX:
        server_bind()
        return None
    path = os.fspath(server.server_address)
    if os.fsencode(path)[:1] in {b"\0", b""}:
        server_bind()
        return None
    lock = _lock(path)
    try:
        _reclaim(path, sock.type)
        server_bind()
    except BaseException:
        _remove_lock(path, lock)
        os.close(lock)
        raise
    # Not for the calls above: the absolute path may be too long for a socket if the given one is not.
    return Held(str(Path(os.fsdecode(path)).absolute()), lock)


def _lock(path: str | bytes) -> int:
    beside = _beside(path)
    while True:
        try:
            lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            if error.errno == errno.ELOOP and os.path.islink(beside):  # noqa: PTH114 - a path may be bytes
                # The link may lead to somebody else's file.
                raise OSError(errno.ELOOP, "its lock file is a symbolic link", path) from error
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:  # about their common folder
                raise OSError(error.errno, error.strerror, path) from error
            raise
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise _in_use(path) from error
        # The lock's last holder may have removed the file meanwhile.
        if _identity(beside) == _identity(lock):
            return lock
        os.close(lock)


def _remove_lock(path: str | bytes, lock: int) -> None:
    # One that is not empty is another program's that happens to have this name, as uv.lock beside uv.
    if not os.fstat(lock).st_size:
        _remove(_beside(path), _identity(lock))


def _remove(path: str | bytes, own: tuple[int, int] | None) -> bool:
    if own is not None and _identity(path) == own:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - a path may be bytes
            return True
    return False


def _beside(path: str | bytes) -> str | bytes:
    return path + b".lock" if isinstance(path, bytes) else f"{path}.lock"


def _reclaim(path: str | bytes, kind: int) -> None:
    """Remove a path whose server is dead."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "it exists and is not a socket", path)
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108 - a path may be bytes
            return
        except OSError as error:
            # A full backlog, or a socket of the other type: somebody is there.
            raise _in_use(path) from error
    raise _in_use(path)


def _in_use(path: str | bytes) -> OSError:
    return OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)


def _identity(file: str | bytes | int) -> tuple[int, int] | None:
    try:
        found = os.fstat(file) if isinstance(file, int) else os.lstat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino

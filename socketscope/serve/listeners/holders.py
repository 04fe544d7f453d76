"""Whether others have the same listener, and may go on serving when its server stops."""

import os
from contextlib import suppress
from errno import EMFILE, ENFILE
from pathlib import Path
from stat import S_ISSOCK
from typing import Any

_FIRST = 3  # SD_LISTEN_FDS_START, sd_listen_fds(3)
_FORKED = 0x40  # PF_FORKNOEXEC of <linux/sched.h>


def is_shared(listener: Any) -> bool:
    """Return whether others have the same listener: another process, or this one by a duplicate.

    A process that may not be inspected counts if it can have inherited it: by a fork, or through an exec. If
    all such processes counted, an unprivileged server would have no listener of its own.

    Raises:
        OSError: It is closed, the kernel does not tell of processes, or there is no descriptor to look with.
    """
    number = os.fstat(listener.fileno()).st_ino
    if _passed_on is None or number in _passed_on:
        return True
    wanted = f"socket:[{number}]"
    if _targets(os.getpid()).count(wanted) > 1:
        return True
    inheritable = os.get_inheritable(listener.fileno())
    listed = {int(process.name) for process in Path("/proc").iterdir() if process.name.isdecimal()}
    # proc(5), hidepid: other users' processes may not even be listed.
    for process in {*listed, 1, *_forkers} - {os.getpid()}:
        try:
            if wanted in _targets(process):
                return True
        except OSError as error:
            if error.errno in {EMFILE, ENFILE}:
                raise  # this process itself lacks descriptors
            if _may_have(process, inheritable=inheritable):
                return True
    return False


def passed_on() -> set[int] | None:
    """Return the inodes of the listeners that a service manager has passed on, and keeps; None if unknown.

    The program may have closed one after duplicating it, and its descriptor may be another file's by now.
    """
    if os.environ.get("LISTEN_PID") not in {None, str(os.getpid())}:
        return set()
    try:
        listeners = [os.fstat(_FIRST + number) for number in range(int(os.environ.get("LISTEN_FDS", "0")))]
    except (OSError, ValueError):
        return None
    return {each.st_ino for each in listeners} if all(S_ISSOCK(each.st_mode) for each in listeners) else None


def _targets(process: int) -> list[str]:
    """Return what the descriptors of a process refer to.

    Raises:
        OSError: It has ended, or may not be inspected.
    """
    folder, targets = f"/proc/{process}/fd", []
    for descriptor in os.listdir(folder):  # noqa: PTH208 - a path for each takes twice as long
        with suppress(FileNotFoundError):
            targets.append(os.readlink(f"{folder}/{descriptor}"))  # noqa: PTH115 - the same
    return targets


def _may_have(process: int, *, inheritable: bool) -> bool:
    """Return whether a process that may not be inspected can have inherited what this one has."""
    state, parent, is_fork = _stat(process)
    with suppress(ProcessLookupError):
        session = os.getsid(process)  # it is told of any process that exists
        # A worker whose master has died has another parent, but stays in the session.
        akin = parent in _forkers or (_stat(os.getpid())[2] and session == os.getsid(0))
        return state != "Z" and (inheritable or process in _forkers or (is_fork and akin))
    return False


def _stat(process: int) -> tuple[str, int, bool]:
    """Return a process' state, its parent, and whether it was forked and has executed no program since.

    If that is not told, it is ``("", 0, False)``.
    """
    with suppress(OSError):
        # proc_pid_stat(5): fields 3, 4 and 9; the second may have any text, in brackets.
        text = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
        state, parent, _, _, _, _, flags = text.rpartition(")")[2].split()[:7]
        return state, int(parent), bool(int(flags) & _FORKED)
    return "", 0, False


_passed_on = passed_on()
"""As of the program's start: later it may have closed them, and other sockets may have their numbers."""


def _note_fork() -> None:
    _forkers.add(os.getpid())


_forkers = {os.getppid()} if _stat(os.getpid())[2] else set()
"""Those that have forked: this process, and its ancestors up to the last exec."""

os.register_at_fork(before=_note_fork)

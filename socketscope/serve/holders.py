"""Who else has a listener, and may go on serving when its server stops."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

_FORKED = 0x40  # PF_FORKNOEXEC of <linux/sched.h>: it has executed no program since it was forked


def is_shared(listener: Any) -> bool:
    """Return whether others have the same listener: another process, or a part of this one by a duplicate.

    Who may not be looked into counts where it can have come by it: over a fork, or in the execution of a
    program. Else a server without privilege would have nothing to itself.

    Raises:
        OSError: It is closed, or the kernel does not tell of processes.
    """
    # sd_listen_fds(3): the service manager keeps what it has passed on.
    if "LISTEN_FDS" in os.environ and os.environ.get("LISTEN_PID") in {None, str(os.getpid())}:
        return True
    wanted = f"socket:[{os.fstat(listener.fileno()).st_ino}]"
    if _targets(os.getpid()).count(wanted) > 1:
        return True
    inheritable = os.get_inheritable(listener.fileno())
    listed = {int(process.name) for process in Path("/proc").iterdir() if process.name.isdecimal()}
    # proc(5), hidepid: those of other users may be listed no more than they can be read.
    for process in {*listed, 1, os.getppid()} - {0, os.getpid()}:
        try:
            if wanted in _targets(process):
                return True
        except OSError:
            if _may_have(process, inheritable=inheritable):
                return True
    return False


def _targets(process: int) -> list[str]:
    """Return what the descriptors of a process are.

    Raises:
        OSError: It has ended, or may not be asked.
    """
    targets = []
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            targets.append(str(link.readlink()))
    return targets


def _may_have(process: int, *, inheritable: bool) -> bool:
    """Return whether a process that may not be asked can have what this one has."""
    if _stat(process)[:1] == ["Z"]:
        return False
    with suppress(ProcessLookupError):
        # What is forked to serve stays in its session mostly, and a daemon begins one of its own.
        related = os.getsid(process) == os.getsid(0) or process == os.getppid() == _forker
        return inheritable or (_forker > 0 and related)
    return False


def _stat(process: int) -> list[str]:
    """Return what proc_pid_stat(5) has from field 3 on, the state; nothing where that is not told."""
    with suppress(OSError):
        # Field 2 may have any text, in brackets.
        text = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
        return text.rpartition(")")[2].split()
    return []


def _parent_if_forked() -> int:
    flags = _stat(os.getpid())[6:7]
    return os.getppid() if flags and int(flags[0]) & _FORKED else 0


def _note_fork() -> None:
    global _forker  # noqa: PLW0603 - there is one a process
    _forker = os.getpid()


_forker = _parent_if_forked()
"""The process that has forked last: this one, or the one that this one comes from; 0 where there was none."""

os.register_at_fork(before=_note_fork)

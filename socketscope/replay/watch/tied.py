"""`python -m MODULE ...`, ended by SIGTERM when standard input ends; MODULE ... are the arguments.

However the process at the other end of that pipe dies, the kernel closes it. The signal that Linux sends at a
parent's death (PR_SET_PDEATHSIG) is for the thread that forked, and is asked for too late if that dies first.
"""

import os
import runpy
import signal
import sys
import threading

_STANDARD_INPUT = 0


def _follow() -> None:
    while os.read(_STANDARD_INPUT, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_follow, name="tie", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

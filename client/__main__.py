"""`python -m client`."""

import os
import signal

# Before anything that takes time is imported: nothing is lost by a stop this early, and no traceback needed.
for _number in (signal.SIGINT, signal.SIGTERM):
    if signal.getsignal(_number) is not signal.SIG_IGN:
        signal.signal(_number, lambda number, _: os._exit(128 + number))

from socketscope.commands.group import main  # noqa: E402

if __name__ == "__main__":
    main("python -m client")

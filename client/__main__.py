"""`python -m client`."""

import os
import signal

# Before any slow import: a stop this early loses nothing, and needs no traceback.
for _number in (signal.SIGINT, signal.SIGTERM):
    if signal.getsignal(_number) is not signal.SIG_IGN:
        signal.signal(_number, lambda number, _: os._exit(128 + number))

from socketscope.commands.group import main  # noqa: E402

if __name__ == "__main__":
    main("python -m client")

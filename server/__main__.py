"""`python -m server`."""

import os
import signal

# Before anything that takes time is imported: who stops it this early loses nothing, nobody can be connected.
for _number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(_number, lambda *_: os._exit(0))

from server.cli import main  # noqa: E402

if __name__ == "__main__":
    main()

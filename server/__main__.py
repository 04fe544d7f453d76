"""`python -m server`."""

import os
import signal

# Before anything that takes time is imported: a stop during the start is an end in order, there is nobody yet.
for _number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(_number, lambda *_: os._exit(0))

from server.cli import main  # noqa: E402

if __name__ == "__main__":
    main()

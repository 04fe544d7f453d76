"""`python -m server`."""

import os
import signal
import sys

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)

# Of a server with certificates a hangup asks to read them, as it is about to do.
_is_told = any(text.startswith("--listen") for text in sys.argv)
_renews = any("tls://" in text for text in (sys.argv if _is_told else [os.environ.get("SERVER_LISTEN", "")]))

# Before anything that takes time is imported: who stops it this early loses nothing, nobody can be connected.
for _number in _STOP_SIGNALS:
    if _number == signal.SIGHUP and _renews:
        signal.signal(_number, lambda *_: None)
    # nohup has the last one ignored, for good.
    elif _number != signal.SIGHUP or signal.getsignal(_number) is not signal.SIG_IGN:
        signal.signal(_number, lambda *_: os._exit(0))

from server.cli import main  # noqa: E402

if __name__ == "__main__":
    try:
        main()
    finally:
        # The interpreter's last act is to give every signal its default back, by which one kills.
        for _number in _STOP_SIGNALS:
            signal.signal(_number, signal.SIG_IGN)

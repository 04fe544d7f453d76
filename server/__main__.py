"""`python -m server`."""

import atexit
import os
import signal
import sys
from time import monotonic

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)

# SIGHUP asks a server with certificates to read them again; at this point it has yet to read them anyway.
_is_told = any(text.startswith("--listen") for text in sys.argv)
_renews = any("tls://" in text for text in (sys.argv if _is_told else [os.environ.get("SERVER_LISTEN", "")]))

# Before any slow import: a stop this early loses nothing, as nobody can have connected.
for _number in _STOP_SIGNALS:
    if _number == signal.SIGHUP and _renews:
        signal.signal(_number, lambda *_: None)
    # Under nohup SIGHUP is ignored, and stays so.
    elif _number != signal.SIGHUP or signal.getsignal(_number) is not signal.SIG_IGN:
        signal.signal(_number, lambda *_: os._exit(0))

from server.cli import main  # noqa: E402
from socketscope.running import FORCED  # noqa: E402
from socketscope.signals import INSISTENCE  # noqa: E402


def _be_kept(status: int) -> None:
    """Let a thread of the handler's own keep the process alive, as ever, until another signal ends it."""
    since = monotonic()

    def end(*_: object) -> None:
        if monotonic() > since + INSISTENCE:
            os._exit(status)

    for number in _STOP_SIGNALS:
        if number != signal.SIGHUP or not (_renews or signal.getsignal(number) is signal.SIG_IGN):
            signal.signal(number, end)


@atexit.register  # it is called after those threads have ended
def _ignore_signals() -> None:
    # In the end the interpreter gives every signal its default back, and then a signal would kill.
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    status = FORCED
    try:
        main()
    except SystemExit as error:
        status = int(error.code or FORCED)
        raise
    finally:
        _be_kept(status)

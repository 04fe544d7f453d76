"""Observed stand-ins for the standard library's socketserver classes.

Use `ThreadingMixIn` in place of socketserver's, import a ready-made class from here, or pass any server
object to `observe`: its connections are counted, timed, limited and drained, and handlers stay as they are.
`run` adds a program's endpoint, log and signals.
"""

from socketscope.identity import TLS
from socketscope.limits import Limits
from socketscope.observe.outcomes import LineTooLongError
from socketscope.running import run
from socketscope.serve.classes import (
    ThreadingHTTPServer,
    ThreadingTCPServer,
    ThreadingUDPServer,
    ThreadingUnixDatagramServer,
    ThreadingUnixStreamServer,
)
from socketscope.serve.mixin import ThreadingMixIn
from socketscope.serve.observing import is_draining, observe
from socketscope.version import __version__

__all__ = [
    "TLS",
    "Limits",
    "LineTooLongError",
    "ThreadingHTTPServer",
    "ThreadingMixIn",
    "ThreadingTCPServer",
    "ThreadingUDPServer",
    "ThreadingUnixDatagramServer",
    "ThreadingUnixStreamServer",
    "__version__",
    "is_draining",
    "observe",
    "run",
]

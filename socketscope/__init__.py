"""Observed stand-ins for the standard library's socketserver classes.

Import the server class from here in place of `socketserver`, and its connections are counted, timed, limited
and drained; handlers stay as they are. `run` adds the endpoint, the log and the signals of a program.
"""

__version__ = "0.1.0"

from socketscope.limits import Limits
from socketscope.observe.record import LineTooLongError
from socketscope.running import run
from socketscope.serve.datagrams import ThreadingUDPServer, ThreadingUnixDatagramServer
from socketscope.serve.streams import ThreadingTCPServer, ThreadingUnixStreamServer

__all__ = [
    "Limits",
    "LineTooLongError",
    "ThreadingTCPServer",
    "ThreadingUDPServer",
    "ThreadingUnixDatagramServer",
    "ThreadingUnixStreamServer",
    "run",
]

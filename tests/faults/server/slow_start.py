"""A line handler in a process that takes its time between listening and serving."""

import socketserver
import sys
import time

import socketscope

_activate = socketscope.ThreadingTCPServer.server_activate


def _activate_slowly(self):
    _activate(self)
    sys.stderr.write(f"{self.server_address[1]}\n")
    sys.stderr.flush()
    time.sleep(1)


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())


socketscope.ThreadingTCPServer.server_activate = _activate_slowly  # type: ignore[method-assign]

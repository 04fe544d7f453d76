"""A datagram handler that answers lines and nothing else."""

import socketserver


class Small(socketserver.DatagramRequestHandler):
    def handle(self):
        data = self.rfile.read()
        if data.endswith(b"\n"):
            self.wfile.write(data)

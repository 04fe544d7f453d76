"""A datagram handler that answers lines and nothing else; an empty line with an empty datagram."""

import socketserver


class Small(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        if data.endswith(b"\n"):
            sock.sendto(b"" if data == b"\n" else data, self.client_address)

"""Ready-made servers, each in place of the standard library's of the same name."""

import http.server
import socketserver

from socketscope.serve.mixin import ThreadingMixIn


class ThreadingTCPServer(ThreadingMixIn, socketserver.ThreadingTCPServer):
    """`socketserver.ThreadingTCPServer`, observed."""

    allow_reuse_address = True
    request_queue_size = 1024


class ThreadingUDPServer(ThreadingMixIn, socketserver.ThreadingUDPServer):
    """`socketserver.ThreadingUDPServer`, observed."""


class ThreadingUnixStreamServer(ThreadingMixIn, socketserver.ThreadingUnixStreamServer):
    """`socketserver.ThreadingUnixStreamServer`, observed."""

    request_queue_size = 1024


class ThreadingUnixDatagramServer(ThreadingMixIn, socketserver.ThreadingUnixDatagramServer):
    """`socketserver.ThreadingUnixDatagramServer`, observed."""


class ThreadingHTTPServer(ThreadingMixIn, http.server.ThreadingHTTPServer):
    """`http.server.ThreadingHTTPServer`, observed."""

    request_queue_size = 1024

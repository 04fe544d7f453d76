"""Servers with a TLS listener, and clients that trust an authority."""

import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

from tests.faults.server.process import PATIENCE, ServerProcess, read_all, serving

EXPIRY = "socketserver_tls_certificate_expiry_timestamp_seconds"

Pair = tuple[Path, Path]
"""A certificate, and its key."""


def over_tls(files: Pair, *options: str, **popen: Any) -> contextlib.AbstractContextManager[ServerProcess]:
    """Run a server that reads these files."""
    given = ("--tls-cert", str(files[0]), "--tls-key", str(files[1]), *options)
    return serving(*given, listen=("tls://127.0.0.1:0",), **popen)


def secured(server: ServerProcess, ca: Path | bytes, client: Pair | None = None) -> ssl.SSLSocket:
    """Connect to a server by what is trusted, and maybe with a certificate of one's own."""
    context = ssl.create_default_context()
    context.load_verify_locations(**{"cadata": ca.decode()} if isinstance(ca, bytes) else {"cafile": ca})
    if client is not None:
        context.load_cert_chain(*client)
    plain = socket.create_connection(server.address("tls"), timeout=PATIENCE)
    return context.wrap_socket(plain, server_hostname="localhost")


def asked(server: ServerProcess, ca: Path | bytes, client: Pair | None = None) -> bytes:
    """Return the answer to a line on a connection of its own."""
    with secured(server, ca, client) as sock:
        sock.sendall(b"x\n")
        return read_all(sock)

"""The same service, unobserved, on other servers: `python -m benchmarks.peers NAME URL [keep]`.

Each is as its documentation shows it, with the service's reply, a backlog of 1024 and no access log.
"""

import asyncio
import os
import socket
import socketserver
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

BACKLOG = 1024

NOT_INSTALLED = 3
"""Exit status of a peer whose library is missing."""


def reply(line: bytes) -> bytes:
    """Return what the service answers."""
    return b"[%b] %b" % (time.ctime().encode(), line)


class Handler(socketserver.StreamRequestHandler):
    """Answers one line, or any number."""

    keep = False

    def handle(self) -> None:
        """Answer."""
        while line := self.rfile.readline():
            self.wfile.write(reply(line))
            if not self.keep:
                break


class DatagramHandler(socketserver.DatagramRequestHandler):
    """Answers a datagram."""

    def handle(self) -> None:
        """Answer."""
        self.wfile.write(reply(self.rfile.read()))


class Quiet(socketserver.BaseServer):
    """Ignores the errors of clients that end with the measurement."""

    allow_reuse_address = True
    request_queue_size = BACKLOG
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


def serve_socketserver(url: SplitResult, *, keep: bool) -> None:
    """Serve with a thread a connection, as the standard library has it."""
    Handler.keep = keep
    bases = {
        "tcp": socketserver.ThreadingTCPServer,
        "udp": socketserver.ThreadingUDPServer,
        "unix": socketserver.ThreadingUnixStreamServer,
    }
    server: Any = type("Server", (Quiet, bases[url.scheme]), {})
    handler = DatagramHandler if url.scheme == "udp" else Handler
    server(url.path or (url.hostname, url.port), handler).serve_forever()


class Datagrams(asyncio.DatagramProtocol):
    """Answers datagrams."""

    def connection_made(self, transport: Any) -> None:
        """Keep what to answer on."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer."""
        self._transport.sendto(reply(data), addr)


async def _serve_streams(url: SplitResult, *, keep: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(reply(line))
                await writer.drain()
                if not keep:
                    break
        except ConnectionError:
            pass  # the measurement has ended
        finally:
            writer.close()

    if url.scheme == "udp":
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(Datagrams, local_addr=(url.hostname or "", url.port or 0))
        await asyncio.Event().wait()
    server = (
        await asyncio.start_unix_server(answer, url.path, backlog=BACKLOG)
        if url.scheme == "unix"
        else await asyncio.start_server(answer, url.hostname, url.port, backlog=BACKLOG)
    )
    await server.serve_forever()


def serve_asyncio(url: SplitResult, *, keep: bool) -> None:
    """Serve with asyncio's streams."""
    asyncio.run(_serve_streams(url, keep=keep))


def serve_uvloop(url: SplitResult, *, keep: bool) -> None:
    """Serve with asyncio's streams on uvloop."""
    import uvloop  # noqa: PLC0415 - of this peer alone

    uvloop.run(_serve_streams(url, keep=keep))


def serve_gevent(url: SplitResult, *, keep: bool) -> None:
    """Serve with gevent's StreamServer or DatagramServer."""
    import gevent.server  # noqa: PLC0415 - of this peer alone

    class Answering(gevent.server.DatagramServer):  # type: ignore[misc]  # has no types
        def handle(self, data: bytes, address: Any) -> None:
            self.socket.sendto(reply(data), address)

    def answer(sock: Any, _: Any) -> None:
        lines = sock.makefile("rb")
        try:
            while line := lines.readline():
                sock.sendall(reply(line))
                if not keep:
                    break
        except ConnectionError:
            pass  # the measurement has ended
        finally:
            lines.close()

    if url.scheme == "udp":
        Answering(f"{url.hostname}:{url.port}").serve_forever()
    if url.scheme == "unix":
        listener = gevent.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(url.path)
        listener.listen(BACKLOG)
        gevent.server.StreamServer(listener, answer).serve_forever()
    gevent.server.StreamServer((url.hostname, url.port), answer, backlog=BACKLOG).serve_forever()


PEERS: dict[str, Callable[..., None]] = {
    "socketserver": serve_socketserver,
    "asyncio": serve_asyncio,
    "uvloop": serve_uvloop,
    "gevent": serve_gevent,
}

if __name__ == "__main__":
    try:
        PEERS[sys.argv[1]](urlsplit(sys.argv[2]), keep="keep" in sys.argv)
    except ImportError:
        os._exit(NOT_INSTALLED)

"""From ``--listen`` to bound servers."""

import socket
import socketserver
import types
from typing import Any

from socketscope import (
    TLS,
    ThreadingTCPServer,
    ThreadingUDPServer,
    ThreadingUnixDatagramServer,
    ThreadingUnixStreamServer,
    binding,
)
from socketscope.addresses import Address, parse_url
from socketscope.serve.mixin import service_of
from socketscope.serve.options import Threads
from socketscope.serve.streams import StreamService

STREAMS = frozenset({"tcp", "tls", "unix"})

LARGEST_DATAGRAM = 65_535
"""Bytes, the most that UDP's length field allows."""

Handler = type[socketserver.BaseRequestHandler]

_CLASSES: dict[str, type[socketserver.BaseServer]] = {
    "tcp": ThreadingTCPServer,
    "tls": ThreadingTCPServer,
    "udp": ThreadingUDPServer,
    "unix": ThreadingUnixStreamServer,
    "unixgram": ThreadingUnixDatagramServer,
}
_SCHEMES = tuple(_CLASSES)


def parse_listen(text: str) -> tuple[str | None, Address]:
    """Return the listener's name, if it is given, and its address.

    Raises:
        ValueError: It is not ``[NAME=]URL``.
    """
    head, separator, rest = text.partition("=")
    if not separator or "://" in head:
        return None, parse_url(text, _SCHEMES)
    if not head or not f"_{head.replace('-', '_')}".isidentifier():  # which may not begin with a digit
        raise ValueError(f"{head!r} is not a name for a listener: use letters, digits, - and _")
    return head, parse_url(rest, _SCHEMES)


def bind(
    name: str | None,
    address: Address,
    handler: Handler,
    backlog: int,
    threads: Threads,
    tls: TLS | None,
    *,
    one_reply: bool,
    refusal: bytes,
) -> list[socketserver.BaseServer]:
    """Return servers that listen, one for each socket: a name may have several addresses.

    Args:
        name: Of the listener; None is its kind.
        address: Where to listen.
        handler: What serves a client.
        backlog: Connections that may wait in the kernel.
        threads: Pooled ones, or a new one for each connection.
        tls: The files for a listener whose scheme is ``tls``.
        one_reply: Whether a connection ends right after its only reply: both then leave in one segment.
        refusal: What a connection above the limit is told.

    Raises:
        OSError: The address cannot be bound.
        ValueError: The metrics have no room in the registry, or a file of `tls` cannot be used.
    """
    streams = address.scheme in STREAMS
    settings: dict[str, Any] = {"daemon_threads": True}  # what a stop has forced does not keep the process
    settings |= {"request_queue_size": backlog} if streams else {"max_packet_size": LARGEST_DATAGRAM}
    options = {"listener": name, "threads": threads, "tls": tls if address.scheme == "tls" else None}
    base = _CLASSES[address.scheme]
    listener: Any = types.new_class("Listener", (base,), options, lambda body: body.update(settings))
    if address.path:
        servers = [listener(address.path, handler)]
    else:
        kind = socket.SOCK_STREAM if streams else socket.SOCK_DGRAM
        servers = [
            _serve_on(listener, sock, handler) for sock in binding.bind(address.host, address.port, kind)
        ]
    for server in servers:
        if isinstance(service := service_of(server), StreamService):
            service.refusal = refusal
            # No other process has it: a client is taken without asking first whether there is one.
            server.socket.setblocking(False)
        if one_reply and address.scheme == "tcp":
            # Accepted sockets inherit it; under TLS it would delay the handshake. tcp(7): a partial segment
            # waits until the end, for at most 200 ms.
            server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    return servers


def _serve_on(listener: Any, sock: socket.socket, handler: Handler) -> Any:
    server = listener(sock.getsockname(), handler, bind_and_activate=False)
    server.socket.close()
    server.socket = sock
    server.server_activate()
    return server

"""From ``--listen`` to bound servers."""

import socket
import socketserver
from typing import Any

from server import framing
from socketscope import (
    ThreadingTCPServer,
    ThreadingUDPServer,
    ThreadingUnixDatagramServer,
    ThreadingUnixStreamServer,
)
from socketscope.addresses import Address, parse_url
from socketscope.serve.base import ObservedServer

SCHEMES = ("tcp", "udp", "unix", "unixgram")
STREAMS = frozenset({"tcp", "unix"})

LARGEST_DATAGRAM = 65_535
"""Bytes; what UDP's length field allows."""

Handler = type[socketserver.BaseRequestHandler]

_CLASSES: dict[str, type[ObservedServer]] = {
    "tcp": ThreadingTCPServer,
    "udp": ThreadingUDPServer,
    "unix": ThreadingUnixStreamServer,
    "unixgram": ThreadingUnixDatagramServer,
}


def parse_listen(text: str) -> tuple[str | None, Address]:
    """Return the listener's name, if it is given, and its address.

    Raises:
        ValueError: It is not ``[NAME=]URL``.
    """
    head, separator, rest = text.partition("=")
    if not separator or "://" in head:
        return None, parse_url(text, SCHEMES)
    if not head.replace("-", "_").isidentifier():
        raise ValueError(f"{head!r} is no name for a listener: use letters, digits, - and _")
    return head, parse_url(rest, SCHEMES)


def bind(
    name: str | None, address: Address, handler: Handler, backlog: int, *, one_reply: bool
) -> ObservedServer:
    """Return a server that listens.

    Args:
        name: Of the listener; None is the kind of it.
        address: Where.
        handler: What serves a client.
        backlog: Connections that may wait in the kernel.
        one_reply: Whether a connection ends right after its only reply: then both leave in one segment.

    Raises:
        OSError: The address cannot be bound.
    """
    base: Any = _CLASSES[address.scheme]
    settings: dict[str, Any] = {"listener": name}
    if address.scheme in STREAMS:
        settings.update(request_queue_size=backlog, refusal=framing.FULL)
    else:
        settings.update(max_packet_size=LARGEST_DATAGRAM)
    if address.path:
        return type("Listener", (base,), settings)(address.path, handler)  # type: ignore[no-any-return]
    kind = socket.SOCK_STREAM if address.scheme in STREAMS else socket.SOCK_DGRAM
    settings.update(address_family=_family(address, kind), server_bind=_bind_host)
    server: ObservedServer = type("Listener", (base,), settings)((address.host, address.port), handler)
    if one_reply and kind == socket.SOCK_STREAM:
        # Accepted sockets inherit it. tcp(7): what is no full segment waits for the end, at most 200 ms.
        server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    return server


def _bind_host(server: Any) -> None:
    if server.address_family == socket.AF_INET6:
        # An empty host is all addresses of both families.
        server.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(bool(server.server_address[0])))
    super(type(server), server).server_bind()


def _family(address: Address, kind: socket.SocketKind) -> socket.AddressFamily:
    if not address.host:
        return socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    return socket.getaddrinfo(address.host, address.port, type=kind)[0][0]

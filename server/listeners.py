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
    binding,
)
from socketscope.addresses import Address, parse_url
from socketscope.base import ObservedServer

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
) -> list[ObservedServer]:
    """Return servers that listen, one for each socket: a name may have several addresses.

    Args:
        name: Of the listener; None is the kind of it.
        address: Where.
        handler: What serves a client.
        backlog: Connections that may wait in the kernel.
        one_reply: Whether a connection ends right after its only reply: then both leave in one segment.

    Raises:
        OSError: The address cannot be bound.
        ValueError: The metrics have no room in the registry.
    """
    base: Any = _CLASSES[address.scheme]
    settings: dict[str, Any] = {"listener": name}
    if address.scheme in STREAMS:
        settings.update(request_queue_size=backlog, refusal=framing.FULL)
    else:
        settings.update(max_packet_size=LARGEST_DATAGRAM)
    if address.path:
        return [type("Listener", (base,), settings)(address.path, handler)]
    kind = socket.SOCK_STREAM if address.scheme in STREAMS else socket.SOCK_DGRAM
    servers = []
    for sock in binding.bind(address.host, address.port, kind):
        if one_reply and kind == socket.SOCK_STREAM:
            # Accepted sockets inherit it. tcp(7): what is no full segment waits for the end, at most 200 ms.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        listener = type("Listener", (base,), {**settings, "address_family": sock.family})
        server = listener(sock.getsockname(), handler, bind_and_activate=False)
        server.socket.close()
        server.socket = type(server.socket)(fileno=sock.detach())
        server.server_activate()
        servers.append(server)
    return servers

"""From ``--listen`` to bound servers."""

import socket
import socketserver
from typing import Any

from server import framing
from socketscope import ThreadingTCPServer
from socketscope.addresses import Address, parse_url
from socketscope.base import ObservedServer

SCHEMES = ("tcp",)


def parse_listen(text: str) -> tuple[str | None, Address]:
    """Return the listener's name, if it is given, and its address.

    Raises:
        ValueError: It is not ``[NAME=]URL``.
    """
    head, separator, rest = text.partition("=")
    if separator and "://" not in head:
        if not head.isidentifier():
            raise ValueError(f"{head!r} is no name for a listener: use letters, digits and underscores")
        return head, parse_url(rest, SCHEMES)
    return None, parse_url(text, SCHEMES)


def bind(
    name: str | None, address: Address, handler: type[socketserver.BaseRequestHandler], backlog: int
) -> ObservedServer:
    """Return a server that listens.

    Raises:
        OSError: The address cannot be bound.
    """

    class Listener(ThreadingTCPServer):
        listener = name
        request_queue_size = backlog
        refusal = framing.FULL
        address_family = _family(address)

        def server_bind(self) -> None:
            if self.address_family == socket.AF_INET6:
                # An empty host is all addresses of both families.
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(bool(address.host)))
            super().server_bind()

    bound: Any = (address.host, address.port)
    return Listener(bound, handler)


def _family(address: Address) -> socket.AddressFamily:
    if not address.host:
        return socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    return socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]

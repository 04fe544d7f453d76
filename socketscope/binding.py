"""Looking up a host's addresses, and binding a socket to each."""

import errno
import socket
from contextlib import ExitStack
from typing import Any

EVERYWHERE = frozenset({"", "*"})
"""Hosts that mean all addresses of both families. To glibc, the name ``*`` would be this machine alone."""

TRIES = 20
"""How often the kernel may choose a port until one is free at all addresses of a name."""

_FOREIGN = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})

Place = tuple[socket.AddressFamily, Any]
"""A family of addresses, and an address of it as `socket.connect` and `bind` take it."""


def bind(host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> list[socket.socket]:
    """Return sockets, at least one and all at the same port, that are bound and do not listen yet.

    Args:
        host: Address or name. For a name there is a socket for each of its addresses that this machine has;
            one of `EVERYWHERE` has one socket for all.
        port: 0 is any that is free at all of the addresses.
        kind: Stream or datagram.

    Raises:
        OSError: The port is taken at one of the addresses, or none of them is this machine's;
            `socket.gaierror` if the name is unknown.
    """
    places = _places(host, port, kind)
    tries = TRIES
    while True:
        try:
            return _bind_all(places, port, kind, dual_stack=host in EVERYWHERE)
        except OSError as error:
            tries -= 1
            if port or not tries or error.errno != errno.EADDRINUSE:
                raise


def _places(host: str, port: int, kind: socket.SocketKind) -> list[Place]:
    if host in EVERYWHERE:
        both = socket.has_dualstack_ipv6()
        return [(socket.AF_INET6, ("::", port, 0, 0)) if both else (socket.AF_INET, ("0.0.0.0", port))]
    return look_up(host, port, kind)


def look_up(
    host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM, flags: int = 0
) -> list[Place]:
    """Return the addresses of a host, each once.

    Args:
        host: Name or address.
        port: The port of each.
        kind: Stream or datagram.
        flags: As `socket.getaddrinfo` takes them.

    Raises:
        OSError: `socket.gaierror`, the name is unknown or cannot be one.
    """
    try:
        found = socket.getaddrinfo(host, port, type=kind, flags=flags)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "label empty or too long") from error
    # A hosts file may name one address twice.
    return list(dict.fromkeys((family, where) for family, _, _, _, where in found))


def _bind_all(
    places: list[Place], port: int, kind: socket.SocketKind, *, dual_stack: bool
) -> list[socket.socket]:
    bound: list[socket.socket] = []
    foreign: OSError | None = None
    with ExitStack() as undo:
        for family, (address, _, *scope) in places:
            try:
                sock = _bind_one(family, (address, port, *scope), kind, dual_stack=dual_stack)
            except OSError as error:
                # Such as ::1 of localhost where the system has no IPv6.
                if error.errno not in _FOREIGN:
                    raise
                foreign = error
            else:
                bound.append(undo.enter_context(sock))
                port = sock.getsockname()[1]
        if not bound and foreign is not None:
            raise foreign
        undo.pop_all()
    return bound


def _bind_one(
    family: socket.AddressFamily, where: Any, kind: socket.SocketKind, *, dual_stack: bool
) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual_stack)
        sock.bind(where)
    except OSError:
        sock.close()
        raise
    return sock

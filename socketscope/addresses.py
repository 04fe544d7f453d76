"""Addresses to listen at and to connect to: URLs, ``host:port`` pairs and peers, as text."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_PATH_SCHEMES = frozenset({"unix", "unixgram"})
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """One end of a conversation.

    Attributes:
        scheme: ``tcp``, ``tls``, ``udp``, ``unix`` or ``unixgram``.
        host: Name or IP address without brackets; empty for a path scheme.
        port: 0 to 65535; 0 for a path scheme.
        path: File system path; empty for a host scheme.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.scheme in _PATH_SCHEMES:
            return f"{self.scheme}://{self.path}"
        return f"{self.scheme}://{format_host_port(self.host, self.port)}"


def parse_url(text: str, schemes: tuple[str, ...]) -> Address:
    """Return the address that a URL names.

    Args:
        text: ``tcp://host:port``, ``unix:///path`` and so on.
        schemes: Those that the caller accepts.

    Raises:
        ValueError: The scheme is not one of those, or a part is missing or wrong.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in schemes:
        known = ", ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{text!r} is not an address: it must start with one of {known}")
    if scheme not in _PATH_SCHEMES:
        host, port = parse_host_port(rest)
        return Address(scheme, host, port)
    if not rest.startswith("/") or rest == "/":
        raise ValueError(f"{text!r} needs an absolute path, like {scheme}:///run/service.sock")
    return Address(scheme, path=rest)


def parse_host_port(text: str) -> tuple[str, int]:
    """Return host (without brackets) and port of ``host:port``, ``[v6]:port`` or ``:port``.

    Raises:
        ValueError: The port is missing, or the text has another form.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    # `urlsplit` may drop more than zeros before the port, such as text beside brackets.
    written = re.sub(r":0+(?=\d+$)", ":", f"{text}")  # a caller of `run` may give anything
    if port is None or format_host_port(host, port).lower() != written.lower():
        raise ValueError(
            f"{text!r} is not HOST:PORT: the port is a number from 0 to {_HIGHEST_PORT}, "
            "and an IPv6 address stands in brackets"
        )
    return host, port


def format_host_port(host: str, port: int) -> str:
    """Return ``host:port``, the host in brackets where it is IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def format_peer(address: Any) -> str:
    """Return a peer as ``host:port``, ``[v6]:port``, a Unix path, or empty for an unbound Unix peer.

    An IPv4 peer of a dual-stack listener is written as IPv4, so that one client has one name. An address of
    another family is written as Python shows it; one that cannot be shown is named by its type.
    """
    try:
        if type(address) is tuple and len(address) == 2 and type(address[0]) is str:  # noqa: PLR2004 - host and port
            # For each IPv4 client: the match below takes four times as long.
            return f"{address[0]}:{address[1]}"
        if not address:
            return ""
        match address:
            case str(host), int(port), _, _:
                return format_host_port(host.removeprefix("::ffff:") if "." in host else host, port)
            case bytes():
                # An abstract Unix address: a name that begins with NUL and is any bytes.
                return address.decode("utf-8", "backslashreplace").replace("\0", "@")
        return str(address)
    except Exception:  # noqa: BLE001 - what a user's get_request has returned
        return type(address).__name__

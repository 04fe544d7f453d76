"""The recorder's listeners, and the check that its target is not one of them."""

import contextlib
import os
import socket
from pathlib import Path

from socketscope import binding
from socketscope.addresses import Address

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a connection to an address goes that stands for all addresses when listening."""


def listen(address: Address) -> list[socket.socket]:
    """Return a listening socket for a path, or one for each address of a name.

    Raises:
        OSError: The address is in use, or not one of this machine's.
    """
    if address.path:
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(address.path)
        except OSError:
            listener.close()
            raise
        listeners = [listener]
    else:
        listeners = binding.bind(address.host, address.port)
    for listener in listeners:
        listener.listen()
    return listeners


def leads_to_itself(address: Address, target: Address) -> bool:
    """Return whether a target is the listener at an address, as far as one can tell before it listens."""
    if address.path and target.path:
        # Path.resolve raises for circular links.
        return os.path.realpath(address.path) == os.path.realpath(target.path)
    if address.path or target.path or address.port != target.port:
        return False
    here = _LOOPBACK.keys() if address.host in binding.EVERYWHERE else _hosts(address.host)
    there = {_LOOPBACK.get(host, host) for host in _hosts(target.host)}
    return any(host in here or (_all_of_its_family(host) in here and _is_ours(host)) for host in there)


def _hosts(name: str) -> set[str]:
    try:
        return {str(where[0]) for _, where in binding.look_up(name, 0)}
    except OSError:
        return set()  # the error is reported when the name is used


def _all_of_its_family(host: str) -> str:
    return "::" if ":" in host else "0.0.0.0"


def _is_ours(host: str) -> bool:
    try:
        for listener in binding.bind(host, 0):
            listener.close()
    except OSError:
        return False
    return True


def bound(listeners: list[socket.socket], address: Address) -> Address:
    """Return the address of listening sockets, with the port that the kernel has chosen."""
    return address if address.path else Address(address.scheme, address.host, listeners[0].getsockname()[1])


def remove(address: Address) -> None:
    """Remove the file that listening at a path has left."""
    if address.path:
        with contextlib.suppress(OSError):
            Path(address.path).unlink()

"""Targets: what a URL names, and how to connect to it."""

import errno
import socket
import ssl
from collections.abc import Generator
from dataclasses import dataclass
from random import Random
from typing import Any

from socketscope.addresses import Address
from socketscope.binding import Place, look_up
from socketscope.replay.wire.connection import Connection
from socketscope.replay.wire.loop import Loop, Wait

SCHEMES = ("tcp", "tls", "unix", "udp", "unixgram")
DATAGRAMS = frozenset({"udp", "unixgram"})
CONNECT_TIMEOUT = 5.0
"""Seconds for one attempt to connect; the kernel repeats a TCP handshake after 1 and 3 s."""


class NoPortError(OSError):
    """No local port is left for a connection to an address."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server to talk to.

    Attributes:
        address: Its host name is resolved for each connection, and one of the addresses is taken at random;
            if that one refuses, or is silent for its share of the time, the others are tried.
        tls: How to verify a ``tls://`` server.
        server_name: The name for SNI, which the certificate must have; if empty, the address's host.
    """

    address: Address
    tls: ssl.SSLContext | None = None
    server_name: str = ""

    def connect(self, loop: Loop, random: Random) -> Generator[Wait, int, Connection]:
        """Connect, in a task of a loop.

        Args:
            loop: The loop that runs the task.
            random: Chooses among the name's addresses.

        Raises:
            OSError: It could not connect: `socket.gaierror` if the name is unknown, TimeoutError after
                `CONNECT_TIMEOUT`, `NoPortError` if no local port is left.
        """
        until = loop.now() + CONNECT_TIMEOUT
        refusals, impossible = list[OSError](), list[OSError]()
        places = yield from self._places(loop, random, until)
        for untried, (family, where) in zip(range(len(places), 0, -1), places, strict=True):
            # A server that has gone since its name was resolved may be silent: leave time for the others.
            its_end = loop.now() + (until - loop.now()) / untried
            kind = socket.SOCK_DGRAM if self.address.scheme in DATAGRAMS else socket.SOCK_STREAM
            try:
                connection = Connection(socket.socket(family, kind), loop)
            except OSError as error:  # this machine lacks the family, such as IPv6
                impossible.append(error)
                continue
            answered = False
            try:
                yield from connection.open(where, its_end)
                answered = True
                if self.tls is not None:
                    yield from connection.secure(self.tls, self.server_name or self.address.host, its_end)
            except OSError as error:
                connection.close()
                # An address that answered and then failed is more telling than one that did not answer.
                refusals.insert(0 if answered else len(refusals), _explained(error, family, where))
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise (refusals + impossible)[0]

    def _places(self, loop: Loop, random: Random, until: float) -> Generator[Wait, int, list[Place]]:
        address = self.address
        if address.path:
            return [(socket.AF_UNIX, address.path)]
        try:
            # A numeric address needs no thread to wait in.
            return look_up(address.host, address.port, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass
        try:
            places: list[Place] = yield from loop.call(look_up, address.host, address.port, until=until)
        except TimeoutError as error:
            raise socket.gaierror(socket.EAI_AGAIN, f"no answer in {CONNECT_TIMEOUT:g} s") from error
        random.shuffle(places)
        return places


def _explained(error: OSError, family: socket.AddressFamily, where: Any) -> OSError:
    """Return the error, or a NoPortError for it: both lack of ports and of addresses have its number."""
    if error.errno != errno.EADDRNOTAVAIL:
        return error
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        # Datagrams have their own ports: if they fail in the same way, it is an address that is lacking.
        return error if probe.connect_ex(where) == errno.EADDRNOTAVAIL else NoPortError(*error.args)

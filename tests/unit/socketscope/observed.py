"""Pairs of sockets without a server, of which one may be observed."""

import socket

from socketscope.limits import Limits
from socketscope.observe.adoption import ObservedSocket
from socketscope.observe.record import UNLIMITED, Record
from socketscope.observe.totals import Capacity, StreamTotals

Pair = tuple[ObservedSocket, socket.socket, Record]


def observed_pair(limits: Limits = UNLIMITED, now: float = 0.0, totals: StreamTotals | None = None) -> Pair:
    """Return an observed socket, its plain peer, and its record, which is open."""
    plain, far = socket.socketpair()
    near = ObservedSocket(plain.family, plain.type, plain.proto, plain.detach())
    totals = totals or StreamTotals(Capacity(1))
    record = Record(totals, "", now, limits)
    assert totals.accept(record)
    near._socketscope, record.socket = record, near
    return near, far, record


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Return two plain sockets that are connected over TCP, as `socketpair` connects them over a Unix one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        return listener.accept()[0], far

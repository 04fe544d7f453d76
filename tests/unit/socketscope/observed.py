"""An observed socket without a server, and what it counts for."""

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

"""What the kernel tells of a listener's queue: who waits in it, and who is about to come."""

import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from errno import ENODATA
from typing import Any

SO_MEMINFO = 55  # <asm-generic/socket.h>; Python's socket module lacks it
"""Of a socket's memory: 32-bit words, the first of which is what its receive queue is charged."""

_DROPS = 8 * 4  # SK_MEMINFO_DROPS of <linux/sock_diag.h>, among 32-bit words

# struct tcp_info of <linux/tcp.h>: eight bytes, then 32-bit words. For a listener tcpi_unacked is the
# length of the accept queue and tcpi_sacked its limit.
_TCP_INFO_SIZE = 104
_UNACKED = 8 + 4 * 4
_SACKED = 8 + 5 * 4

# <linux/netlink.h>, <linux/sock_diag.h>, <linux/inet_diag.h>: a request is a header of 16 bytes and what is
# asked for; so is each part of the answer, of which the last one says so, or what was wrong.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST, _REQUEST_DUMP = 0x001, 0x301
_DONE, _ERROR = 3, 2
_SYN_RECV = 1 << 3  # among states
_NO_COOKIE = b"\xff" * 8

# <linux/unix_diag.h>: behind the header come a struct of 16 bytes, and then attributes.
_ANY_STATE = 0xFFFFFFFF
_SHOW_RQLEN, _RQLEN = 0x10, 4
_UNIX_DIAG_SIZE = 16 + 16

_ANSWER = 0.5
"""Seconds to wait for an answer; the kernel takes milliseconds, but a substitute for it may take longer."""


def accept_queue(listener: socket.socket) -> tuple[int, int]:
    """Return length and limit of a TCP listener's accept queue.

    Raises:
        OSError: It is closed, or no TCP listener.
    """
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    return struct.unpack_from("I", info, _UNACKED)[0], struct.unpack_from("I", info, _SACKED)[0]


def handshakes(listener: socket.socket) -> int:
    """Return how many clients are in a handshake with a TCP listener's port: they will queue, or give up.

    Raises:
        OSError: It is closed, or the kernel does not tell.
    """
    port = socket.htons(listener.getsockname()[1])
    # For any address, of any peer.
    asked = struct.pack(
        "=BBBxIHH36x8s", listener.family, socket.IPPROTO_TCP, 0, _SYN_RECV, port, 0, _NO_COOKIE
    )
    return sum(1 for _ in _told(asked, _REQUEST_DUMP))


def unix_length(listener: socket.socket) -> int:
    """Return how many clients wait in a Unix listener's queue.

    Raises:
        OSError: It is closed, or the kernel does not tell.
    """
    number = os.fstat(listener.fileno()).st_ino
    asked = struct.pack("=BxxxIII8s", socket.AF_UNIX, _ANY_STATE, number, _SHOW_RQLEN, _NO_COOKIE)
    for told in _told(asked, _REQUEST):
        at = _UNIX_DIAG_SIZE
        while at < len(told):
            size, kind = struct.unpack_from("=HH", told, at)
            if kind == _RQLEN:
                return int(struct.unpack_from("=I", told, at + 4)[0])
            at += (size + 3) & ~3
    raise OSError(ENODATA, "the kernel does not tell of a Unix listener's queue")


def _told(asked: bytes, flags: int) -> Iterator[bytes]:
    """Yield the parts of what the kernel tells of sockets.

    Raises:
        OSError: The kernel does not tell.
    """
    header = struct.pack("=IHHII", 16 + len(asked), _SOCK_DIAG_BY_FAMILY, flags, 0, 0)
    # The C class: a program may have put another in place of `socket.socket`, for TCP alone.
    with closing(socket.SocketType(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)) as kernel:
        kernel.settimeout(_ANSWER)
        kernel.send(header + asked)
        while True:
            answer = kernel.recv(1 << 16)
            while answer:
                size, kind = struct.unpack_from("=IH", answer)
                if kind == _ERROR:
                    number = -struct.unpack_from("=i", answer, 16)[0]
                    raise OSError(number, "the kernel does not tell of sockets")
                if kind == _DONE:
                    return
                yield answer[:size]
                if flags == _REQUEST:
                    return  # there is only one
                answer = answer[(size + 3) & ~3 :]


def exists(listener: Any) -> bool:
    """Return whether clients queue at a server's socket.

    They do not if it is a connection that requests are read from: once that has ended, it is always ready.
    """
    try:
        return listener.type == socket.SOCK_DGRAM or bool(
            listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        )
    except (AttributeError, OSError):
        return True  # it is no socket itself


def lost(listener: Any) -> int:
    """Return how many datagrams found the receive queue full; 0 if the kernel does not tell."""
    try:
        info: bytes = listener.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _DROPS + 4)
        return int(struct.unpack_from("I", info, _DROPS)[0])
    except (AttributeError, OSError, TypeError, struct.error):
        return 0  # there is none, it is closed, it is no socket, or the kernel is an older one


def waits(sock: Any, seconds: float = 0) -> bool:
    """Return whether something can be taken from a socket now, or within some seconds."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return any(events & select.POLLIN for _, events in poll.poll(seconds * 1000))

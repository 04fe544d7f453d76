"""Keeping new clients out of a listener's queue while its server stops."""

import ctypes
import socket
import struct

from socketscope.serve.listeners import queue

# <asm-generic/socket.h>; Python's socket module lacks them.
_SO_ATTACH_FILTER = 26
_SO_BINDTOIFINDEX = 62

# Classic BPF, an instruction a line: code, jump if true, jump if false, operand. On a TCP socket it sees the
# packet from the TCP header on.
_DROP_HANDSHAKES = (
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # then drop,
    (0x06, 0, 0, 0xFFFFFFFF),  # else keep all of it
)
_DROP_ALL = ((0x06, 0, 0, 0),)

_NOWHERE = 0x7FFFFFFF
"""The number of a network interface that does not exist."""

HANDSHAKE = 1.5
"""Seconds to complete a handshake that was under way when arrivals were stopped: if a packet of it was lost,
the next one comes after 1 s."""

UNTOLD = 0.1
"""The same if the kernel does not tell whether any is under way."""


def stop(listener: socket.socket) -> bool:
    """Let no new connection, or datagram, into the queue; what is in it stays.

    A client that tries later is not refused: its handshake goes unanswered, and it tries again after 1 s.
    Some kernels allow filters only to the privileged; then `refuse` takes over for a stream.

    Returns:
        Whether that could be done.
    """
    try:
        if listener.family == socket.AF_UNIX and listener.type != socket.SOCK_DGRAM:
            return False  # the kernel accepts a filter for it, but never uses it
    except AttributeError:
        return False  # it is no socket itself
    program = _DROP_HANDSHAKES if listener.type == socket.SOCK_STREAM else _DROP_ALL
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    try:
        # struct sock_fprog: a length and a pointer.
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code))
        )
    except OSError:
        return listener.type == socket.SOCK_STREAM and refuse(listener)
    return True


def refuse(listener: socket.socket) -> bool:
    """Have new connections refused, by binding the listener to an interface that does not exist.

    Returns:
        Whether that could be done. Without privilege it cannot be undone.
    """
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_BINDTOIFINDEX, _NOWHERE)
    except OSError:
        return False
    return True


def refuse_at_last(listener: socket.socket) -> bool:
    """Refuse new clients of a Unix listener, also those who wait for room in its queue.

    Returns:
        Whether that could be done. From then on `poll` always finds the listener ready: `queue.unix_length`
        tells how many are left.
    """
    try:
        if listener.family != socket.AF_UNIX or listener.type == socket.SOCK_DGRAM:
            return False
        queue.unix_length(listener)
        listener.shutdown(socket.SHUT_RD)
    except (AttributeError, OSError):
        return False
    return True


def expected(listener: socket.socket, seconds: float) -> bool:
    """Return whether a client may still come, some seconds after arrivals were stopped."""
    try:
        if listener.family == socket.AF_UNIX or listener.type == socket.SOCK_DGRAM:
            return False  # nobody shakes hands there
        return seconds < HANDSHAKE and queue.handshakes(listener) > 0
    except (AttributeError, OSError):
        return seconds < UNTOLD

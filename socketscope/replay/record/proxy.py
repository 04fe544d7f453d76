"""A transparent proxy, which passes on what clients and a server say, and writes it to tapes."""

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from contextlib import suppress

from socketscope.replay.record.tape import Tape
from socketscope.replay.wire.connection import reset_when_closed
from socketscope.replay.wire.targets import CONNECT_TIMEOUT, Target

_CHUNK = 65536
_TLS_LINGER = 1.0


async def connected(target: Target) -> tuple[StreamReader, StreamWriter]:
    """Return a connection to a server.

    Raises:
        OSError: It could not connect; TimeoutError after `CONNECT_TIMEOUT`.
        UnicodeError: The host's name cannot be one.
    """
    address = target.address
    if address.path:
        connecting = asyncio.open_unix_connection(address.path)
    else:
        connecting = asyncio.open_connection(address.host, address.port, ssl=target.tls)
    return await asyncio.wait_for(connecting, CONNECT_TIMEOUT)


async def pass_on(
    from_client: StreamReader, to_client: StreamWriter,
    from_server: StreamReader, to_server: StreamWriter,
    tape: Tape,
) -> None:  # fmt: skip
    """Pass on and record what both sides say to the end, or until this is cancelled; then close both."""
    try:
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(_from_client(from_client, to_server, tape))
            pumps.create_task(_from_server(from_server, to_client, tape))
    except asyncio.CancelledError:
        tape.interrupted(time.monotonic())
        raise
    finally:
        to_client.close()
        to_server.close()


async def _from_client(source: StreamReader, sink: StreamWriter, tape: Tape) -> None:
    try:
        while data := await source.read(_CHUNK):
            tape.client_said(data, time.monotonic())
            if not await _hand_on(data, sink):
                return
    except OSError:
        tape.client_reset()
        _reset(sink)
        return
    if sink.can_write_eof():
        tape.client_ended()
        with suppress(OSError):
            sink.write_eof()
    else:
        # TLS has no half-close: a client that sends its end still gets the replies that come soon.
        await asyncio.sleep(_TLS_LINGER)
        tape.client_ended()
        sink.close()


async def _from_server(source: StreamReader, sink: StreamWriter, tape: Tape) -> None:
    try:
        while data := await source.read(_CHUNK):
            tape.server_said(data, time.monotonic())
            if not await _hand_on(data, sink):
                tape.client_vanished()
                return
    except OSError:
        tape.server_reset()
        _reset(sink)
        return
    tape.server_ended()
    if not sink.can_write_eof():
        sink.close()
        return
    with suppress(OSError):
        sink.write_eof()


def _reset(sink: StreamWriter) -> None:
    # After asyncio's abort alone the other side sees a plain end, but it may count resets.
    reset_when_closed(sink.get_extra_info("socket"))
    sink.transport.abort()


async def _hand_on(data: bytes, sink: StreamWriter) -> bool:
    """Send data; return whether the receiver is still there."""
    try:
        sink.write(data)
        await sink.drain()
    except OSError:
        return False
    return True

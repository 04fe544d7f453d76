"""Stream sockets that note what passes through them, and are otherwise the standard library's."""

import select
import socket
from collections.abc import Callable
from operator import itemgetter
from time import monotonic
from typing import Any

from socketscope.observe.noting import PLAIN, Noting, family_of, note_missed, note_unsent, type_of
from socketscope.observe.record import Record

STEP = 1 << 16
"""Bytes given to a Unix socket at once if a deadline depends on its peer taking them: its queue tells little
of that, as it is full again whenever the peer has taken something."""

_first = itemgetter(0)


class NotingStream(Noting):
    """What passes through a plain stream socket."""

    __slots__ = ()

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Receive, as the base class does."""
        return self._receive(super().recv, len, flags, bufsize, flags)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into a buffer, as the base class does."""
        if flags or (record := self._socketscope) is None:
            return self._receive(super().recv_into, int, flags, buffer, nbytes, flags)
        # As in `_receive`, with one call less: the bytes of every file object come this way.
        record.wait(monotonic())
        try:
            size = PLAIN.recv_into(self, buffer, nbytes)
        except OSError as error:
            note_missed(record, error)
            raise
        except BaseException:  # after a wrong call, nobody waits
            record.missed(monotonic())
            raise
        record.took(size, monotonic())
        if not size and record.late:
            raise record.lateness()
        return size

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        """Receive with the sender's address, as the base class does."""
        return self._receive(super().recvfrom, _first_length, flags, bufsize, flags)

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        """Receive into a buffer with the sender's address, as the base class does."""
        return self._receive(super().recvfrom_into, _first, flags, buffer, nbytes, flags)

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0) -> tuple[bytes, list[Any], int, Any]:
        """Receive with ancillary data, as the base class does."""
        return self._receive(super().recvmsg, _first_length, flags, bufsize, ancbufsize, flags)

    def recvmsg_into(
        self, buffers: Any, ancbufsize: int = 0, flags: int = 0
    ) -> tuple[int, list[Any], int, Any]:
        """Receive into buffers with ancillary data, as the base class does."""
        return self._receive(super().recvmsg_into, _first, flags, buffers, ancbufsize, flags)

    def send(self, data: Any, flags: int = 0) -> int:
        """Send, as the base class does."""
        if (type(data) is not bytes or len(data) > STEP) and self._goes_in_steps(data):
            return self._send_in_steps(super().send, data, flags)
        return self._send(super().send, data, flags)

    def sendto(self, data: Any, *flags_and_address: Any) -> int:
        """Send, as the base class does; a stream has no use for the address."""
        return self._send(super().sendto, data, *flags_and_address)

    def sendmsg(self, buffers: Any, *args: Any) -> int:
        """Send from several buffers, as the base class does."""
        return self._send(super().sendmsg, buffers, *args)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it; the socket's timeout is for the whole."""
        if (record := self._socketscope or self._join()) is None:
            super().sendall(data, flags)
            return
        timeout = self.gettimeout()
        until = monotonic() + timeout if timeout else None
        if (type(data) is not bytes or len(data) > STEP) and self._goes_in_steps(data):
            with memoryview(data) as view, view.cast("B") as whole:
                self._send_rest(record, whole, 0, flags, until)
            return
        # As in `_send`, with one call less: every reply goes this way.
        record.blocked += 1
        asked = 0.0 if record.sending else record.requested_at
        try:
            done = PLAIN.send(self, data, flags)
            if done:
                record.gave(done, monotonic(), asked)
        except OSError as error:
            note_unsent(record, error)
            raise
        finally:
            record.blocked -= 1
        total = len(data) if type(data) is bytes else memoryview(data).nbytes
        if done < total:
            with memoryview(data) as view, view.cast("B") as whole:
                self._send_rest(record, whole, done, flags, until)

    def shutdown(self, how: int, /) -> None:
        """Shut down, as the base class does."""
        PLAIN.shutdown(self, how)
        if how != socket.SHUT_RD and (record := self._socketscope) is not None:
            record.shut = True

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file, as the base class does."""
        if (record := self._socketscope or self._join()) is None:
            return super().sendfile(file, offset, count)
        sent_before, place = record.sent, _place(file)
        asked = 0.0 if record.sending else record.requested_at
        record.blocked += 1
        try:
            size: int = super().sendfile(file, offset, count)
        except OSError as error:
            # The base class leaves the file at the end of what was sent, and where it was if that is nothing.
            if (now := _place(file)) != place and now > offset and record.sent == sent_before:
                record.gave(now - offset, monotonic(), asked)
            note_unsent(record, error)
            raise
        finally:
            record.blocked -= 1
        # A file without a descriptor has gone through `send`.
        if size and record.sent == sent_before:
            record.gave(size, monotonic(), asked)
        return size

    def _goes_in_steps(self, data: Any) -> bool:
        """Return whether the write deadline could not tell that a peer takes this from one call."""
        record = self._socketscope or self._join()
        return (
            record is not None
            and record.limits.write_timeout is not None
            and family_of(self) == socket.AF_UNIX
            and type_of(self) == socket.SOCK_STREAM
            and self.gettimeout() is None  # else a call ends with what there is room for
            and _length(data) > STEP
        )

    def _send_in_steps(self, send: Callable[..., int], data: Any, flags: int) -> int:
        """Send all of it, or, as the kernel does, what went out before an error; that is the next call's."""
        done = 0
        with memoryview(data) as view, view.cast("B") as whole:
            while done < len(whole):
                with whole[done : done + STEP] as step:
                    try:
                        done += self._send(send, step, flags)
                    except TimeoutError:
                        raise
                    except OSError:
                        if not done:
                            raise
                        break
        return done

    def _send_rest(
        self, record: Record, whole: memoryview, done: int, flags: int, until: float | None
    ) -> None:
        while done < len(whole):
            record.blocked += 1  # waiting for the peer happens here, not in `send`
            try:
                if until is not None and not _takes(self, until - monotonic()):
                    raise TimeoutError("timed out")
            except OSError as error:
                note_unsent(record, error)
                raise
            finally:
                record.blocked -= 1
            with whole[done:] as rest:  # released, so that no traceback keeps the handler's buffer
                done += NotingStream.send(self, rest, flags)  # not an override of it, as ever


def _takes(sock: Any, seconds: float) -> bool:
    """Return whether a socket takes something within some seconds."""
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return seconds > 0 and bool(poll.poll(seconds * 1000))


def _length(data: Any) -> int:
    """Return how many bytes something has; 0 if sending it would raise."""
    try:
        view = memoryview(data)
    except (TypeError, ValueError, BufferError):
        return 0
    return view.nbytes if view.c_contiguous else 0


def _place(file: Any) -> int:
    try:
        return int(file.tell())
    except (OSError, ValueError, AttributeError):
        return 0


def _first_length(received: tuple[bytes, Any]) -> int:
    return len(received[0])

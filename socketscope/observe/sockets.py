"""Sockets that note what passes through them, and are otherwise the standard library's.

Where a deadline has passed, whoever watches over the connections has shut the socket down, and the call that
this woke raises TimeoutError.
"""

import select
import socket
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, TypeVar

from socketscope.observe.record import Record

_T = TypeVar("_T")

MSG_DONTWAIT, MSG_PEEK = int(socket.MSG_DONTWAIT), int(socket.MSG_PEEK)
"""As plain numbers: an enumeration's operators take longer than a system call."""

family_of, type_of = socket.SocketType.family.__get__, socket.SocketType.type.__get__
"""As the C class has them: plain numbers, too."""

STEP = 1 << 16
"""Bytes of which more are sent in several calls where a deadline asks what a peer on a Unix socket takes. Its
queue says little of that: who takes all of it leaves one that is as full again at once."""


if TYPE_CHECKING:
    Socket = socket.socket  # what is mixed into, for who checks types
else:
    Socket = object


class Noting(Socket):
    """What every observed stream socket has, whatever class of socket it is mixed into.

    No socket itself and without room of its own: a socket that somebody else made becomes an observed one by
    a change of its class, for which the interpreter wants the layout to stay.
    """

    __slots__ = ()
    _socketscope: Record | None
    """What it counts for; None observes nothing."""

    def _join(self) -> Record | None:
        """Return what it counts for though nobody has told it so, if there is anything."""
        return None

    def _note_missed(self, error: OSError) -> None:
        """Note a receive that failed.

        Raises:
            TimeoutError: It failed since a deadline has passed.
        """
        if (record := self._socketscope) is not None:
            record.missed(monotonic())
            if record.late:
                raise record.lateness() from None
            record.lose(error)

    def _note_unsent(self, error: OSError) -> None:
        """Note a send that failed.

        Raises:
            TimeoutError: It failed since a deadline has passed.
        """
        if (record := self._socketscope) is not None:
            if record.late and record.failure == "write_timeout":
                raise record.lateness() from None
            record.lose(error, replying=True)

    def _receive(
        self, receive: Callable[..., _T], size_of: Callable[[Any], int], flags: int, *args: Any
    ) -> _T:
        if (record := self._socketscope or self._join()) is None:
            return receive(*args)
        record.wait(monotonic())
        try:
            received = receive(*args)
        except OSError as error:
            self._note_missed(error)
            raise
        except BaseException:
            record.missed(monotonic())
            raise
        if flags & MSG_PEEK:
            record.missed(monotonic())
            return received
        size = size_of(received)
        record.took(size, monotonic())
        if not size and record.late:
            raise record.lateness()
        return received

    def _send(self, send: Callable[..., int], *args: Any) -> int:
        if (record := self._socketscope or self._join()) is None:
            return send(*args)
        record.blocked += 1
        try:
            size = send(*args)
            if size:
                record.gave(size, monotonic())  # noted before it is no more under way, which is waited for
        except OSError as error:
            self._note_unsent(error)
            raise
        finally:
            record.blocked -= 1
        return size


class Leaving(Socket):
    """What a socket has whose connection was handed on: its end is the end of the record."""

    __slots__ = ()
    _socketscope: Record | None

    def _real_close(self, *args: Any) -> None:
        super()._real_close(*args)  # type: ignore[misc]  # not in typeshed
        self._note_left()

    def detach(self) -> int:
        """Give the descriptor away, as the base class does."""
        descriptor = super().detach()
        self._note_left()
        return descriptor

    def dup(self) -> Self:
        """Return another socket of the same connection, as the class does that this was made of."""
        twin = super().dup()
        twin.__class__ = type(self).__bases__[-1]  # the connection does not end with it
        return twin

    def _note_left(self) -> None:
        record = self._socketscope
        # Asked for once: another thread may end it meanwhile.
        if record is not None and (left := record.left) is not None:
            left()


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
        # As `_receive` does it, in one call less: every file object's bytes come this way.
        record.wait(monotonic())
        try:
            size = super().recv_into(buffer, nbytes)
        except OSError as error:
            self._note_missed(error)
            raise
        except BaseException:  # a call that is wrong waits for nobody
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
        # As `_send` does it, in one call less: every reply goes this way.
        record.blocked += 1
        try:
            done = super().send(data, flags)
            if done:
                record.gave(done, monotonic())
        except OSError as error:
            self._note_unsent(error)
            raise
        finally:
            record.blocked -= 1
        total = len(data) if type(data) is bytes else memoryview(data).nbytes
        if done < total:
            with memoryview(data) as view, view.cast("B") as whole:
                self._send_rest(record, whole, done, flags, until)

    def shutdown(self, how: int, /) -> None:
        """Shut down, as the base class does."""
        super().shutdown(how)
        if how != socket.SHUT_RD and (record := self._socketscope) is not None:
            record.shut = True

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file, as the base class does."""
        if (record := self._socketscope or self._join()) is None:
            return super().sendfile(file, offset, count)
        sent_before, place = record.sent, _place(file)
        record.blocked += 1
        try:
            size: int = super().sendfile(file, offset, count)
        except OSError as error:
            # The base class leaves the file where it has sent it to, and where it was if nothing was sent.
            if (now := _place(file)) != place and now > offset and record.sent == sent_before:
                record.gave(now - offset, monotonic())
            self._note_unsent(error)
            raise
        finally:
            record.blocked -= 1
        # Where the file is none of the system's, it has gone through `send`.
        if size and record.sent == sent_before:
            record.gave(size, monotonic())
        return size

    def _goes_in_steps(self, data: Any) -> bool:
        """Return whether a deadline would not see, if this were sent by one call, that the peer takes it."""
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
        """Send all of it, or what went out before an error, which is the next call's, as the kernel does."""
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
            record.blocked += 1  # a peer that takes nothing is waited for here, not in `send`
            try:
                if until is not None and not _takes(self, until - monotonic()):
                    raise TimeoutError("timed out")
            except OSError as error:
                self._note_unsent(error)
                raise
            finally:
                record.blocked -= 1
            with whole[done:] as rest:  # a traceback that held it would hold the handler's buffer
                done += NotingStream.send(self, rest, flags)  # no override of it, as ever


def _takes(sock: Any, seconds: float) -> bool:
    """Return whether a socket takes something within so many seconds."""
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return seconds > 0 and bool(poll.poll(seconds * 1000))


def _length(data: Any) -> int:
    """Return how many bytes can be sent of something; 0 where to send it is an error."""
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


def _first(received: tuple[int, Any]) -> int:
    return received[0]


def _first_length(received: tuple[bytes, Any]) -> int:
    return len(received[0])

"""What comes unasked: lines that a script ignores or answers whenever they come, and all else, a failure."""

import ssl
from collections.abc import Callable, Mapping

from socketscope.replay.play.failing import Failed, not_received
from socketscope.replay.play.saying import Spoken
from socketscope.replay.script.context import Context
from socketscope.replay.script.program import Aside
from socketscope.replay.script.text import Template, quoted
from socketscope.replay.wire.connection import Connection
from socketscope.replay.wire.inbox import Differs
from socketscope.replay.wire.loop import Task
from socketscope.replay.wire.reasons import reason


class Asides:
    """The lines of a pass that `@ignore` and `@on` match, here called asides, and what else comes unasked.

    An answer is sent at once or not at all: a server without room for it has stopped reading.

    Attributes:
        known: The asides that the pass has declared so far.
        context: Variables of the pass.
        note: Notes what is said.
        met: Lines matched since a caller last set this to 0.
        last: The last of them.
    """

    def __init__(self, context: Context, note: Callable[[Spoken], None]) -> None:
        self.known: list[Aside] = []
        self.context = context
        self.note = note
        self.met = 0
        self.last = b""
        self._speaker: Connection | None = None
        self._given: dict[Aside, Mapping[str, str]] = {}  # variables that its lines have set

    def hold(self, aside: Aside, connection: Connection | None) -> None:
        """Match an aside from now on; its variables keep what they were set to earlier on the connection."""
        self.known.append(aside)
        given = self._given.get(aside, {}) if connection is self._speaker else {}
        for name in aside.groups:
            self.context.setdefault(name, given.get(name, ""))

    def attend(self, connection: Connection) -> bool:
        """Take and answer the asides that come next; return whether another line follows them.

        Raises:
            Failed: An answer could not be sent.
        """
        while (line := connection.inbox.next_line()) is not None:
            if not self.meet(connection, line):
                return True
            connection.inbox.take_line()
        return False

    def meet(self, connection: Connection, line: bytes) -> bool:
        """Return whether a line is an aside; note it, and send the answer if the script has one.

        Raises:
            Failed: The answer could not be sent.
        """
        known = next((a for a in self.known if a.meets(line, self.context)), None)
        if known is None:
            return False
        self.met += 1
        self.last = line
        self.note(line)
        if known.groups:
            if connection is not self._speaker:
                self._speaker, self._given = connection, {}
            self._given[known] = {name: self.context[name] for name in known.groups}
        if known.answer is not None:
            self._answer(connection, known.answer, known)
        return True

    def require_silence(
        self, connection: Connection, line: int, expected: str, *, again: bool = True
    ) -> None:
        """Check, without waiting, that nothing else has come.

        Args:
            connection: Where.
            line: The line of the script to which a failure belongs.
            expected: What the failure says was expected.
            again: As for `Connection.has_unread`.

        Raises:
            Failed: Something else has come, or a datagram that was sent was refused.
        """
        try:
            has_come = connection.has_unread(again=again)
        except ConnectionRefusedError as error:
            raise not_received(error, line) from error
        if has_come and (extra := self._others(connection)) is not None:
            raise Failed("unexpected_data", expected, quoted(extra, self.context), line)

    def listen(
        self, connection: Connection, line: int | None, until: float, *, is_answered: bool = True
    ) -> Task:
        """Wait until a time, or until something else comes.

        Args:
            connection: Where.
            line: The line of the script to which a failure belongs; None before the first exchange, when
                nothing can fail.
            until: The time, on the loop's clock.
            is_answered: Whether the last message had its reply, so that a broken connection fails nothing.

        Raises:
            Failed: A datagram was refused, or a message without a reply was answered by a reset.
        """
        try:
            yield from connection.read(lambda: self._heard(connection), until)
            if not is_answered:
                connection.raise_error()
        except (ConnectionError, ssl.SSLError) as error:
            if line is not None and (isinstance(error, ConnectionRefusedError) or not is_answered):
                raise not_received(error, line) from error
        except OSError:
            pass  # the time is over

    def _heard(self, connection: Connection) -> bool | None:
        """Return whether the server has said something else, or has closed; None if not yet."""
        is_other = self.attend(connection) if self.known else bool(connection.inbox.data)
        return is_other or connection.inbox.ended or None

    def _others(self, connection: Connection) -> bytes | None:
        """Return what has come, was not taken and is no aside; None if there is nothing."""
        inbox = connection.inbox
        is_other = not self.known or self.attend(connection) or inbox.ended
        # An unfinished line may turn out to be an aside.
        is_other = is_other or connection.last_byte_at <= connection.heard_since
        return inbox.unread() if inbox.data and is_other else None

    def _answer(self, connection: Connection, answer: Template, aside: Aside) -> None:
        data = answer.fill(self.context) + aside.ending
        self.note((aside, data))
        try:
            left = connection.send(data)
        except OSError as error:
            raise Failed("send_error", "to answer", reason(error), aside.line) from error
        if left:
            raise Failed("send_error", "to answer", "the server has ceased to read", aside.line)

    def before(self, take: Callable[[], bytes | None], connection: Connection) -> Callable[[], bytes | None]:
        """Return a function that takes and answers the asides that come first, then calls `take`."""

        def attend_and_take() -> bytes | None:
            is_other = self.attend(connection)
            try:
                return take()
            except Differs:
                # An unfinished line may still become an aside.
                if is_other or connection.inbox.ended:
                    raise
                return None

        return attend_and_take

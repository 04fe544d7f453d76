"""Lines that come unasked: those that a script ignores, and those that it answers whenever they come."""

from collections.abc import Callable, Mapping

from socketscope.replay.play.failing import Failed
from socketscope.replay.play.saying import Spoken
from socketscope.replay.script.context import Context
from socketscope.replay.script.program import Aside
from socketscope.replay.script.text import Template
from socketscope.replay.wire.connection import Connection
from socketscope.replay.wire.inbox import Differs
from socketscope.replay.wire.reasons import reason


class Asides:
    """Of a user's pass: the lines that `@ignore` and `@on` are about, here called asides.

    An answer is sent at once or not at all: a server that has no room for it has ceased to read.

    Attributes:
        known: Those that the pass has come to so far.
        context: Variables of the pass.
        note: Takes down what is said.
        met: Lines that were taken since somebody last set this to 0.
        last: The last of these.
    """

    def __init__(self, context: Context, note: Callable[[Spoken], None]) -> None:
        self.known: list[Aside] = []
        self.context = context
        self.note = note
        self.met = 0
        self.last = b""
        self._speaker: Connection | None = None
        self._given: dict[Aside, Mapping[str, str]] = {}  # variables of its lines

    def hold(self, aside: Aside, connection: Connection | None) -> None:
        """Know of one from here on; variables have what it gave them in earlier passes on the connection."""
        self.known.append(aside)
        given = self._given.get(aside, {}) if connection is self._speaker else {}
        for name in aside.groups:
            self.context.setdefault(name, given.get(name, ""))

    def attend(self, connection: Connection) -> bool:
        """Take and answer the asides that have come first; return whether another line is behind them.

        Raises:
            Failed: An answer could not be sent.
        """
        while (line := connection.inbox.next_line()) is not None:
            if not self.meet(connection, line):
                return True
            connection.inbox.take_line()
        return False

    def meet(self, connection: Connection, line: bytes) -> bool:
        """Return whether a line is an aside; if it is, note it, and answer it where the script has an answer.

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

    def heard(self, connection: Connection) -> bool | None:
        """Return whether the server has said something else, or has closed; None while that may come."""
        is_other = self.attend(connection) if self.known else bool(connection.inbox.data)
        return is_other or connection.inbox.ended or None

    def others(self, connection: Connection) -> bytes | None:
        """Return what has come and is neither taken nor an aside; None if there is nothing."""
        inbox = connection.inbox
        is_other = not self.known or self.attend(connection) or inbox.ended
        # The beginning of a line may become an aside once more of it is read.
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
        """Return what takes and answers the asides that have come first, and then takes what `take` does."""

        def attend_and_take() -> bytes | None:
            is_other = self.attend(connection)
            try:
                return take()
            except Differs:
                # What ends no line yet may become one of those.
                if is_other or connection.inbox.ended:
                    raise
                return None

        return attend_and_take

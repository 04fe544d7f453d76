"""What is said on a user's connection: the last lines are kept, and a listener gets all of them."""

from collections import deque
from collections.abc import Callable, Mapping

from socketscope.replay.script.program import Aside, Sending
from socketscope.replay.script.text import excerpt

_KEPT = 6
"""Lines before a failure that are shown with it."""

Spoken = bytes | tuple[Sending | Aside, bytes]
"""A line that came; or an action and what it sent."""

Hear = Callable[[int, str], None]
"""A listener: called with the number of the user, and a line as a script would have it."""


class Saying:
    """What one user says and hears.

    Attributes:
        note: Notes a line; without a listener this is just an append to a list.
    """

    def __init__(self, hear: Hear | None, context: Mapping[str, str]) -> None:
        self._hear = hear
        self._user = 0
        self._context = context
        self._lines: deque[Spoken] = deque(maxlen=_KEPT)
        self.note: Callable[[Spoken], None] = self._lines.append if hear is None else self._note_and_tell

    def begin(self, user: int, file: str, seq: int) -> None:
        """Begin a pass of a script."""
        self._user = user
        self._lines.clear()
        if self._hear is not None:
            self._hear(user, f"# {file}, pass {seq}")

    @property
    def last(self) -> tuple[str, ...]:
        """The last lines, as the script would have them."""
        return tuple(map(self._shown, self._lines))

    def tell(self, line: str) -> None:
        """Pass the listener, if any, a line that is not part of the conversation."""
        if self._hear is not None:
            self._hear(self._user, line)

    def _note_and_tell(self, line: Spoken) -> None:
        self._lines.append(line)
        self.tell(self._shown(line))

    def _shown(self, line: Spoken) -> str:
        if isinstance(line, bytes):
            return f"< {excerpt(line, self._context)}"
        action, data = line
        return f"> {excerpt(data.removesuffix(action.ending), self._context)}"

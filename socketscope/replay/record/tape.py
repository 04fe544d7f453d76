"""A tape: what passes on one connection, as it passes. No I/O."""

from socketscope.replay.record.conversation import Conversation
from socketscope.replay.record.lines import ReplyLine

LONGEST = 16 << 20
"""Bytes of a conversation that are kept."""

QUIET = 0.5
"""Seconds without a byte after which an unfinished line counts as a prompt."""


class CannotBeScriptError(Exception):
    """A conversation cannot be written as a script that would replay; the text says why."""


class Tape:
    """What a client and a server say, in order. Times are seconds on one clock."""

    def __init__(self, now: float) -> None:
        self._said = bytearray()
        self._lines: list[ReplyLine] = []
        self._unfinished = bytearray()  # the beginning of a line
        self._unfinished_after = 0
        self._pauses: list[tuple[int, float]] = []
        self._received = 0
        self._spoke_at = now
        self._longest_wait = 0.0
        self._client_left = False
        self._left_after = bytearray(), 0  # what was unfinished when the client left, and its place
        self._is_over = False
        self._closes = self._closes_later = self._resets = False
        self._problem: str | None = None

    def client_said(self, data: bytes, now: float) -> None:
        """Record bytes of the client."""
        if self._is_over:
            return
        self._add_unfinished()  # the client did not wait for a line ending: it was a prompt
        if self._place == self._heard:
            self._pauses.append((len(self._said), now - self._spoke_at))
        self._spoke_at = now
        if self._keeps(data):
            self._said += data

    def server_said(self, data: bytes, now: float) -> None:
        """Record bytes of the server."""
        self._longest_wait = max(self._longest_wait, now - self._spoke_at)
        self._spoke_at = now
        if self._keeps(data):
            self._received += len(data)
            *lines, begun = data.split(b"\n")
            for line in lines:
                self._unfinished += line
                self._add(bytes(self._unfinished.removesuffix(b"\r")))
                self._unfinished.clear()
            self._unfinished += begun
            self._unfinished_after = self._place

    def client_ended(self) -> None:
        """Record that the client sends no more."""
        self._client_left = True
        self._left_after = self._unfinished.copy(), self._unfinished_after

    def server_ended(self) -> None:
        """Record that the server has closed."""
        if self._is_over:
            return
        self._is_over = True
        came_last = self._unfinished_after > len(self._said)
        self._add_unfinished(ended=came_last or not self._client_left)
        self._closes_later = self._client_left
        self._closes = not self._client_left

    def client_reset(self) -> None:
        """Record that the client has reset the connection."""
        self._resets = self._is_over = True

    def client_vanished(self) -> None:
        """Record that the client was gone: forget what the server said after the client had left."""
        self._lines = [line for line in self._lines if line.after <= len(self._said)]
        self._unfinished, self._unfinished_after = self._left_after
        self._is_over = True

    def server_reset(self) -> None:
        """Record that the server has reset the connection."""
        self._fail("the server reset the connection")

    def interrupted(self, now: float) -> None:
        """End the recording here; leave out what was not fully answered."""
        if self._is_over:
            return
        if now - self._spoke_at >= QUIET:
            self._add_unfinished()  # the rest would have come by now: it is a prompt
        if self._unfinished:
            self._lines = [line for line in self._lines if line.after < self._unfinished_after]
        answered = min(self._heard, len(self._said))
        del self._said[answered:]
        self._unfinished.clear()
        self._is_over = True

    def conversation(self) -> Conversation | None:
        """Return what was said; None if nothing was.

        Raises:
            CannotBeScriptError: No script could replay this conversation.
        """
        if self._problem is not None:
            raise CannotBeScriptError(self._problem)
        self._add_unfinished()
        if not self._said and not self._lines:
            return None
        return Conversation(
            said=(bytes(self._said),) if self._said else (),
            lines=tuple(self._lines),
            closes=self._closes,
            closes_later=self._closes_later,
            resets=self._resets,
            longest_wait=self._longest_wait,
            pauses=tuple(self._pauses),
        )

    @property
    def _place(self) -> int:
        """How much the client has said; one more once it has left."""
        return len(self._said) + self._client_left

    @property
    def _heard(self) -> int:
        """How much the client had said when the last line came."""
        return self._lines[-1].after if self._lines else 0

    def _add(self, line: bytes, *, ended: bool = True) -> None:
        self._lines.append(ReplyLine(line, self._place if ended else self._unfinished_after, ended))

    def _add_unfinished(self, *, ended: bool = False) -> None:
        if self._unfinished:
            self._add(bytes(self._unfinished), ended=ended)
            self._unfinished.clear()

    def _keeps(self, data: bytes) -> bool:
        if self._problem is None and len(self._said) + self._received + len(data) > LONGEST:
            self._fail(f"it is longer than {LONGEST >> 20} MiB")
        return self._problem is None

    def _fail(self, problem: str) -> None:
        self._problem = self._problem or problem
        self._said.clear()
        self._lines.clear()
        self._unfinished.clear()

"""What was said on one connection, in order, and the script that it makes. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Literal, Self

from socketscope.replay.record.lines import ReplyLine, visible
from socketscope.replay.script.constructs import (
    Construct,
    Ending,
    Expect,
    HalfClose,
    Line,
    Reply,
    Reset,
    Script,
    Send,
    Timeout,
)

LONGEST = 16 << 20
"""Bytes of a conversation that are kept."""

DEFAULT_TIMEOUT = 5.0
_PATIENCE = 3
"""How many times the longest wait a replay waits, where that is more than scripts wait anyway."""


class CannotBeScriptError(Exception):
    """A conversation cannot be written as a script that would replay; its text says why, to follow a name."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a client said before the server spoke again."""

    data: bytes


Event = Message | ReplyLine | Literal["half-close", "close", "reset"]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said on a connection.

    Attributes:
        events: In order.
        longest_wait: Seconds that the slowest reply took.
    """

    events: tuple[Event, ...]
    longest_wait: float

    @property
    def outline(self) -> tuple[object, ...]:
        """What two conversations have in common that are one but for what varies in replies."""
        return tuple(ReplyLine if isinstance(event, ReplyLine) else event for event in self.events)

    def merged(self, other: Self) -> Self:
        """Return a conversation that is either of two with one outline."""
        events = tuple(
            one.merged(two) if isinstance(one, ReplyLine) and isinstance(two, ReplyLine) else one
            for one, two in zip(self.events, other.events, strict=True)
        )
        return type(self)(events, max(self.longest_wait, other.longest_wait))

    def script(self, file: str) -> Script:
        """Return the script that holds this conversation again."""
        return Script(file, tuple(Line(n, construct) for n, construct in enumerate(self._constructs(), 1)))

    def _constructs(self) -> Iterator[Construct]:
        if _PATIENCE * self.longest_wait > DEFAULT_TIMEOUT:
            yield Timeout(float(ceil(_PATIENCE * self.longest_wait)))
        ending = "crlf"
        for number, now in enumerate(self.events):
            match now:
                case Message(data):
                    text, wanted = _parted(data)
                    if wanted.name != ending:
                        ending = wanted.name
                        yield wanted
                    later = self.events[number + 1 :]
                    if not any(isinstance(event, ReplyLine) or event == "close" for event in later):
                        yield Reply("none")
                    yield Send(visible(text))
                case ReplyLine():
                    yield now.construct()
                case "half-close":
                    yield HalfClose()
                case "close":
                    yield Expect("close")
                case "reset":
                    yield Reset()


def _parted(data: bytes) -> tuple[bytes, Ending]:
    if data.endswith(b"\r\n"):
        return data[:-2], Ending("crlf")
    if data.endswith(b"\n"):
        return data[:-1], Ending("lf")
    return data, Ending("none")


class Tape:
    """Takes down what passes between a client and a server, as it passes. Times are seconds of one clock."""

    def __init__(self, now: float) -> None:
        self._events: list[Event] = []
        self._message = bytearray()
        self._unfinished = b""
        self._kept = 0
        self._spoke_at = now
        self._longest_wait = 0.0
        self._client_left = False
        self._is_over = False
        self._problem: str | None = None

    def client_said(self, data: bytes, now: float) -> None:
        """Take down bytes of the client."""
        if self._is_over:
            return
        if self._unfinished:
            self._fail("the client spoke when the server had not ended its line, as after a prompt")
        self._spoke_at = now
        if self._keep(data):
            self._message += data

    def server_said(self, data: bytes, now: float) -> None:
        """Take down bytes of the server."""
        self._longest_wait = max(self._longest_wait, now - self._spoke_at)
        self._spoke_at = now
        if not self._keep(data):
            return
        self._end_message()
        if self._client_left and "half-close" not in self._events:
            # Only what comes now tells a half-close from a client that has gone.
            self._events.append("half-close")
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        self._events += (ReplyLine(line.removesuffix(b"\r")) for line in lines)

    def client_ended(self) -> None:
        """Note that the client sends no more."""
        self._client_left = True

    def server_ended(self) -> None:
        """Note that the server closes."""
        if self._is_over:
            return
        self._end_message()
        if self._client_left and self._unfinished and "half-close" not in self._events:
            # What ends no line can be read as one only up to a close.
            self._events.append("half-close")
        if self._unfinished:
            self._events.append(ReplyLine(self._unfinished))
            self._unfinished = b""
        if not self._client_left or "half-close" in self._events:
            self._events.append("close")
        self._is_over = True

    def client_reset(self) -> None:
        """Note that the client reset the connection."""
        self._end_message()
        self._events.append("reset")
        self._is_over = True

    def client_vanished(self) -> None:
        """Note that the client was not there any more to take what the server said after it had ended."""
        if "half-close" in self._events:
            del self._events[self._events.index("half-close") :]
        self._unfinished = b""
        self._is_over = True

    def server_reset(self) -> None:
        """Note that the server reset the connection."""
        self._fail("the server reset the connection")

    def interrupted(self) -> None:
        """Note that the recording ends here; what was not answered in full is left off."""
        if self._is_over:
            return
        if self._unfinished:
            while self._events and isinstance(self._events[-1], ReplyLine):
                self._events.pop()
            if self._events:
                self._events.pop()
        self._message.clear()
        self._unfinished = b""
        self._is_over = True

    def conversation(self) -> Conversation | None:
        """Return what was said, None where nothing was.

        Raises:
            CannotBeScriptError: No script would hold this conversation again.
        """
        self._end_message()
        if self._unfinished:
            self._fail("the server ends with bytes that end no line")
        if self._problem is not None:
            raise CannotBeScriptError(self._problem)
        if not any(isinstance(event, Message | ReplyLine) for event in self._events):
            return None
        return Conversation(tuple(self._events), self._longest_wait)

    def _end_message(self) -> None:
        if self._message:
            self._events.append(Message(bytes(self._message)))
            self._message.clear()

    def _keep(self, data: bytes) -> bool:
        if self._problem is not None:
            return False
        self._kept += len(data)
        if self._kept > LONGEST:
            self._fail(f"it is longer than {LONGEST >> 20} MiB")
        return self._problem is None

    def _fail(self, problem: str) -> None:
        self._problem = self._problem or problem
        self._events.clear()
        self._message.clear()
        self._unfinished = b""

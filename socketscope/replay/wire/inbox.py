"""What has come on a connection and was not taken yet. No I/O."""

import re

LONGEST_LINE = 1 << 24
"""Bytes; a server that sends more without a line ending does not send lines."""


class Closed(Exception):  # noqa: N818 - an event of the connection, not an error of the program
    """The server closed.

    Attributes:
        partial: What it had sent, which is not all of what was wanted.
    """

    def __init__(self, partial: bytes) -> None:
        super().__init__("the server closed the connection")
        self.partial = partial


class Differs(Exception):  # noqa: N818 - an event of the connection, not an error of the program
    """What has come is not what was wanted.

    Attributes:
        came: What has come so far.
    """

    def __init__(self, came: bytes) -> None:
        super().__init__("something else came")
        self.came = came


class Inbox:
    """The bytes that have come, in order. Methods that take some return None while more must come.

    Attributes:
        data: The bytes, including those taken already at the beginning; empty once all are taken.
        ended: Whether the server has closed, so that no more will come.
    """

    __slots__ = ("_start", "data", "ended")

    def __init__(self) -> None:
        self.data = b""
        self._start = 0
        self.ended = False

    def add(self, data: bytes) -> None:
        """Append what has come."""
        if self.data:
            data = self.data[self._start :] + data
            self._start = 0
        self.data = data

    def unread(self) -> bytes:
        """Return what was not taken."""
        return self.data[self._start :]

    def take_line(self) -> bytes | None:
        """Take the next line; return it without its ending.

        Raises:
            Closed: There is none, and no more will come.
            OverflowError: What has come of it is longer than any line should be.
        """
        end = self.data.find(b"\n", self._start)
        if end < 0:
            if self.data or self.ended:
                self._wait()
            return None
        line = self.data[self._start : end]
        self._start = end + 1
        if self._start == len(self.data):
            self.data, self._start = b"", 0
        return line.removesuffix(b"\r")

    def next_line(self) -> bytes | None:
        """Return the next whole line without its ending, and do not take it."""
        end = self.data.find(b"\n", self._start)
        return None if end < 0 else self.data[self._start : end].removesuffix(b"\r")

    def take_lines(self) -> list[bytes]:
        """Take all whole lines; return them without their endings."""
        end = self.data.rfind(b"\n") + 1
        if end <= self._start:
            return []
        lines = self.data[self._start : end - 1].split(b"\n")
        self._move(end)
        return [line.removesuffix(b"\r") for line in lines]

    def take_text(self, text: bytes) -> bytes | None:
        """Take these bytes.

        Raises:
            Closed: Not all of them have come, and no more will.
            Differs: Others have come.
        """
        if self.data.startswith(text, self._start):
            self._move(self._start + len(text))
            return text
        came = self.unread()
        if not text.startswith(came):
            raise Differs(came)
        self._wait()
        return None

    def take_match(self, expression: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Take all up to the end of a match.

        Raises:
            Closed: There is none, and no more will come.
            OverflowError: What has come is longer than any line should be.
        """
        if self.data and (match := expression.search(self.unread())) is not None:
            self._move(self._start + match.end())
            return match
        self._wait()
        return None

    def take_bytes(self, most: int) -> bytes:
        """Take at most that many bytes; fewer if no more have come.

        Raises:
            Closed: There are fewer, and no more will come.
        """
        taken = self.data[self._start : self._start + most]
        if len(taken) < most and self.ended:
            self._wait()
        self._move(self._start + len(taken))
        return taken

    def skip_all(self) -> None:
        """Take all."""
        self._move(len(self.data))

    def any_or_end(self) -> bytes | None:
        """Return what has come, line endings included, and do not take it; b"" once the server has closed."""
        return self.data[self._start :] if self.data or self.ended else None

    def _move(self, start: int) -> None:
        self._start = start
        if start == len(self.data):
            self.data, self._start = b"", 0

    def _wait(self) -> None:
        """Raise unless more may come: the server has not closed, and not too much has come already."""
        if self.ended:
            partial = self.unread()
            self.skip_all()
            raise Closed(partial)
        if len(self.data) - self._start > LONGEST_LINE:
            raise OverflowError(f"{LONGEST_LINE} bytes and no line's end")


class Datagrams(Inbox):
    """What has come as datagrams: the end of a datagram ends its line, and adds no byte to it."""

    __slots__ = ("_end",)

    def __init__(self) -> None:
        super().__init__()
        self._end = 0  # of the bytes; after them there may be a line ending that nobody sent

    def add(self, data: bytes) -> None:
        """Append a datagram."""
        super().add(data if data.endswith(b"\n") else data + b"\n")
        self._end = len(self.data) - (not data.endswith(b"\n"))

    def unread(self) -> bytes:
        """Return the bytes that were not taken."""
        return self.data[self._start : self._end]

    def take_text(self, text: bytes) -> bytes | None:
        """Take these bytes of a datagram.

        Raises:
            Differs: It has others, or fewer.
        """
        if self.data and not self.unread().startswith(text):
            raise Differs(self.unread())
        return super().take_text(text)

    def take_bytes(self, most: int) -> bytes:
        """Take at most that many bytes; fewer if no more have come."""
        return super().take_bytes(min(len(self.unread()), most))

    def _move(self, start: int) -> None:
        super()._move(len(self.data) if start >= self._end else start)

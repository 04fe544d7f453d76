"""The log view: one canonical line a connection or datagram, and the few events around them.

structlog's processors make a line in the thread whose event it tells; the writer's thread writes it.
"""

import os
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import orjson
import structlog

from socketscope.addresses import format_peer
from socketscope.excerpt import excerpts
from socketscope.observe.outcomes import EXPECTED_OUTCOMES
from socketscope.views.writer import LineWriter

LEVELS = ("debug", "info", "warning", "error")

MOST_BYTES = 16 * 1024
"""Bytes of a line, its ending included; where there are more, its longest values are cut, and say so."""

DIGEST_INTERVAL = 1.0
"""Seconds between two lines of an event that repeats; `count` says how often it happened meanwhile."""


class Served(Protocol):
    """What a line tells of a connection or datagram."""

    number: int
    peer: Any
    received: int
    sent: int
    exchanges: int
    error: str | None


class Log:
    """Turns records and events into lines on a descriptor.

    Attributes:
        writer: Writes them; has the counts of lines written and dropped.
    """

    def __init__(
        self,
        form: Literal["json", "console"] = "json",
        level: str = "info",
        descriptor: int | None = None,
    ) -> None:
        """Open the log.

        Args:
            form: JSON for machines or coloured text for people.
            level: The least severe level that is written.
            descriptor: Where to; None is standard output.

        Raises:
            ValueError: There is no such form or level.
        """
        if form not in {"json", "console"}:
            raise ValueError(f"log is {form!r}, it must be 'json' or 'console'")
        if level not in LEVELS:
            raise ValueError(f"log_level is {level!r}, it must be one of {', '.join(LEVELS)}")
        descriptor = sys.stdout.fileno() if descriptor is None else descriptor
        self._least = LEVELS.index(level)
        self._tells_normal = self._least <= LEVELS.index("info")
        # Numbers begin anew in each process, replicas and restarts included; this tells them apart.
        self._prefix = secrets.token_hex(4)
        self._repeats: Counter[tuple[str, str, tuple[tuple[str, str], ...]]] = Counter()
        self._repeats_lock = threading.Lock()
        self._next_digest = 0.0
        self._dropped_told = 0
        self._render = _renderer(form, descriptor)
        self.writer = LineWriter(descriptor, self._digest)

    def served(self, event: str, listener: str, record: Served, outcome: str, seconds: float) -> None:
        """Write the line of a closed connection, or of a datagram that was dealt with."""
        expected = outcome in EXPECTED_OUTCOMES
        if self._tells_normal or not expected:
            line = self._line(
                {
                    "timestamp": datetime.now(UTC),
                    "level": "info" if expected else "warning",
                    "event": event,
                    "listener": listener,
                    "peer": format_peer(record.peer),
                    "connection_id": f"{self._prefix}-{record.number}",
                    "outcome": outcome,
                    "received_bytes": record.received,
                    "sent_bytes": record.sent,
                    "exchanges": record.exchanges,
                    "handle_seconds": int(seconds * 1e6) / 1e6,  # round() takes a tenth of all this
                    "error": record.error,
                }
            )
            self.writer.put(line)

    def event(self, event: str, level: str = "info", *, always: bool = False, **fields: Any) -> None:
        """Write an event; `always` has it written whatever the level."""
        if always or LEVELS.index(level) >= self._least:
            self.writer.put(self._line({**_head(event, level), **fields}))

    def repeated(self, event: str, level: str = "warning", **fields: str) -> None:
        """Note an event of which there may be many; a line tells their number, at most one a second."""
        if LEVELS.index(level) >= self._least:
            with self._repeats_lock:
                self._repeats[event, level, tuple(fields.items())] += 1
            self.writer.wake()

    def close(self) -> None:
        """Write what is left, within bounds."""
        self._next_digest = 0.0
        self.writer.close()

    def _digest(self, lost: int) -> list[bytes]:
        """Return a line for each event that repeated."""
        if (now := time.monotonic()) < self._next_digest:
            return []
        with self._repeats_lock:
            repeats, self._repeats = self._repeats, Counter()
        if dropped := lost - self._dropped_told:
            self._dropped_told += dropped
            repeats["log_lines_dropped", "warning", ()] = dropped
        if repeats:
            self._next_digest = now + DIGEST_INTERVAL
        return [
            self._line({**_head(event, level), **dict(fields), "count": count})
            for (event, level, fields), count in repeats.items()
        ]

    def _line(self, fields: dict[str, Any]) -> bytes:
        try:
            line = self._render(fields)
            if len(line) > MOST_BYTES:
                line = self._shortened(fields)
        except Exception as error:  # noqa: BLE001 - what cannot be told must not cost its thread
            line = (
                f'{{"level":"error","event":"unprintable_line","error":"{type(error).__name__}"}}\n'.encode()
            )
        return line

    def _shortened(self, fields: dict[str, Any]) -> bytes:
        most = MOST_BYTES
        while True:
            # A character can take several bytes.
            most //= 2
            line = self._render(excerpts(fields, most))
            if len(line) <= MOST_BYTES or not most:
                return line


def _head(event: str, level: str) -> dict[str, Any]:
    return {"timestamp": datetime.now(UTC), "level": level, "event": event}


def _renderer(form: str, descriptor: int) -> Callable[[dict[str, Any]], bytes]:
    if form == "json":
        json: Any = structlog.processors.JSONRenderer(serializer=orjson.dumps, option=orjson.OPT_UTC_Z)

        def render_json(fields: dict[str, Any]) -> bytes:
            try:
                line: bytes = json(None, "", fields)
            except TypeError:
                # A path, or an error's text, that is no UTF-8; what else JSON cannot hold orjson escapes.
                line = json(None, "", _printable(fields))
            # A copy of its own size: what orjson returns keeps a KiB, and a thousand lines may wait.
            return line + b"\n"

        return render_json
    console: Any = structlog.dev.ConsoleRenderer(colors=os.isatty(descriptor), sort_keys=False)

    def render_text(fields: dict[str, Any]) -> bytes:
        moment = fields["timestamp"].isoformat(timespec="milliseconds")
        return str(console(None, "", {**_printable(fields), "timestamp": moment})).encode() + b"\n"

    return render_text


def _printable(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with what is not printable escaped, so that no terminal obeys it."""
    return {
        key: "".join(map(_escaped, value)) if isinstance(value, str) else value
        for key, value in fields.items()
    }


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")

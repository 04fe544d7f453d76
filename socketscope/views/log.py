"""The log view: one canonical line per connection or datagram, and the few events around them.

structlog's processors make a line in the thread of its event, and the writer's thread writes it. If the
program has configured structlog by itself, its processors make these lines, too.
"""

import threading
import time
from contextlib import ExitStack
from contextvars import Context, copy_context
from datetime import UTC, datetime
from typing import Any

import structlog

from socketscope.observe.outcomes import EXPECTED_OUTCOMES
from socketscope.observe.served import Served, get_current
from socketscope.views.context import nothing_else_bound
from socketscope.views.lines import encoding, loggers
from socketscope.views.lines.chain import LineLogger, Processors, Steps
from socketscope.views.lines.printed import output_descriptor
from socketscope.views.lines.rendering import MOST_BYTES, Form, ended, renderer, unprintable
from socketscope.views.lines.writer import LineWriter

LEVELS = ("debug", "info", "warning", "error")

DIGEST_INTERVAL = 1.0
"""Seconds between two lines of an event that repeats; `count` says how often it happened meanwhile."""

_Repeated = tuple[str, tuple[tuple[str, str], ...]]


class Log:
    """Turns records and events into lines on a descriptor.

    Attributes:
        writer: Writes them; has the counts of lines written and dropped.
    """

    def __init__(
        self,
        form: Form = "json",
        level: str = "info",
        descriptor: int | None = None,
        processors: Processors = (),
    ) -> None:
        """Open the log.

        Args:
            form: JSON for machines or coloured text for people.
            level: The least severe level that is written.
            descriptor: Where to write; None is standard output, which is then the log's alone.
            processors: structlog's; each line passes them in this order before it is rendered.

        Raises:
            ValueError: There is no such form or level, or standard output is closed.
        """
        if form not in {"json", "console"}:
            raise ValueError(f"log is {form!r}: it must be 'json' or 'console'")
        if level not in LEVELS:
            raise ValueError(f"log_level is {level!r}: it must be one of {', '.join(LEVELS)}")
        is_output = descriptor is None
        descriptor = output_descriptor() if descriptor is None else descriptor
        self._level = level
        self._told = frozenset(LEVELS[LEVELS.index(level) :])
        self._tracebacks = level == "debug"
        self._processors = tuple(processors)
        self._is_json = form == "json"
        self._repeats: dict[_Repeated, tuple[int, Processors]] = {}
        self._repeats_lock = threading.Lock()
        self._next_digest = 0.0
        self._leading: list[bytes] = []
        self._dropped_told = self._dropped_telling = 0
        self._render = renderer(form, descriptor)
        self._steps = Steps(form, self._render, self._processors, tracebacks=self._tracebacks)
        self._loggers = ExitStack()
        self.writer = LineWriter(descriptor, self._digest)
        self._logger = LineLogger(self.writer.put, loggers.NAME)
        # In a launched program, standard output is the program's own.
        self._own = None if is_output else self._logger

    def lead_loggers(self, *, threads: bool) -> None:
        """Make lines of what handlers and libraries log, until `close`, except for loggers that are set up.

        Args:
            threads: Whether exceptions that end threads become lines as well.
        """
        put = self.writer.put
        self._loggers = loggers.lead(self._steps, put, self._level, self._own, threads=threads)

    def served(self, event: str, record: Served, outcome: str, seconds: float) -> None:
        """Write the line of a closed connection, or of a datagram that was dealt with."""
        level = "info" if outcome in EXPECTED_OUTCOMES else "warning"
        if level not in self._told:
            return
        fields = {
            "timestamp": datetime.now(UTC),
            "level": level,
            "event": event,
            "listener": record.listener.name,
            "peer": record.peer,
            "connection_id": record.connection_id,
            "outcome": outcome,
            "received_bytes": record.received,
            "sent_bytes": record.sent,
            "exchanges": record.exchanges,
            "handle_seconds": int(seconds * 1e6) / 1e6,  # round() takes a tenth of all this
            "error": record.error,
        }
        processors = record.listener.processors
        if (
            self._is_json
            and not (processors or self._processors or (self._tracebacks and record.raised))
            and nothing_else_bound(record)
            and not loggers.is_the_programs()
        ):
            self.writer.put(self._render(fields))  # structlog's chain would add nothing
        else:
            for name in ("timestamp", "level", "event"):  # the chain's
                del fields[name]
            if self._tracebacks and record.raised is not None:
                fields["exc_info"] = record.raised
            # What the handler of another has bound does not belong into this line.
            context = copy_context() if get_current() is record else Context()
            context.run(self._put, level, event, processors, fields)

    def started(self, **fields: Any) -> None:
        """Write that the server accepts clients, whatever the level, before any line about them."""
        if (line := self._line("info", "server_started", (), fields)) is not None:
            self._leading.append(line)
        self.writer.release()

    def event(self, event: str, level: str = "info", **fields: Any) -> None:
        """Write an event."""
        if level in self._told:
            self._put(level, event, (), fields)

    def repeated(self, event: str, *, processors: Processors = (), **fields: str) -> None:
        """Note a warning that may come often; a line has their number, at most one a second."""
        if "warning" in self._told:
            with self._repeats_lock:
                key = event, tuple(fields.items())
                self._repeats[key] = self._repeats.get(key, (0, ()))[0] + 1, processors
            self.writer.wake()

    def printed(self, line: bytes) -> None:
        """Write what others wrote to standard output; a line of the log's own form stays as it is."""
        if self._is_json and (fields := _object(line)) is not None:
            self.writer.put(line if len(line) <= MOST_BYTES else self._render(fields))
        elif not self._is_json or loggers.is_the_programs():
            self.writer.put(ended(line.removesuffix(b"\n")))
        else:
            text = line.decode("utf-8", "backslashreplace").removesuffix("\n")
            self._put("info", "printed", (), {"text": text})  # whatever the level

    def close(self) -> None:
        """Write what is left, within bounds."""
        self._loggers.close()
        self._next_digest = 0.0
        self.writer.close()

    def _digest(self, lost: int) -> list[bytes]:
        """Return what goes before all that waits: the start, and a line for each repeated event."""
        leading, self._leading = self._leading, []
        if not (lost and self.writer.failed):  # or the line that told of them may itself be lost
            self._dropped_told = self._dropped_telling
        if (now := time.monotonic()) < self._next_digest:
            return leading
        with self._repeats_lock:
            repeats, self._repeats = self._repeats, {}
        if (dropped := lost - self._dropped_told) and "warning" in self._told:
            self._dropped_telling = lost
            repeats["log_lines_dropped", ()] = dropped, ()
        if repeats:
            self._next_digest = now + DIGEST_INTERVAL
        lines = (
            self._line("warning", event, processors, {**dict(fields), "count": count})
            for (event, fields), (count, processors) in repeats.items()
        )
        return leading + [line for line in lines if line is not None]

    def _put(self, level: str, event: str, processors: Processors, fields: dict[str, Any]) -> None:
        if (line := self._line(level, event, processors, fields)) is not None:
            self.writer.put(line)

    def _line(self, level: str, event: str, processors: Processors, fields: dict[str, Any]) -> bytes | None:
        """Return a line, or None if the program's own loggers write it, or a processor has dropped it."""
        try:
            if loggers.is_the_programs():
                both = (*processors, *self._processors)
                loggers.tell_by_the_programs(self._own, loggers.NAME, level, event, fields, both)
                return None
            line: Any = {"event": event, **fields}
            for processor in self._steps.chain_for(processors):
                line = processor(self._logger, level, line)
        except structlog.DropEvent:
            return None
        except Exception as error:  # noqa: BLE001 - a line that cannot be made must not end its thread
            return unprintable(error)
        return line  # type: ignore[no-any-return]  # the last processor has made it


def _object(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a line is, or None if it is none."""
    try:
        return encoding.loads(line) if line.startswith(b"{") else None
    except ValueError:
        return None

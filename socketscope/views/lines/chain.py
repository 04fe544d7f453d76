"""The chain of structlog's processors that makes each line: the library's, a handler's, or `logging`'s."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from socketscope.observe.outcomes import describe
from socketscope.observe.served import get_current
from socketscope.views.lines.rendering import Form, Render, ended, unprintable

Processors = Sequence[Callable[..., Any]]

_FIRST = ("timestamp", "level", "event", "logger", "listener", "peer", "connection_id")
"""The order of common fields; those of an error come last."""


class Chain(list[Processor]):
    """structlog's processors as the library sets them up; they are recognized by this class.

    Attributes:
        size: How many there were at first; `structlog.testing.capture_logs`, for example, replaces them.
    """

    def __init__(self, processors: Processors) -> None:
        super().__init__(processors)
        self.size = len(processors)


class LineLogger:
    """What structlog's loggers hand a line to.

    Attributes:
        name: The name that the logger was asked for with, if any.
    """

    def __init__(self, put: Callable[[bytes], None], name: str | None = None) -> None:
        self._put = put
        self.name = name

    def msg(self, line: str | bytes) -> None:
        """Write a line, ours or one that a renderer of the program's has made."""
        self._put(line if isinstance(line, bytes) and line.endswith(b"\n") else ended(line))

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


class Steps:
    """How lines of one form are made, the server's and any logger's.

    Args:
        form: JSON, or text for people.
        render: Makes the line.
        tracebacks: Whether lines of an exception have the whole traceback.
        processors: The program's, for all lines.
    """

    def __init__(self, form: Form, render: Render, processors: Processors, *, tracebacks: bool) -> None:
        self._render = render
        self._processors = tuple(processors)
        plain = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # they are the clients' data
        text = structlog.processors.format_exc_info.format_exception
        self._traceback: Callable[..., Any] | None = None
        if tracebacks:
            self._traceback = plain if form == "json" else text
        self._stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)

    def structlog_chain(self) -> Chain:
        """Return the chain for loggers of structlog's."""
        return Chain([*_HEAD, _named, *self._body(), self._last])

    def chain_for(self, processors: Processors) -> list[Processor]:
        """Return the chain of a line of the library's, with the processors of the server that it is of."""

        def last(logger: Any, name: str, fields: EventDict) -> bytes:
            return self._finish(logger, name, fields, (*processors, *self._processors))

        return [*_HEAD, *self._body(), last]

    def formatter(self, put: Callable[[bytes], None]) -> structlog.stdlib.ProcessorFormatter:
        """Return a formatter for records of `logging` that writes the line of each."""

        def last(logger: Any, name: str, fields: EventDict) -> str:
            put(self._last(logger, name, fields))
            return ""  # of which the record makes its text once more, in its own style

        return structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[add_extra, *_HEAD, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *self._body(), last],
        )

    def _body(self) -> list[Processor]:
        return [structlog.processors.StackInfoRenderer(), self._stamp, _identified, self._error, _ordered]

    def _error(self, _: Any, __: str, fields: EventDict) -> EventDict:
        if given := fields.pop("exc_info", None):
            error = given[1] if isinstance(given, tuple) else given
            if not isinstance(error, BaseException):
                error = sys.exc_info()[1]
            if error is not None:
                fields.setdefault("error", describe(error))
                if self._traceback is not None:
                    fields["exception"] = self._traceback((type(error), error, error.__traceback__))
        return fields

    def _last(self, logger: Any, name: str, fields: EventDict) -> bytes:
        served = get_current()
        processors = () if served is None else served.listener.processors
        return self._finish(logger, name, fields, (*processors, *self._processors))

    def _finish(self, logger: Any, name: str, fields: Any, processors: Processors) -> bytes:
        try:
            for processor in processors:
                fields = processor(logger, name, fields)
        except structlog.DropEvent:
            raise
        except Exception as error:  # noqa: BLE001 - it must not end whoever logs
            return unprintable(error)
        return self._render(fields)


_HEAD: tuple[Processor, ...] = (structlog.contextvars.merge_contextvars, structlog.processors.add_log_level)

_extra_adder = structlog.stdlib.ExtraAdder()


def add_extra(logger: Any, name: str, fields: EventDict) -> dict[str, Any]:
    """Add what a record of `logging` has beside its text; anything named `event` there is not that text."""
    text = fields["event"]
    return {**_extra_adder(logger, name, fields), "event": text}


def _named(logger: Any, _: str, fields: EventDict) -> EventDict:
    if (own := getattr(logger, "name", None)) is not None:
        fields["logger"] = own
    return fields


def _identified(_: Any, __: str, fields: EventDict) -> EventDict:
    """Add the client of a line, even if its handler begins with `clear_contextvars`, as many do."""
    served = get_current()
    if served is not None and "connection_id" not in fields:
        fields["connection_id"] = served.connection_id
        fields.setdefault("listener", served.listener.name)
        fields.setdefault("peer", served.peer)
    return fields


def _ordered(_: Any, __: str, fields: EventDict) -> EventDict:
    first = {key: fields.pop(key) for key in _FIRST if key in fields}
    return {**first, **fields}

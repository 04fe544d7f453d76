"""Where loggers lead to: structlog's, `logging`'s, warnings, and threads that have failed.

Whatever the program has set up by itself stays as it is.
"""

import logging
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import structlog
from structlog import get_config, is_configured
from structlog.typing import Processor

from socketscope.views.lines.chain import Chain, LineLogger, Steps, add_extra
from socketscope.views.lines.rendering import unprintable

NAME = "socketscope"
"""Of the logger that has the library's events, where the program has configured structlog."""

Put = Callable[[bytes], None]
Processors = Sequence[Processor]

_LEVELS = ("debug", "info", "warning", "error", "critical")


def is_the_programs() -> bool:
    """Return whether the program has configured structlog by itself."""
    processors = get_config()["processors"]
    if isinstance(processors, Chain):
        return len(processors) != processors.size
    return is_configured()


def tell_by_the_programs(
    own: LineLogger | None, name: str, level: str, event: str, fields: dict[str, Any], processors: Processors
) -> None:
    """Have the program's own configuration of structlog, as it is at the moment, tell of an event.

    Args:
        own: Where its lines go that are not for `logging`; None is where its logger factory leads.
        name: Of the logger.
        level: Of the event.
        event: The event.
        fields: What is told of it.
        processors: What has them before the program's.
    """
    logger = _program_logger(name)
    if own is not None and not isinstance(logger, logging.Logger):
        logger = own
    chain = [*processors, *get_config()["processors"]]
    getattr(structlog.wrap_logger(logger, chain), level)(event, **fields)


def lead(steps: Steps, put: Put, level: str, own: LineLogger | None, *, threads: bool) -> ExitStack:
    """Have all loggers lead here, except for those that are set up.

    Args:
        steps: How a line is made.
        put: Where it goes.
        level: The least severe level that is written.
        own: Where lines of `logging` go while structlog is the program's, as in `tell_by_the_programs`.
        threads: Whether a thread that ends by an exception is told of as well.

    Returns:
        What gives everything back at its end.
    """
    undo = ExitStack()
    if not is_the_programs():
        _lead_structlog(undo, steps, put, level)
    elif isinstance(_program_logger(NAME), logging.Logger):
        return undo  # what `logging` does is the program's as well
    _lead_logging(undo, RecordHandler(steps, put, own), level)
    if threads and threading.excepthook is threading.__excepthook__:
        _tell_of_threads(undo)
    return undo


class RecordHandler(logging.Handler):
    """Makes lines of records of `logging`."""

    def __init__(self, steps: Steps, put: Put, own: LineLogger | None) -> None:
        super().__init__()
        self.setFormatter(steps.formatter(put))
        self._put = put
        self._own = own

    def handle(self, record: logging.LogRecord) -> Any:
        """Have a record's line written unless a filter drops it, without the base class's lock.

        Several threads may make lines at once; under a lock, one whose processor waits would have all wait
        that log.
        """
        if kept := self.filter(record):
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return kept

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's line."""
        try:
            if not is_the_programs():
                self.format(_readable(record))
            elif not isinstance(_program_logger(record.name), logging.Logger):
                self._tell_program(_readable(record))
            elif logging.lastResort is not None and record.levelno >= logging.lastResort.level:
                # The program's loggers lead to `logging`, where nothing else handles the record.
                logging.lastResort.handle(record)
        except structlog.DropEvent:
            pass
        except Exception as error:  # noqa: BLE001 - what a record holds may be whatever fails to be shown
            self._put(unprintable(error))

    def _tell_program(self, record: logging.LogRecord) -> None:
        fields = add_extra(None, "", {"_record": record, "logger": record.name, "event": ""})
        del fields["_record"], fields["event"]
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        level = _LEVELS[min(max(record.levelno // 10 - 1, 0), len(_LEVELS) - 1)]
        tell_by_the_programs(self._own, record.name, level, record.getMessage(), fields, ())


def _readable(record: logging.LogRecord) -> logging.LogRecord:
    """Return a record whose text can be made; if its arguments do not fit its format, both are the text."""
    try:
        record.getMessage()
    except Exception as error:  # noqa: BLE001 - whatever an argument raises
        record = logging.makeLogRecord(vars(record))
        record.msg, record.args = f"{record.msg!r} % {record.args!r}", None
        record.exc_info = record.exc_info or (type(error), error, error.__traceback__)
    return record


def _program_logger(name: str) -> Any:
    return get_config()["logger_factory"](name)


def _lead_structlog(undo: ExitStack, steps: Steps, put: Put, level: str) -> None:
    unnamed, chain = LineLogger(put), steps.structlog_chain()

    def make(name: str | None = None, *_: Any) -> LineLogger:
        return unnamed if name is None else LineLogger(put, name)

    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
        logger_factory=make,
        # A cached logger would outlive this configuration.
        cache_logger_on_first_use=False,
    )

    def give_back() -> None:
        if get_config()["processors"] is chain:
            structlog.reset_defaults()
        elif get_config()["logger_factory"] is make:  # the program has configured the rest
            structlog.configure(logger_factory=structlog.PrintLoggerFactory())

    undo.callback(give_back)


def _lead_logging(undo: ExitStack, handler: RecordHandler, level: str) -> None:
    root = logging.getLogger()
    for earlier in root.handlers[:]:
        if isinstance(earlier, RecordHandler):  # it came along into a forked process
            root.removeHandler(earlier)
    if root.handlers:
        return
    root.addHandler(handler)
    undo.callback(root.removeHandler, handler)
    before, own = root.level, logging.getLevelNamesMapping()[level.upper()]
    if before == logging.WARNING:  # as it is unless somebody sets it
        root.setLevel(own)
        undo.callback(lambda: root.setLevel(before) if root.level == own else None)
    show = warnings.showwarning
    logging.captureWarnings(capture=True)
    if warnings.showwarning is not show:
        undo.callback(logging.captureWarnings, capture=False)


def _tell_of_threads(undo: ExitStack) -> None:
    logger = structlog.get_logger()

    def tell(ended: Any) -> None:
        if ended.exc_type is not SystemExit:
            name = None if ended.thread is None else ended.thread.name
            logger.error("uncaught_exception", thread=name, exc_info=ended.exc_value)

    threading.excepthook = tell

    def give_back() -> None:
        if threading.excepthook is tell:
            threading.excepthook = threading.__excepthook__

    undo.callback(give_back)

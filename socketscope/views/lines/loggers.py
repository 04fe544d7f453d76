"""Leading loggers to the log: structlog's, `logging`'s, warnings, and threads that fail.

Whatever the program has set up by itself stays as it is.
"""

import logging
import threading
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import structlog
from structlog import get_config, is_configured

from socketscope.views.lines.chain import Chain, LineLogger, Processors, Steps, add_extra
from socketscope.views.lines.rendering import unprintable

NAME = "socketscope"
"""Name of the logger for the library's events, if the program has configured structlog."""

Put = Callable[[bytes], None]

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
    """Log an event by the program's own configuration of structlog, as it is at the moment.

    Lines that do not go to `logging` go to `own`, or, if that is None, where the program's logger factory
    leads. The fields pass `processors` before the program's own.
    """
    logger = _program_logger(name)
    if own is not None and not isinstance(logger, logging.Logger):
        logger = own
    chain = [*processors, *get_config()["processors"]]
    getattr(structlog.wrap_logger(logger, chain), level)(event, **fields)


def lead(steps: Steps, put: Put, level: str, own: LineLogger | None, *, threads: bool) -> ExitStack:
    """Lead all loggers here, except for those that are set up.

    Args:
        steps: How a line is made.
        put: Where it goes.
        level: The least severe level that is written.
        own: As in `tell_by_the_programs`.
        threads: Whether exceptions that end threads are logged as well.

    Returns:
        A stack that undoes everything.
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
    """Makes lines from records of `logging`."""

    def __init__(self, steps: Steps, put: Put, own: LineLogger | None) -> None:
        super().__init__()
        self.setFormatter(steps.formatter(put))
        self._put = put
        self._own = own

    def handle(self, record: logging.LogRecord) -> Any:
        """Write a record's line unless a filter drops it, without the base class's lock.

        Several threads may make lines at once; with a lock, one whose processor waits would block all.
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
                # The program's loggers lead to `logging`, and nothing else handles the record there.
                logging.lastResort.handle(record)
        except structlog.DropEvent:
            pass
        except Exception as error:  # noqa: BLE001 - a record may have anything, even what cannot be shown
            self._put(unprintable(error))

    def _tell_program(self, record: logging.LogRecord) -> None:
        fields = add_extra(None, "", {"_record": record, "logger": record.name, "event": ""})
        del fields["_record"], fields["event"]
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        level = _LEVELS[min(max(record.levelno // 10 - 1, 0), len(_LEVELS) - 1)]
        tell_by_the_programs(self._own, record.name, level, record.getMessage(), fields, ())


def _readable(record: logging.LogRecord) -> logging.LogRecord:
    """Return a record with a text; if its arguments do not fit its format, both become the text."""
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

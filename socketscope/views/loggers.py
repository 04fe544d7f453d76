"""What loggers of the process lead to: structlog's, `logging`'s, warnings, and threads that have failed.

Whatever the program has set up by itself stays as it is.
"""

import logging
import threading
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import structlog

from socketscope.views.chain import Chain, LineLogger, RecordHandler, Steps

Put = Callable[[bytes], None]


def is_the_programs() -> bool:
    """Return whether the program has configured structlog by itself."""
    return structlog.is_configured() and not isinstance(structlog.get_config()["processors"], Chain)


def lead(steps: Steps, put: Put, level: str, *, threads: bool) -> ExitStack:
    """Have all loggers lead here that nobody has set up.

    Args:
        steps: How a line is made.
        put: Where it goes.
        level: The least severe level that is written.
        threads: Whether a thread that ends by an exception is told of as well.

    Returns:
        What gives everything back at its end.
    """
    undo = ExitStack()
    # Who configures the one sees to the other.
    if not is_the_programs():
        _lead_structlog(undo, steps, put, level)
        _lead_logging(undo, steps, put, level)
        if threads and threading.excepthook is threading.__excepthook__:
            _tell_of_threads(undo)
    return undo


def _lead_structlog(undo: ExitStack, steps: Steps, put: Put, level: str) -> None:
    unnamed, chain = LineLogger(put), steps.structlog_chain()

    def make(name: str | None = None, *_: Any) -> LineLogger:
        return unnamed if name is None else LineLogger(put, name)

    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
        logger_factory=make,
        # One that is cached would outlive this.
        cache_logger_on_first_use=False,
    )

    def give_back() -> None:
        if structlog.get_config()["processors"] is chain:
            structlog.reset_defaults()
        elif structlog.get_config()["logger_factory"] is make:  # the program has configured what is before it
            structlog.configure(logger_factory=structlog.PrintLoggerFactory())

    undo.callback(give_back)


def _lead_logging(undo: ExitStack, steps: Steps, put: Put, level: str) -> None:
    root = logging.getLogger()
    for earlier in root.handlers[:]:
        if isinstance(earlier, RecordHandler):  # it came along into a forked process
            root.removeHandler(earlier)
    if root.handlers:
        return
    handler = RecordHandler(steps, put)
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

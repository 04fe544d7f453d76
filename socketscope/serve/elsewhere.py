"""Connections that a hook has handed on, whoever serves and closes them.

A user's `process_request` may give its request to a thread, a pool or a process of its own, and return. If
that runs the handler in its own way, nothing here sees it leave: such a connection ends when its socket is
closed, or when nothing refers to it any more.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from socketscope.observe.adoption import watch_end
from socketscope.observe.record import Record


class Elsewhere:
    """Which record belongs to which request, and when it ends.

    Attributes:
        records: By `id`, those of requests that are not observed sockets, and so do not tell of their end.
    """

    def __init__(self) -> None:
        self.records: dict[int, Record] = {}
        self._turn = threading.Lock()  # of letting go, and of running the handler after all

    def let_go(
        self,
        record: Record,
        request: Any,
        end: Callable[[Record], None],
        note_dropped: Callable[[Record], None],
    ) -> None:
        """Let a record end with its request.

        Args:
            record: What is counted.
            request: Whoever has it may close it, or drop it.
            end: Called once it is closed.
            note_dropped: Called once nothing refers to it, in any thread and in the middle of anything.
        """
        key = id(request)

        def leave() -> None:
            self.records.pop(key, None)
            end(record)

        def drop(_: Any) -> None:
            self.records.pop(key, None)  # before another request can have this `id`
            note_dropped(record)

        with self._turn:
            if record.entered_at is not None:
                return  # another thread runs its handler by now, and will end it
            record.left = leave
            record.raised = None  # its traceback refers to the request, whose last owner ends the connection
            request = record.request  # or what wraps it now; referred to until it has been asked below
            if not watch_end(record, drop):
                self.records[key] = record
        with suppress(Exception):  # if it is none of the standard library's, it may raise anything
            endless = record.socket is request and not hasattr(request, "close")  # its end cannot be noticed
            # A closed socket without the record was wrapped for TLS, where the connection goes on.
            if endless or (request.fileno() < 0 and self.find(request) is record):
                leave()

    def come_back(self, record: Record, request: Any) -> None:
        """Let a record whose handler was entered end with the handler, and no longer with its request."""
        with self._turn:
            record.left = None
            self.records.pop(id(request), None)

    def find(self, request: Any) -> Record | None:
        """Return the record of a request, if that was let go here or has it."""
        # First by identity: an object of the user's own class may have every attribute, or raise anything.
        try:
            record = self.records.get(id(request)) or getattr(request, "_socketscope", None)
        except Exception:  # noqa: BLE001 - the same
            return None
        return record if isinstance(record, Record) else None

    def note_end(self, request: Any) -> None:
        """Note that a request was closed, or lingers until it is."""
        # `left` is read once: another thread may end the record meanwhile.
        if (record := self.find(request)) is not None and (left := record.left):
            left()

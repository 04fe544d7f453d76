"""Every event of the log, with its fields: what `docs/log.md` and the order in a line are made from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        name: As it is in a line; a unit stands in it.
        form: What JSON has.
        help: What it says, one sentence.
        of: The lines that have it, where it is none of one event's alone.
    """

    name: str
    form: str
    help: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the library's.

    Attributes:
        name: The line's `event`.
        level: Its `level`.
        help: When there is one.
        fields: Beside those that lines have in common, in their order.
    """

    name: str
    level: str
    help: str
    fields: tuple[Field, ...]


_ALL, _CLIENTS = "all lines", "lines of a client"

TIMESTAMP = Field("timestamp", "string", "When, RFC 3339 in UTC.", _ALL)
LEVEL = Field(
    "level",
    "string",
    "`debug`, `info`, `warning`, `error` or `critical`; of `logging` also a program's own levels.",
    _ALL,
)
EVENT = Field("event", "string", "What happened: an event above, or what a handler logs.", _ALL)
LOGGER = Field("logger", "string", "Its name.", "lines of `logging`, and of loggers with a name")
LISTENER = Field("listener", "string", "The listener's name, as in the metrics' label.", _CLIENTS)
PEER = Field(
    "peer", "string", "`host:port`, `[v6]:port`, a Unix path, or empty where the client has none.", _CLIENTS
)
CONNECTION_ID = Field(
    "connection_id", "string", "One connection or datagram in all of the service's processes.", _CLIENTS
)
ERROR = Field("error", "string", "Its type, text, file and line.", "lines of an exception")
EXCEPTION = Field(
    "exception",
    "array",
    "Its whole traceback, as structlog's `dict_tracebacks` without locals.",
    "the same, at level `debug`; none where a handler has caught what its socket raised",
)
COUNT = Field("count", "number", "How often since the previous such line; there is at most one a second.")

COMMON = (TIMESTAMP, LEVEL, EVENT, LOGGER, LISTENER, PEER, CONNECTION_ID, ERROR, EXCEPTION)
"""Fields that any line may have, in their order; the client's are there while its handler or a hook runs."""

_SERVED = (
    LISTENER,
    PEER,
    CONNECTION_ID,
    Field("outcome", "string", "How it ended, as in the metrics' label."),
    Field("received_bytes", "number", "Bytes that the handler received; under TLS the plain ones."),
    Field("sent_bytes", "number", "Bytes that it sent."),
    Field("exchanges", "number", "Turns from receiving to sending."),
    Field("handle_seconds", "number", "From the handler's beginning to its end."),
    Field("error", "string or null", "What went wrong: an exception's type, text, file and line."),
)

EVENTS = (
    Event(
        "connection",
        "info; warning unless the outcome is `ok`, `empty` or `idle_timeout`",
        "The canonical line, one per connection, at its end.",
        _SERVED,
    ),
    Event(
        "datagram",
        "info; warning unless the outcome is `ok` or `no_reply`",
        "The same for a datagram.",
        _SERVED,
    ),
    Event(
        "server_started",
        "info, written whatever the level",
        "The server accepts clients.",
        (
            Field("listeners", "object", "From each listener's name to the URL that it is bound to."),
            Field("metrics", "string or null", "The URL of the endpoint."),
        ),
    ),
    Event("drain_started", "info", "A stop was asked for.", ()),
    Event(
        "drain_finished",
        "info",
        "All that was served has ended.",
        (
            Field("forced", "number", "How many connections and datagrams did not end by themselves."),
            Field("seconds", "number", "How long that took."),
        ),
    ),
    Event(
        "certificate_read",
        "info",
        "The files of a TLS listener were read again, as SIGHUP asks for.",
        (LISTENER, Field("expiry", "string", "When the certificate ends, RFC 3339 in UTC.")),
    ),
    Event(
        "certificate_kept",
        "warning",
        "One of them cannot be used; what was read before still is.",
        (LISTENER, Field("error", "string", "Which, and why.")),
    ),
    Event(
        "connection_rejected",
        "warning",
        "Connections were refused.",
        (LISTENER, Field("reason", "string", "Why, as in the metrics' label."), COUNT),
    ),
    Event(
        "accept_error",
        "warning",
        "Connections could not be taken from the kernel.",
        (LISTENER, Field("error", "string", "Why, as in the metrics' label."), COUNT),
    ),
    Event(
        "log_lines_dropped",
        "warning",
        "Lines were lost: their reader was too slow, or the disk full.",
        (COUNT,),
    ),
    Event(
        "printed",
        "info, written whatever the level",
        "Something other than a JSON object was written to standard output.",
        (Field("text", "string", "The line."),),
    ),
    Event(
        "uncaught_exception",
        "error",
        "An exception has ended a thread.",
        (Field("thread", "string or null", "The thread's name."), ERROR),
    ),
    Event(
        "unprintable_line",
        "error",
        "A line could not be made, or a processor failed; its content is lost.",
        (Field("error", "string", "The type of what was raised."),),
    ),
)

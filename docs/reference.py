"""The reference of metrics and limits, from the code that declares them."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from click import Option

from docs.drills import render_drills
from docs.pages import RUNBOOK, render_runbook
from server.cli import command
from server.listeners import LARGEST_DATAGRAM
from socketscope import Limits, ThreadingTCPServer, ThreadingUDPServer
from socketscope.observe.distribution import BUCKETS
from socketscope.observe.outcomes import ACCEPT_ERRORS, DATAGRAM_OUTCOMES, OUTCOMES, REJECT_REASONS
from socketscope.replay.measure.instruments import CONNECTION_OUTCOMES
from socketscope.replay.measure.instruments import INSTRUMENTS as CLIENT
from socketscope.replay.measure.instruments import OUTCOMES as EXCHANGE_OUTCOMES
from socketscope.serve import endings, serving
from socketscope.serve.threads import linger
from socketscope.settings import limit_settings
from socketscope.views import endpoint, log
from socketscope.views.instruments import INSTRUMENTS as SERVER
from socketscope.views.instruments import Instrument
from socketscope.views.lines import printed, rendering, writer

FOLDER = Path(__file__).parent

_SCOPES = {
    "stream": "each stream listener",
    "datagram": "each datagram listener",
    "tcp": "each TCP listener",
    "tls": "each listener with `TLS`",
    "udp": "each UDP listener",
    "all": "each listener",
    "process": "once a process",
}


def render_metrics() -> str:
    """Return the page of all metrics."""
    return f"""\
# Metrics

Units are in the names. Server and client also have prometheus-client's `process_...` metrics, such as `process_cpu_seconds_total`, and the server its `python_...`. `python -m docs` generates this page from the instruments.

## Server

{_instruments(SERVER)}

- `outcome` of a connection, the first that applies: {_list(OUTCOMES)}.
- `empty`: nothing was received, and nothing but a refusal sent, whoever ended it: a health check that resets, or a client that is silent until the deadline. If the handler raises, it is `handler_error` even then.
- `read_timeout` and `reset` need bytes received, `idle_timeout` an exchange.
- `tls_error`: a handshake began and failed, also by a deadline or because the client left, or the bytes after it were no TLS. The log's `error` has the reason.
- `outcome` of a datagram: {_list(DATAGRAM_OUTCOMES)}.
- `reason` of a rejection: {_list(REJECT_REASONS)}.
- `error` of an accept: {_list(ACCEPT_ERRORS)}.
- Upper edges of the buckets, in seconds: {", ".join(f"{edge:g}" for edge in BUCKETS)}.

## Client

{_instruments(CLIENT)}

- `outcome` of an exchange, the first that applies: {_list(EXCHANGE_OUTCOMES)}.
- `outcome` of an attempt to connect: {_list(CONNECTION_OUTCOMES)}.
- [The runbook](runbook.md#clientsfail) explains them. The buckets are the server's: a step has {len(EXCHANGE_OUTCOMES) + 2 * (len(BUCKETS) + 3)} series.
"""


def render_limits() -> str:
    """Return the page of all limits."""
    fields = dataclasses.fields(Limits)
    settings = zip(fields, limit_settings(program=False), limit_settings(program=True), strict=True)
    options = {option.name: option for option in command.params if isinstance(option, Option)}
    backlog, max_line = options["backlog"], options["max_line"]
    queue = f"`request_queue_size`, {ThreadingTCPServer.request_queue_size}"
    packet = f"`max_packet_size`, {ThreadingUDPServer.max_packet_size}"
    table = _table(
        "| Limit | Unit | In the library | In the server | |",
        *(
            (f"`{field.name}`", field.metadata["unit"], library.default, server.default, library.help)
            for field, library, server in settings
        ),
        ("`backlog`", "connections", queue, backlog.default, backlog.help),
        ("`max_line`", "bytes", "-", max_line.default, max_line.help),
        ("datagram", "bytes", packet, LARGEST_DATAGRAM, "A longer one is dropped and counted."),
        *((name, unit, value, value, meaning) for name, unit, value, meaning in _FIXED),
    )
    return f"""\
# Limits

Limits with a `name` can be set, the others are fixed. In the library, the name is an argument of `Limits` (not `backlog` and `max_line`); in the server, an option (`--read-timeout`) or environment variable (`SERVER_READ_TIMEOUT`). `socketscope run` has the library's defaults, and options and variables (`SOCKETSCOPE_READ_TIMEOUT`) for the arguments of `Limits` except `drain_delay`. `python -m docs` generates this page from the code.

Limits of connections are enforced at the socket, so handlers need not know them. A missed deadline raises `TimeoutError` in the handler, up to a tenth of a second late. A handler that waits in `select`, `selectors` or asyncio [needs its own timeout](socketserver.md#what-is-seen-and-what-is-not). For datagrams only `max_connections`, `drain_delay`, `drain_timeout` and, for the reply to a Unix peer, `write_timeout` apply.

{table}
"""


_FIXED: tuple[tuple[str, str, float, str], ...] = (
    (
        "closing",
        "seconds",
        linger.SECONDS,
        "Longest wait for a client that still sends after its reply, or was refused, to close.",
    ),
    ("closing", "bytes", linger.BYTES, "Most that is read from it meanwhile."),
    ("closing", "connections", linger.MOST, "Most that are waited for at once; one more is closed directly."),
    (
        "accepting",
        "seconds",
        serving.ACCEPT_PAUSE,
        "Pause after the kernel had no descriptor, memory or thread for a connection.",
    ),
    ("forcing", "seconds", endings.FORCE_GRACE, "Time for a handler to leave once its socket was shut down."),
    ("log", "bytes", rendering.MOST_BYTES, "Longest line; longer values are cut and say so."),
    ("log", "lines", writer.ROOM, "Most that wait for the log's reader; more are dropped and counted."),
    (
        "log",
        "bytes",
        writer.ROOM_OF_LONG,
        f"Most that waiting lines of more than {writer.SHORT} bytes take; more are dropped and counted.",
    ),
    ("log", "bytes", printed.LONGEST, "Longest line that a handler prints; a longer one is split."),
    ("log", "seconds", writer.FLUSH, "Longest wait at the end for the lines that are left."),
    ("log", "seconds", log.DIGEST_INTERVAL, "Least time between two lines of an event that repeats."),
    (
        "endpoint",
        "connections",
        endpoint.LIMITS["connection_limit"],
        "Most clients of `/metrics` and its like at once; the one longest without a request makes room.",
    ),
    (
        "endpoint",
        "scrapes",
        endpoint.SCRAPES,
        f"Most under way, {endpoint.TURNS} at a time while the rest waits; one more is answered 503.",
    ),
    ("endpoint", "seconds", endpoint.LIMITS["channel_timeout"], "Longest silence of such a client."),
    ("endpoint", "bytes", endpoint.LIMITS["max_request_header_size"], "Longest header of its request."),
)

PAGES: dict[Path, Callable[[], str]] = {
    FOLDER / "metrics.md": render_metrics,
    FOLDER / "limits.md": render_limits,
    RUNBOOK: render_runbook,
    FOLDER / "drills.md": render_drills,
}


def _instruments(instruments: Iterable[Instrument]) -> str:
    return _table(
        "| Metric | Type | Labels | For | Meaning | Use |",
        *(
            (f"`{one.name}`", one.kind, _list(one.labels), _SCOPES[one.scope], one.help, one.use)
            for one in instruments
        ),
    )


def _table(head: str, *rows: Sequence[object]) -> str:
    lines = [f"| {' | '.join(map(str, cells))} |" for cells in rows]
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *lines])


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

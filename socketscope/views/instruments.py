"""Every metric of an observed server: its name, kind, labels, meaning and use.

The views, the dashboards and ``docs/metrics.md`` are made from these, so they cannot drift apart.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric.

    Attributes:
        name: As in a query; a histogram without its ``_bucket``, ``_sum`` and ``_count``.
        kind: Its type in Prometheus.
        help: What it counts or measures, in one sentence; the unit stands in the name.
        use: The question that it answers.
        labels: In the order of their values.
        scope: The kind of listener that has it; ``process`` means one for all of them.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    help: str
    use: str
    labels: tuple[str, ...] = ()
    scope: Literal["stream", "datagram", "tcp", "tls", "udp", "all", "process"] = "process"

    @property
    def family(self) -> str:
        """The name without the suffix that its kind adds."""
        return self.name.removesuffix("_total").removesuffix("_info")


ACCEPTED = Instrument(
    "socketserver_connections_accepted_total",
    "counter",
    "Connections taken from the kernel and given to a handler.",
    "Traffic: how many clients come. Equals open plus closed in every scrape.",
    ("listener",),
    "stream",
)
CLOSED = Instrument(
    "socketserver_connections_closed_total",
    "counter",
    "Connections whose handler has left, by how they ended.",
    "Errors: which clients were not served, and why.",
    ("listener", "outcome"),
    "stream",
)
REJECTED = Instrument(
    "socketserver_connections_rejected_total",
    "counter",
    "Connections taken from the kernel and refused; not among the accepted.",
    "Saturation: capacity says that the connection limit was reached.",
    ("listener", "reason"),
    "stream",
)
OPEN = Instrument(
    "socketserver_connections_open",
    "gauge",
    "Connections that a handler is serving now.",
    "Saturation: against the limit, how much room is left.",
    ("listener",),
    "stream",
)
RECEIVED = Instrument(
    "socketserver_received_bytes_total",
    "counter",
    "Bytes that handlers received; under TLS the plain ones.",
    "Traffic in.",
    ("listener",),
    "all",
)
SENT = Instrument(
    "socketserver_sent_bytes_total",
    "counter",
    "Bytes that handlers sent; under TLS the plain ones.",
    "Traffic out.",
    ("listener",),
    "all",
)
EXCHANGES = Instrument(
    "socketserver_exchanges_total",
    "counter",
    "Turns from receiving to sending; for most protocols a request and its reply.",
    "Traffic of long connections, which accept rarely.",
    ("listener",),
    "all",
)
RESPONSE = Instrument(
    "socketserver_response_duration_seconds",
    "histogram",
    "Time from the last request byte read to the last reply byte handed to the kernel.",
    "Duration as the server causes it, without the client's own pauses. The latency objective is set on it.",
    ("listener",),
    "stream",
)
HANDLE = Instrument(
    "socketserver_handle_duration_seconds",
    "histogram",
    "Time from entering the handler to leaving it.",
    "How long a client occupies a thread, waiting for its bytes included.",
    ("listener",),
    "all",
)
ACCEPT_ERRORS = Instrument(
    "socketserver_accept_errors_total",
    "counter",
    "Calls of accept that failed.",
    "Saturation: fd_limit says that file descriptors ran out.",
    ("listener", "error"),
    "stream",
)
QUEUE_LENGTH = Instrument(
    "socketserver_accept_queue_length",
    "gauge",
    "Connections that the kernel has established and nobody has accepted yet.",
    "Saturation: work that waits, before any thread sees it.",
    ("listener",),
    "tcp",
)
QUEUE_LIMIT = Instrument(
    "socketserver_accept_queue_limit",
    "gauge",
    "How many connections the kernel lets wait; more are dropped and retried by their clients.",
    "Saturation: what the queue's length is measured against.",
    ("listener",),
    "tcp",
)
CERTIFICATE_EXPIRY = Instrument(
    "socketserver_tls_certificate_expiry_timestamp_seconds",
    "gauge",
    "When the certificate shown to clients ends, in seconds since 1970, if the library has read it.",
    "Whether it is renewed in time: minus time() it is the time left.",
    ("listener",),
    "tls",
)
DATAGRAMS = Instrument(
    "socketserver_datagrams_total",
    "counter",
    "Datagrams received, by what became of them.",
    "Traffic and errors of UDP and Unix datagram listeners.",
    ("listener", "outcome"),
    "datagram",
)
DATAGRAMS_LOST = Instrument(
    "socketserver_datagrams_lost_total",
    "counter",
    "Datagrams that the kernel dropped, as the listener's receive queue was full.",
    "Saturation of UDP listeners: these reached nobody, and their senders are not told.",
    ("listener",),
    "udp",
)
THREADS = Instrument(
    "socketserver_threads",
    "gauge",
    "Threads that wait for a client or serve one.",
    "Saturation: busy ones follow the open connections; idle ones are ready for the next.",
    ("state",),
)
LIMIT = Instrument(
    "socketserver_connections_limit",
    "gauge",
    "Most connections served at once.",
    "Saturation: what the open connections are measured against.",
)
LOG_LINES = Instrument(
    "socketserver_log_lines_total",
    "counter",
    "Log lines written, and lines printed beside them.",
    "Whether the log keeps up; equals the lines that its reader counts.",
)
LOG_DROPPED = Instrument(
    "socketserver_log_lines_dropped_total",
    "counter",
    "Log lines dropped because their reader was too slow or gone, or the disk full.",
    "Whether sums over the log can be trusted.",
)
DRAINING = Instrument(
    "socketserver_draining",
    "gauge",
    "1 from the request to stop until the process ends, else 0.",
    "Tells a planned restart from a crash.",
)
BUILD = Instrument(
    "socketserver_build_info",
    "info",
    "Version of socketscope and of Python.",
    "Which build a figure belongs to.",
    ("version", "python"),
)

INSTRUMENTS = tuple(value for value in globals().values() if isinstance(value, Instrument))
"""All of them, in the order of this file."""

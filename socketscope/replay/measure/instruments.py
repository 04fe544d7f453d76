"""Every metric of the replay client, and the outcomes that label them."""

from socketscope.views.instruments import Instrument

OUTCOMES = (
    "dns_error", "connect_timeout", "no_port", "refused", "tls_error", "send_error", "reset", "timeout",
    "closed", "short_reply", "mismatch", "unexpected_data", "ok",
)  # fmt: skip
"""How an exchange can end; where several fit, the first."""

CONNECTION_OUTCOMES = ("ok", "refused", "reset", "connect_timeout", "dns_error", "no_port", "tls_error")
"""How an attempt to connect can end."""

EXCHANGES = Instrument(
    "replay_exchanges_total",
    "counter",
    "Messages sent and their replies awaited, by step of the script and by how they ended.",
    "Traffic and errors as the clients see them.",
    ("step", "outcome"),
)
EXCHANGE_DURATION = Instrument(
    "replay_exchange_duration_seconds",
    "histogram",
    "Time from the send, or the connect before it, to the last reply byte, of exchanges that ended ok.",
    "What a client waits for, once its message is under way.",
    ("step",),
)
EXCHANGE_INTENDED_DURATION = Instrument(
    "replay_exchange_intended_duration_seconds",
    "histogram",
    "The exchange's duration and the lateness of its pass, of exchanges that ended ok.",
    "What a client waits for, the wait for its turn included: what a stall held back is not omitted.",
    ("step",),
)
CONNECT_DURATION = Instrument(
    "replay_connect_duration_seconds",
    "histogram",
    "Time to connect, the name's resolution and a TLS handshake included, where that succeeded.",
    "How much of a slow exchange is the connect.",
)
FIRST_BYTE_DURATION = Instrument(
    "replay_first_byte_duration_seconds",
    "histogram",
    "Time from the send to the first byte of the reply.",
    "How long the server thinks, apart from how long it talks.",
)
CONNECTIONS = Instrument(
    "replay_connections_total",
    "counter",
    "Attempts to connect, by how they ended.",
    "Whether the server can be reached at all.",
    ("outcome",),
)
OPEN_CONNECTIONS = Instrument(
    "replay_open_connections",
    "gauge",
    "Connections open now.",
    "Concurrency as the clients make it; beside the server's own count.",
)
USERS = Instrument(
    "replay_users",
    "gauge",
    "Users at work now; fewer than were asked for while a shape holds some back.",
    "How hard the clients press.",
)
SENT = Instrument(
    "replay_sent_bytes_total",
    "counter",
    "Bytes sent; under TLS the plain ones.",
    "Traffic out; without losses the server's received bytes.",
)
RECEIVED = Instrument(
    "replay_received_bytes_total",
    "counter",
    "Bytes received; under TLS the plain ones.",
    "Traffic in; without losses the server's sent bytes.",
)
PASSES = Instrument(
    "replay_passes_total",
    "counter",
    "Scripts played once by one user, whether to their end or to a failure.",
    "The achieved rate.",
)
PASSES_DROPPED = Instrument(
    "replay_passes_dropped_total",
    "counter",
    "Passes whose time came before the deadline and that never started, as no user was free.",
    "Whether the offered rate was more than users could carry.",
)
SCHEDULE_LAG = Instrument(
    "replay_schedule_lag_seconds",
    "gauge",
    "How late the last pass started although a user was free.",
    "Whether this generator is itself too slow to be believed.",
)
TARGET_RATE = Instrument(
    "replay_target_passes_per_second",
    "gauge",
    "The rate that the schedule asks for now; 0 in a closed loop.",
    "What the achieved rate is measured against.",
)
BUILD = Instrument(
    "replay_build_info",
    "info",
    "Version of the client.",
    "Which build a figure belongs to.",
    ("version",),
)

INSTRUMENTS = tuple(value for value in globals().values() if isinstance(value, Instrument))
"""All of them, in the order of this file."""

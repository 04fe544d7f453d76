"""The reference of metrics and limits, from the instruments and the dataclass that declare them."""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

from client.instruments import INSTRUMENTS as CLIENT
from client.instruments import OUTCOMES as EXCHANGE_OUTCOMES
from socketscope import Limits
from socketscope.distribution import BUCKETS
from socketscope.instruments import INSTRUMENTS as SERVER
from socketscope.instruments import Instrument
from socketscope.record import ACCEPT_ERRORS, DATAGRAM_OUTCOMES, OUTCOMES, REJECT_REASONS
from socketscope.units import format_duration

FOLDER = Path(__file__).parent

_SCOPES = {
    "stream": "each stream listener",
    "datagram": "each datagram listener",
    "tcp": "each TCP listener",
    "all": "each listener",
    "process": "once a process",
}


def render_metrics() -> str:
    """Return the page of all metrics."""
    return "\n".join(
        [
            "# Metrics",
            "",
            "Made from the instruments by `python -m docs`. Units stand in the names.",
            "",
            "## Server",
            "",
            *_table(SERVER),
            "",
            f"- `outcome` of a connection, the first that fits: {_list(OUTCOMES)}.",
            f"- `outcome` of a datagram: {_list(DATAGRAM_OUTCOMES)}.",
            f"- `reason` of a rejection: {_list(REJECT_REASONS)}.",
            f"- `error` of an accept: {_list(ACCEPT_ERRORS)}.",
            f"- Upper edges of the buckets, in seconds: {', '.join(f'{edge:g}' for edge in BUCKETS)}.",
            "- In every scrape accepted = open + the sum of closed. Rejected connections are not among the accepted.",
            "",
            "## Client",
            "",
            *_table(CLIENT),
            "",
            f"- `outcome` of an exchange, the first that fits: {_list(EXCHANGE_OUTCOMES)}.",
            "",
        ]
    )


def render_limits() -> str:
    """Return the page of all limits."""
    rows = [
        f"| `{field.name}` | {_value(field.default)} | {_value(field.metadata['program'])} "
        f"| {field.metadata['help']} |"
        for field in dataclasses.fields(Limits)
    ]
    return "\n".join(
        [
            "# Limits",
            "",
            "Made from `socketscope.Limits` by `python -m docs`. They hold at the socket, so also for a handler that knows nothing of them; to it a passed deadline is a `TimeoutError`. In the library they are arguments of `Limits`, in the server options (`--read-timeout`) and environment variables (`SERVER_READ_TIMEOUT`).",
            "",
            "| Limit | Default in the library | in the server | |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


PAGES: dict[Path, Callable[[], str]] = {
    FOLDER / "metrics.md": render_metrics,
    FOLDER / "limits.md": render_limits,
}


def _table(instruments: Iterable[Instrument]) -> list[str]:
    rows = [
        f"| `{one.name}` | {one.kind} | {_list(one.labels)} | {_SCOPES[one.scope]} | {one.help} | {one.use} |"
        for one in instruments
    ]
    return ["| Metric | Type | Labels | For | Meaning | Use |", "|---|---|---|---|---|---|", *rows]


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _value(value: object) -> str:
    if value is None:
        return "none"
    return format_duration(value) if isinstance(value, float) else str(value)

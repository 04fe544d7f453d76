"""Pages of metrics as the programs' own views render them."""

from collections.abc import Mapping
from types import SimpleNamespace

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.utils import floatToGoString

from socketscope.observe.outcomes import REJECT_REASONS
from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.show.metrics import RunView
from socketscope.replay.watch.scrape import Samples, parse


def of_server(
    accepted: int = 0,
    seconds: float = 0.0002,
    outcomes: Mapping[str, int] | None = None,
    rejected: int = 0,
    **gauges: int,
) -> Samples:
    """Return the page of a server with one listener, all of whose connections took so long.

    Of others it has rejected so many for each reason.
    """
    closed = {"ok": accepted} | dict(outcomes or {})
    lines = [
        'socketserver_build_info{version="1",python="3"} 1.0',
        f'socketserver_connections_accepted_total{{listener="tcp"}} {accepted}',
        *(
            f'socketserver_connections_closed_total{{listener="tcp",outcome="{outcome}"}} {number}'
            for outcome, number in closed.items()
        ),
        *(
            f'socketserver_connections_rejected_total{{listener="tcp",reason="{reason}"}} {rejected}'
            for reason in REJECT_REASONS
        ),
        *(
            f'socketserver_response_duration_seconds_bucket{{listener="tcp",le="{floatToGoString(edge)}"}} '
            f"{accepted if seconds <= edge else 0}"
            for edge in (0.0001, 0.00025, 0.01, 0.1, float("inf"))
        ),
        f'socketserver_exchanges_total{{listener="tcp"}} {accepted}',
        f'socketserver_received_bytes_total{{listener="tcp"}} {accepted * 10}',
        f'socketserver_sent_bytes_total{{listener="tcp"}} {accepted * 30}',
        'socketserver_threads{state="busy"} 1',
        'socketserver_threads{state="idle"} 3',
        "socketserver_connections_limit 1000",
        f'socketserver_connections_open{{listener="tcp"}} {gauges.get("open", 0)}',
        f"socketserver_draining {gauges.get('draining', 0)}",
    ]
    return parse("\n".join(lines) + "\n")


def of_replay(ok: int = 0, refused: int = 0, timeout: int = 0, *, target_rate: float = 0.0) -> Samples:
    """Return the page of a replay."""
    ledger = Ledger(["main"])
    ledger.working(4)
    for _ in range(ok):
        ledger.exchange("main", "ok", 0.002, 0.1, None)
        ledger.passed()
    for outcome in ("refused",) * refused + ("timeout",) * timeout:
        ledger.exchange("main", outcome, 0.002, 0.1, Failure("x", 1, "a", "b"))
    registry = CollectorRegistry()
    registry.register(RunView(SimpleNamespace(ledger=ledger, target_rate=target_rate)))
    return parse(generate_latest(registry).decode())

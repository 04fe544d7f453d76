"""``--metrics`` of a replay."""

import click
from prometheus_client import CollectorRegistry, ProcessCollector

from socketscope.addresses import format_host_port
from socketscope.commands.options import warn
from socketscope.replay.play.run import Run
from socketscope.replay.show.metrics import RunView
from socketscope.views.endpoint import Endpoint


def serve_metrics(run: Run, host: str, port: int, *, is_asked_for: bool) -> Endpoint | None:
    """Serve a run's metrics; return where, or None where they are not served.

    Args:
        run: The run.
        host: Address or name to serve at.
        port: 0 picks a free one.
        is_asked_for: Whether the address was given on the command line. One from the environment may be in
            use by another replay in the same container: then the metrics are at another port, or not served.

    Raises:
        click.UsageError: The address was asked for and cannot be bound.
    """
    registry = CollectorRegistry()
    registry.register(RunView(run))
    ProcessCollector(registry=registry)
    try:
        endpoint = Endpoint(host, port, registry, lambda: True)
    except OSError as error:
        problem = f"cannot serve metrics on {format_host_port(host, port)}: {error.strerror or error}"
        if is_asked_for:
            raise click.UsageError(problem) from error
        try:
            endpoint = Endpoint(host, 0, registry, lambda: True)
        except OSError:
            warn(f"{problem}; there are none")
            return None
        warn(f"{problem}; they are at {endpoint.url}")
    else:
        if not port:
            warn(f"metrics are at {endpoint.url}")
    return endpoint

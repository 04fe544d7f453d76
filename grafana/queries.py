"""PromQL, made of the instruments' names, so that a renamed metric cannot leave a panel empty."""

from socketscope.replay.measure import instruments as client
from socketscope.views import instruments as server

SERVER = '{job=~"$job", instance=~"$instance"}'
CLIENT = '{job="client"}'

FAILURES = 'outcome!~"ok|empty|idle_timeout"'
"""Outcomes of connections whose client was not served."""


def rate(name: str, selector: str = SERVER) -> str:
    """Return the rate a second of a counter, as one figure."""
    return f"sum(rate({name}{selector}[$__rate_interval]))"


def rate_by(label: str, name: str, selector: str = SERVER) -> str:
    """Return the rate a second of a counter, for each value of a label."""
    return f"sum by ({label}) (rate({name}{selector}[$__rate_interval]))"


def where(condition: str, selector: str = SERVER) -> str:
    """Return a selector with one more condition."""
    return f"{selector[:-1]}, {condition}}}"


def quantile(share: float, name: str, selector: str = SERVER) -> str:
    """Return a quantile of a histogram."""
    return f"histogram_quantile({share}, sum by (le) (rate({name}_bucket{selector}[$__rate_interval])))"


def buckets(name: str, selector: str = SERVER) -> str:
    """Return how many fell into each bucket of a histogram."""
    return f"sum by (le) (increase({name}_bucket{selector}[$__rate_interval]))"


def total(name: str, selector: str = SERVER) -> str:
    """Return a gauge's sum over the replicas."""
    return f"sum({name}{selector})"


def of_servers(expression: str) -> str:
    """Return what an expression finds of the servers alone, where every job has such a metric."""
    return f"{expression} and on (instance) {server.BUILD.name}{SERVER}"


FAILED = rate(server.CLOSED.name, where(FAILURES))
FAILED_SHARE = f"({FAILED} or vector(0)) / ({rate(server.CLOSED.name)} > 0)"
WITHIN_OBJECTIVE = (
    rate(server.RESPONSE.name + "_bucket", where('le="0.01"'))
    + f" / ({rate(server.RESPONSE.name + '_count')} > 0)"
)
EXCHANGES_FAILED = rate_by("outcome", client.EXCHANGES.name, where('outcome!="ok"', CLIENT))

"""PromQL made from the instruments, so that a renamed metric cannot leave a panel empty."""

from socketscope.replay.measure import instruments as client
from socketscope.views import instruments as server
from socketscope.views.instruments import Instrument

CHOSEN = ('job=~"$job"', 'instance=~"$instance"')
NOT_SERVED = 'outcome!~"ok|empty|idle_timeout"'
"""Outcomes of connections whose client was not served."""
NOT_OK = 'outcome!="ok"'

CLIENT_OBJECTIVE = 0.1
"""Seconds within which a client should have its reply; see docs/slo.md."""

TOLD = 'ALERTS{severity=~"page|ticket"}'
"""Alerts of our rules, pending ones too; Prometheus may also have others, of other severities."""
FIRING = 'ALERTS{alertstate="firing", severity=~"page|ticket"}'
"""Those that fire."""

LOOKED = "count(up)"
"""Whether Prometheus looked at anything: where it did not, that no alert fired is no good sign."""

NOBODY = -1
"""Value of a figure or a state if clients ask and nobody answers, or if there is nothing."""


def chosen(name: str, *conditions: str, listener: bool = False) -> str:
    """Return a metric's series of the chosen jobs, instances and, if `listener`, listeners."""
    labels = (*CHOSEN, 'listener=~"$listener"') if listener else CHOSEN
    return f"{name}{{{', '.join((*labels, *conditions))}}}"


def series(instrument: Instrument, *conditions: str, suffix: str = "") -> str:
    """Return the chosen series of an instrument."""
    return chosen(instrument.name + suffix, *conditions, listener="listener" in instrument.labels)


def rate(instrument: Instrument, *conditions: str, by: str = "", suffix: str = "") -> str:
    """Return a counter's rate a second, as one figure or one for each value of the labels."""
    group = f"sum by ({by})" if by else "sum"
    return f"{group} (rate({series(instrument, *conditions, suffix=suffix)}[$__rate_interval]))"


def whole(instrument: Instrument, *conditions: str) -> str:
    """Return by how much a counter grew in the whole time range."""
    return f"sum (increase({series(instrument, *conditions)}[$__range]))"


def buckets(instrument: Instrument, by: str = "") -> str:
    """Return how many a second fell into each bucket of a histogram."""
    return rate(instrument, by=f"le, {by}" if by else "le", suffix="_bucket")


def quantile(share: float, instrument: Instrument, by: str = "") -> str:
    """Return a quantile of a histogram; without data nothing, instead of NaN."""
    return f"histogram_quantile({share}, {buckets(instrument, by)}) >= 0"


def quantiles(instrument: Instrument, *shares: float) -> dict[str, str]:
    """Return some quantiles of a histogram, by their legends."""
    return {f"p{share * 100:g}": quantile(share, instrument) for share in shares}


def objective(seconds: float, instrument: Instrument) -> dict[str, str]:
    """Return the bound for a histogram's durations, if it has any, by its legend."""
    return {"objective": f"vector({seconds}) and on () {rate(instrument, suffix='_count')} > 0"}


def of(build: Instrument, expression: str) -> str:
    """Return what an expression finds for servers, or for clients, alone: any job may have such a metric."""
    return f"{expression} and on (job, instance) {series(build)}"


def processor(build: Instrument) -> dict[str, str]:
    """Return the share of a core that each replica uses, by its legend."""
    return {"{{instance}}": of(build, f"rate({chosen('process_cpu_seconds_total')}[$__rate_interval])")}


def age(build: Instrument) -> str:
    """Return the seconds since each replica's start, with the labels of its build."""
    labels = ", ".join(build.labels)
    started = chosen("process_start_time_seconds")
    return f"(time() - {started}) * ignoring ({labels}) group_left ({labels}) {series(build)}"


def share(part: str, of_all: str) -> str:
    """Return the share of a part in a whole; nothing if that is 0."""
    return f"{part} / ({of_all} > 0)"


def first(*expressions: str) -> str:
    """Return what the first expression finds, or else what the next one does."""
    return " or ".join(f"({one})" if " or " in one or " and " in one else one for one in expressions)


def none_seen(selector: str, label: str, name: str) -> str:
    """Return a row with a name and the value NOBODY if a selector finds nothing in the whole time range.

    A timeline without a row complains that "data does not have a time field", whatever its text for no data.
    """
    absent = f"absent_over_time({selector}[$__range] @ end()) * {NOBODY}"
    return f'max by ({label}) (label_replace({absent}, "{label}", "{name}", "", ""))'


ASKED = rate(client.EXCHANGES)
SERVED = share(rate(client.EXCHANGES, 'outcome="ok"'), ASKED)
SERVED_IN_RANGE = share(whole(client.EXCHANGES, 'outcome="ok"'), whole(client.EXCHANGES))
NOBODY_SERVED = f"({ASKED} > 0) * 0 + ({NOBODY})"

NO_SERVER = 'ALERTS{alertname="NoServer", alertstate="firing"}'
UP = chosen("up")
SERVERS = f"{UP} and on (job) last_over_time({series(server.BUILD)}[$__range])"
"""Which servers answer their scrape, of the jobs that had a server in the time range."""
SERVERS_UP = first(
    f"count(({SERVERS}) == 1)",
    f"count({SERVERS}) * 0",
    f"count({NO_SERVER}) * 0",
)
"""How many; nothing before the first scrape, when none is missing yet."""
_DRAINED = f"max by (job, instance) (max_over_time({series(server.DRAINING)}[$__interval]))"
STATES = first(
    f"max by (job, instance) ({UP}) + max by (job, instance) ({series(server.DRAINING)})",
    # Whether its address drained, as in the rules: the other labels may be from an earlier life. The steps are as long as
    # those shown, since Prometheus holds them all at once.
    f"(last_over_time({_DRAINED}[5m:$__interval]) == 1) * 3 and on (job, instance) {UP} == 0",
    f"max by (job, instance) ({SERVERS})",
    none_seen(series(server.BUILD), "instance", "servers"),
)
"""0 down, 1 up, 2 draining, 3 stopped in order; NOBODY where no server was seen."""

CLOSED_BY_OUTCOME = {"{{outcome}}": rate(server.CLOSED, by="outcome") + " > 0"}
"""How connections end: expressions by legend."""
UNSERVED_BY_REASON = {
    "{{outcome}}": rate(server.CLOSED, NOT_SERVED, by="outcome") + " > 0",
    "refused: {{reason}}": rate(server.REJECTED, by="reason") + " > 0",
}
"""Connections whose client was not served, and refused ones: expressions by legend."""

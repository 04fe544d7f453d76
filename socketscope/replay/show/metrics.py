"""The metrics view of a run: its ledger as one consistent snapshot."""

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from socketscope.replay.measure import instruments
from socketscope.replay.play.run import Run
from socketscope.version import __version__
from socketscope.views.families import counter, described, gauge, histogram, info


class RunView(Collector):
    """Shows a run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def collect(self) -> Iterable[Metric]:
        """Render one snapshot of the ledger."""
        ledger = self._run.ledger
        with ledger.settled():
            steps = ledger.steps
            outcomes = [((s, o), n) for s, figures in steps.items() for o, n in figures.outcomes.items()]
            connections = [((outcome,), n) for outcome, n in ledger.connections.items()]
            return [
                counter(instruments.EXCHANGES, outcomes),
                histogram(instruments.EXCHANGE_DURATION, [((s,), f.service) for s, f in steps.items()]),
                histogram(
                    instruments.EXCHANGE_INTENDED_DURATION, [((s,), f.intended) for s, f in steps.items()]
                ),
                histogram(instruments.CONNECT_DURATION, [((), ledger.connect)]),
                histogram(instruments.FIRST_BYTE_DURATION, [((), ledger.first_byte)]),
                counter(instruments.CONNECTIONS, connections),
                gauge(instruments.OPEN_CONNECTIONS, [((), ledger.open)]),
                gauge(instruments.USERS, [((), ledger.users)]),
                counter(instruments.SENT, [((), ledger.sent)]),
                counter(instruments.RECEIVED, [((), ledger.received)]),
                counter(instruments.PASSES, [((), ledger.passes)]),
                counter(instruments.PASSES_DROPPED, [((), ledger.dropped)]),
                gauge(instruments.SCHEDULE_LAG, [((), ledger.last_lag)]),
                gauge(instruments.TARGET_RATE, [((), self._run.target_rate)]),
                info(instruments.BUILD, {"version": __version__}),
            ]

    def describe(self) -> Iterable[Metric]:
        """Name the families, by which a registry finds them and refuses another of the same name."""
        return map(described, instruments.INSTRUMENTS)

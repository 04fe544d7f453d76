"""The metrics of a run: one consistent snapshot of its ledger."""

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from socketscope.replay.measure import instruments
from socketscope.replay.play.run import Run
from socketscope.version import __version__
from socketscope.views.families import described, family


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
                family(instruments.EXCHANGES, outcomes),
                family(instruments.EXCHANGE_DURATION, [((s,), f.service) for s, f in steps.items()]),
                family(
                    instruments.EXCHANGE_INTENDED_DURATION, [((s,), f.intended) for s, f in steps.items()]
                ),
                family(instruments.CONNECT_DURATION, [((), ledger.connect)]),
                family(instruments.FIRST_BYTE_DURATION, [((), ledger.first_byte)]),
                family(instruments.CONNECTIONS, connections),
                family(instruments.OPEN_CONNECTIONS, [((), ledger.open)]),
                family(instruments.USERS, [((), ledger.users)]),
                family(instruments.SENT, [((), ledger.sent)]),
                family(instruments.RECEIVED, [((), ledger.received)]),
                family(instruments.PASSES, [((), ledger.passes)]),
                family(instruments.PASSES_DROPPED, [((), ledger.dropped)]),
                family(instruments.SCHEDULE_LAG, [((), ledger.last_lag)]),
                family(instruments.TARGET_RATE, [((), self._run.target_rate)]),
                family(instruments.BUILD, [((__version__,), None)]),
            ]

    def describe(self) -> Iterable[Metric]:
        """Return the families without values, so that a registry refuses another of the same name."""
        return map(described, instruments.INSTRUMENTS)

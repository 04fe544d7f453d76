"""From an instrument and its figures to a metric of prometheus-client."""

from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric

from socketscope.observe.distribution import BUCKETS, Distribution
from socketscope.views.instruments import Instrument

_EDGES = [*map(str, BUCKETS), "+Inf"]
_FAMILIES = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
    "info": InfoMetricFamily,
}

Labels = tuple[str, ...]


def described(instrument: Instrument) -> Metric:
    """Return the family without samples, by which a registry knows its names."""
    return Metric(instrument.family, instrument.help, instrument.kind)


def family(instrument: Instrument, samples: Iterable[tuple[Labels, float | Distribution | None]]) -> Metric:
    """Return a metric with a sample for each tuple of label values; None is the value of an info."""
    made: Any = _FAMILIES[instrument.kind](instrument.family, instrument.help, labels=instrument.labels)
    for labels, value in samples:
        if isinstance(value, Distribution):
            buckets = list(zip(_EDGES, accumulate(value.counts), strict=True))
            made.add_metric(labels, buckets, sum_value=value.sum)
        else:
            made.add_metric(labels, {} if value is None else value)
    return made  # type: ignore[no-any-return]  # of three classes with methods of their own

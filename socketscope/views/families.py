"""From an instrument and its figures to what prometheus-client exposes."""

from collections.abc import Iterable, Mapping
from itertools import accumulate

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

Labels = tuple[str, ...]


def described(instrument: Instrument) -> Metric:
    """Return what a registry asks for to know the names: the family without samples."""
    return Metric(instrument.family, instrument.help, instrument.kind)


def counter(instrument: Instrument, samples: Iterable[tuple[Labels, float]]) -> Metric:
    """Return a counter with a sample for each tuple of label values."""
    family = CounterMetricFamily(instrument.family, instrument.help, labels=instrument.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def gauge(instrument: Instrument, samples: Iterable[tuple[Labels, float]]) -> Metric:
    """Return a gauge with a sample for each tuple of label values."""
    family = GaugeMetricFamily(instrument.name, instrument.help, labels=instrument.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def histogram(instrument: Instrument, samples: Iterable[tuple[Labels, Distribution]]) -> Metric:
    """Return a histogram with a distribution for each tuple of label values."""
    family = HistogramMetricFamily(instrument.name, instrument.help, labels=instrument.labels)
    for labels, distribution in samples:
        buckets = list(zip(_EDGES, accumulate(distribution.counts), strict=True))
        family.add_metric(labels, buckets, sum_value=distribution.sum)
    return family


def info(instrument: Instrument, values: Mapping[str, str]) -> Metric:
    """Return an info metric."""
    family = InfoMetricFamily(instrument.family, instrument.help)
    family.add_metric([], dict(values))
    return family

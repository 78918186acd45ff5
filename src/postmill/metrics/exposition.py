"""Metrics as text: OpenMetrics where the reader asks for it, else the older format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family

from postmill.errors import UnavailableError
from postmill.metrics.catalogue import CATALOGUE, Metric
from postmill.metrics.values import Seen, seen
from postmill.record import CLASSES, Histogram, spent

DOUBLINGS = range(7, 29)
"""The bounds of histograms: 128 microseconds to 268 seconds, doubling."""


class IncompleteError(UnavailableError):
    """A worker process of the daemon does not react, so its numbers are missing."""


def render(status: Mapping[str, Any], accept: str = "") -> tuple[bytes, str]:
    """Return the metrics of a status, and their media type; ``accept`` is the header of an HTTP request.

    Raises IncompleteError when a worker did not say what it has counted: counters must not go down.
    """
    silent = [str(worker["pid"]) for worker in status["workers"] if not worker["answers"]]
    if silent:
        raise IncompleteError(f"worker {', '.join(silent)} does not react; its numbers are missing")
    encode, media_type = choose_encoder(accept)
    return encode(_Collected(seen(status))), media_type


class _Collected:
    """What the library's encoders want: something to collect from."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Family]:
        """Yield every metric of the catalogue."""
        return (_family(metric, self._seen) for metric in CATALOGUE)


def _family(metric: Metric, seen: Seen) -> Family:
    if metric.times is not None:
        histogram = HistogramMetricFamily(metric.family, metric.meaning, labels=metric.labels)
        for labels, times in metric.times(seen):
            histogram.add_metric(labels, _buckets(times), spent(times) / 1000)
        return histogram
    assert metric.read is not None
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.family, metric.meaning, labels=metric.labels)
    for labels, value in metric.read(seen):
        family.add_metric(labels, value)
    return family


def _buckets(times: Histogram) -> list[tuple[str, float]]:
    """Return bound in seconds and how many answers took less; a class never spans a bound."""
    below = [
        (repr(2**doubling / 1e6), float(sum(n for place, n in times.items() if place < doubling * CLASSES)))
        for doubling in DOUBLINGS
    ]
    return [*below, ("+Inf", float(sum(times.values())))]

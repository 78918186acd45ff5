"""Metrics as their own parsers read them; OpenMetrics' checks the rules of the format."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from postmill.metrics import CATALOGUE

Samples = dict[tuple[str, ...], float]
"""Name and values of labels, in the order of the catalogue and with a bound at the end."""
_ORDER = {series: (*metric.labels, "le") for metric in CATALOGUE for series in metric.series}


def openmetrics(text: str) -> Iterable[Metric]:
    """The families of an exposition; ValueError for one that is none."""
    families: Iterable[Metric] = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return families


def samples(families: Iterable[Metric]) -> Samples:
    return {
        (
            sample.name,
            *(sample.labels[name] for name in _ORDER[sample.name] if name in sample.labels),
        ): sample.value
        for family in families
        for sample in family.samples
    }

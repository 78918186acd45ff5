"""OpenMetrics read by its own parser, which checks the rules of the format."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families


def openmetrics(text: str) -> Iterable[Metric]:
    """The families of an exposition; ValueError for one that is none."""
    families: Iterable[Metric] = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return families

"""Numbers for monitoring: what the status of the daemon says, as metrics that Prometheus reads.

``catalogue`` names every metric and says what it means; the output and docs/reference/metrics.md both come
from it. ``values`` reads them off a status, ``exposition`` writes them down, ``serving`` answers over HTTP.
Nothing is counted here: all counts are those of ``record.Tally``.
"""

from postmill.metrics.catalogue import CATALOGUE, LABELS, Metric

__all__ = ["CATALOGUE", "LABELS", "Metric"]

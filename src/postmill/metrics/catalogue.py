"""The catalogue: name, kind, labels and meaning of every metric, and where its value comes from.

To add a metric, add an entry; the output, docs/reference/metrics.md and the tests follow from it. A name
never changes its meaning: dashboards and alerts elsewhere depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postmill.metrics import values
from postmill.metrics.values import (
    FAULTS,
    MESSAGE_VERDICTS,
    MILTER_VERDICTS,
    MODES,
    STATES,
    Read,
    ReadTimes,
    counts,
    milter_counts,
    milter_numbers,
    milter_words,
    single,
)

LABELS = {
    "version": "the version of Postmill.",
    "state": "a state: the metric says of what.",
    "verdict": "the verdict, as the log has it.",
    "header": "the name of a header; at most 200 names are counted.",
    "milter": "the milter's or filter's name in the configuration; one that was taken out of it keeps its "
    "counts until a restart.",
    "condition": "the name of a condition, as `when` has it.",
    "told": "the verdict that the mail server was told instead.",
    "kind": "the kind of fault: `connect`, `timeout`, `closed`, `protocol`, `config`, `breaker` (it was left "
    "alone), `busy` (`max_sessions`), `spool`, `condition` (nobody knew if it was to be asked), `filter` (a "
    "filter of ours could not judge).",
    "stage": "the stage of SMTP, as the log has it: `connect`, `helo`, `mail`, `rcpt`, `data`, `header`, "
    "`end-of-header`, `body`, `end-of-message`, and `negotiate`.",
    "mode": "`enforce`, `evaluate` or `off`.",
}
"""Every label, and what its values are. Each has a bounded number of them: no address, no queue id."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; a name that ends with ``_total`` is that of a counter's samples."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    read: Read | None = None
    """Gives its values; None for a histogram."""
    times: ReadTimes | None = None
    """Gives those of a histogram."""

    @property
    def kind(self) -> str:
        """``counter``, ``gauge`` or ``histogram``."""
        if self.times is not None:
            return "histogram"
        return "counter" if self.name.endswith("_total") else "gauge"

    @property
    def family(self) -> str:
        """Its name without what is appended to samples."""
        return self.name.removesuffix("_total")

    @property
    def series(self) -> Iterator[str]:
        """Yield the names that queries may use."""
        if self.times is None:
            yield self.name
        else:
            yield from (f"{self.name}_{part}" for part in ("bucket", "count", "sum"))


CATALOGUE = (
    Metric(
        "postmill_build_info", "Always 1; the label says which Postmill runs.", ("version",), values.build
    ),
    Metric(
        "postmill_start_time_seconds",
        "When the daemon was started, in seconds since 1970. All counters begin with it.",
        (),
        single(lambda seen: float(seen.status["started"])),
    ),
    Metric(
        "postmill_configuration_time_seconds",
        "Since when the configuration file is in force, in seconds since 1970. A reload that was refused "
        "leaves it as it is.",
        (),
        single(lambda seen: float(seen.status["configuration"]["since"])),
    ),
    Metric(
        "postmill_state", "1 for the state that the daemon is in, 0 for the others.", ("state",), values.state
    ),
    Metric(
        "postmill_workers",
        "Worker processes that serve, and that finish their sessions after a change.",
        ("state",),
        values.workers,
    ),
    Metric(
        "postmill_open_sessions",
        "SMTP sessions now.",
        (),
        single(lambda seen: float(seen.status["sessions"])),
    ),
    Metric(
        "postmill_sessions_total",
        "SMTP sessions that are over.",
        (),
        single(lambda seen: seen.tally.sessions),
    ),
    Metric(
        "postmill_messages_total",
        "Messages by the verdict that the mail server was told; `aborted` where it gave the message up.",
        ("verdict",),
        counts(lambda tally: tally.messages, MESSAGE_VERDICTS),
    ),
    Metric(
        "postmill_connections_total",
        "Verdicts on connections that fell before there was a message.",
        ("verdict",),
        counts(lambda tally: tally.connections),
    ),
    Metric(
        "postmill_tagged_messages_total",
        "Messages that passed and that a milter had added this header to.",
        ("header",),
        counts(lambda tally: tally.tagged),
    ),
    Metric(
        "postmill_milter_state",
        "1 for the state that the milter is in, 0 for the others: `up` it answers, `down` it failed when it "
        "was last asked, `left-alone` it failed too often and is not asked for a while, `untried`, `off`.",
        ("milter", "state"),
        milter_words("state", STATES),
    ),
    Metric(
        "postmill_milter_mode",
        "1 for the mode in force, 0 for the others.",
        ("milter", "mode"),
        milter_words("mode", MODES),
    ),
    Metric(
        "postmill_milter_overridden",
        "1 where an operator has set another mode than the file, else 0.",
        ("milter",),
        values.overridden,
    ),
    Metric(
        "postmill_milter_links", "Connections to the milter in use.", ("milter",), milter_numbers("links")
    ),
    Metric(
        "postmill_milter_queued",
        "Of these, those that wait because of `max_sessions`.",
        ("milter",),
        milter_numbers("queued"),
    ),
    Metric(
        "postmill_milter_pool_idle",
        "Connections kept for the next session, where `pool` is set.",
        ("milter",),
        values.pooled,
    ),
    Metric(
        "postmill_milter_asked_total",
        "Messages that the milter was asked about, or connections that ended before any.",
        ("milter",),
        values.asked,
    ),
    Metric(
        "postmill_milter_verdicts_total",
        "The milter's last word on each message; `skipped` where its conditions left it out, `lost` where it "
        "failed.",
        ("milter", "verdict"),
        milter_counts("verdicts", MILTER_VERDICTS),
    ),
    Metric(
        "postmill_milter_decided_total",
        "Verdicts that the mail server was told and that were this milter's.",
        ("milter", "verdict"),
        milter_counts("decided"),
    ),
    Metric(
        "postmill_milter_skipped_total",
        "Messages that a condition left the milter out of.",
        ("milter", "condition"),
        milter_counts("skipped"),
    ),
    Metric(
        "postmill_milter_evaluated_total",
        'In `mode = "evaluate"`: what the milter would have said, and what the mail server was told.',
        ("milter", "verdict", "told"),
        values.evaluated,
    ),
    Metric(
        "postmill_milter_errors_total",
        "Times that the milter was lost, by the kind of fault.",
        ("milter", "kind"),
        milter_counts("errors", FAULTS),
    ),
    Metric(
        "postmill_milter_answer_seconds",
        "How long the milter's answers took at each stage; one that never came is an error, and has no time. "
        "The bounds are powers of two of a microsecond. The `_sum` is made of finer classes, four for each "
        "doubling, and right within a tenth.",
        ("milter", "stage"),
        times=values.times,
    ),
)

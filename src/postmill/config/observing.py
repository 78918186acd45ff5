"""Settings of what looks at mail: what is kept of it, and who shows it. See ``config.settings``."""

from __future__ import annotations

from dataclasses import dataclass

from postmill.api.kinds import Choice, Duration, Flag, InetSocket, Size, Text
from postmill.api.settings import key
from postmill.wire.endpoint import Endpoint

_YEARS = 3660 * 86400.0


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """What is kept of each message, for those who ask later."""

    url: str = key(
        Text(r"([a-z]+:\S+)?", 'a URL such as "sqlite:/path" or "postgresql://…", or ""'),
        "",
        "Where what happened to every message is written down, for `postmill explain`, `tail`, `report` and "
        "the dashboard: a file for one machine (`sqlite:/var/lib/postmill/history.db`) or a PostgreSQL "
        "server (`postgresql://user@host/database`) for several. Empty: nowhere.",
    )
    keep: float = key(Duration(0, _YEARS), "30d", "How long messages are kept. 0: for ever.")
    max_size: int = key(
        Size(), "2GB", "What all messages together may take; the oldest are removed first. 0: no limit."
    )
    keep_counts: float = key(
        Duration(0, _YEARS),
        "730d",
        "How long it is kept how many messages there were and what was said of them. 0: for ever.",
    )
    addresses: str = key(
        Choice(("keep", "hash", "omit")),
        "keep",
        "Mail addresses of senders and recipients: `keep` them, `hash` them (the domain stays, and who knows "
        "an address can still look for it), or `omit` them.",
    )


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where numbers are told to monitoring."""

    listen: Endpoint | None = key(
        InetSocket(),
        "",
        "Where `postmill metrics` answers Prometheus over HTTP, such as `inet:9797@127.0.0.1`. Who can reach "
        "it can read all numbers. Empty: nowhere.",
    )


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """Where traces of messages are sent."""

    endpoint: str = key(
        Text(r"(https?://\S+)?", 'a URL such as "http://127.0.0.1:4318", or ""'),
        "",
        "The collector that `postmill trace` sends a trace of each message to, over OTLP/HTTP. Without a "
        "path, `/v1/traces` is meant. Empty: nowhere.",
    )
    addresses: bool = key(
        Flag(),
        False,
        "Whether the mail addresses of senders and recipients are sent, as the history has them.",
    )
    place: str = key(
        Text(r"/[^\0]+", "an absolute path"),
        "/var/lib/postmill/tracing.place",
        "The file that keeps how far the history was sent.",
    )


@dataclass(frozen=True, slots=True)
class GraphsSettings:
    """Where `postmill graph` keeps and draws."""

    directory: str = key(
        Text(r"/[^\0]*", "an absolute path"),
        "/var/lib/postmill/graphs",
        "Where `postmill graph` works: `data` in it has the databases of RRDtool, `html` the pages and "
        "pictures that a web server may show.",
    )
    title: str = key(
        Text(r"[^\x00-\x1f\x7f]+", "a string without line ends and control characters"),
        "Mail through Postmill",
        "The heading of the pages.",
    )

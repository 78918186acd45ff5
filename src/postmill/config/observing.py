"""Settings of what looks at mail: what is kept of it, and who shows it. See ``config.settings``."""

from __future__ import annotations

from dataclasses import dataclass

from postmill.api.kinds import (
    ACCOUNT,
    PATH,
    Choice,
    Count,
    Duration,
    Flag,
    InetSocket,
    ListOf,
    Mode,
    Size,
    Socket,
    Text,
)
from postmill.api.settings import Table, key, required
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
        "The collector that `postmill trace` sends traces of messages to, over OTLP/HTTP. Without a "
        "path, `/v1/traces` is meant. Empty: nowhere.",
    )
    addresses: bool = key(
        Flag(),
        False,
        "Whether the mail addresses of senders and recipients are sent, as the history has them.",
    )
    most: int = key(
        Count(0),
        10,
        "How many messages of each second are sent at most; where there are more, those that were refused "
        "or lost a milter come first. 0: all of them.",
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


USER_NAME = r"[^\s\x00-\x1f\x7f\"]{1,64}"
"""What somebody may be called who looks at the dashboard."""
_SCRYPT = r"\$scrypt\$ln=1[0-8],r=[1-9]\d?,p=[1-9]\d?\$[A-Za-z0-9+/]{16,86}\$[A-Za-z0-9+/]{22,86}"


@dataclass(frozen=True, slots=True)
class WebUser:
    """One person who may use the dashboard."""

    name: str = required(Text(USER_NAME, "a name of up to 64 characters, without spaces"), "The login name.")
    role: str = key(
        Choice(("viewer", "operator")),
        "viewer",
        "A `viewer` looks; an `operator` may also change the mode of a milter and reload the configuration.",
    )
    password: str = key(
        Text(f"({_SCRYPT})?", 'what `postmill web password` prints, or ""'),
        "",
        "The hash of the password, as `postmill web password` prints it. Empty: no password fits, so only a "
        "trusted proxy can say that it is this user.",
    )


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The dashboard: where browsers reach it, and who may log in."""

    listen: tuple[Endpoint, ...] = key(
        ListOf(Socket()),
        [],
        "Where browsers, or a proxy before it, reach the dashboard. Not empty: the daemon starts it beside "
        "the mail and keeps it running. Other addresses than those of loopback need a `certificate`.",
    )
    socket_mode: int = key(Mode(), "0660", "Permission bits of unix sockets in `listen`.")
    socket_group: str = key(
        ACCOUNT, "", "The group of those sockets: the proxy's. Empty: Postmill's own group."
    )
    certificate: str = key(
        PATH, "", "File with the TLS certificate and those between it and its root. Empty: no TLS."
    )
    key_file: str = key(
        PATH, "", "File with the certificate's private key. Empty: it is in the same file as the certificate."
    )
    hosts: tuple[str, ...] = key(
        ListOf(Text(r"[A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:.]+\]", "a host name without port")),
        [],
        "Names by which browsers reach it, beside localhost and the addresses in `listen`. Requests for "
        "other names are refused, so that no foreign page can use somebody's browser to get in.",
    )
    session_timeout: float = key(Duration(60), "12h", "How long after a login one has to log in again.")
    idle_timeout: float = key(Duration(60), "1h", "The same after a time without a click.")
    trusted_proxies: tuple[str, ...] = key(
        ListOf(Text(r"unix|[0-9a-fA-F:.]+", 'an address, or "unix"')),
        [],
        "Whose `X-Forwarded-For`, `X-Forwarded-Proto` and `user_header` are believed: addresses of proxies, "
        'and `"unix"` for whoever connects to a unix socket in `listen`.',
    )
    user_header: str = key(
        Text(r"([A-Za-z][A-Za-z0-9-]*)?", 'the name of a header, or ""'),
        "",
        "The header in which a trusted proxy names the user that it has authenticated, such as "
        "`X-Remote-User`. The proxy must remove it from what clients send. Empty: there is none.",
    )
    proxy_role: str = key(
        Choice(("none", "viewer", "operator")),
        "none",
        "The role of users whom the proxy names and who are not in `user`.",
    )
    samples: Endpoint | None = key(
        InetSocket(),
        "",
        "An SMTP server to which operators may send sample mails from a page of their own: clean, spam "
        "(GTUBE), a virus (EICAR), from a newcomer. For demonstrations and trials. Empty: there is no such "
        "page.",
    )
    user: tuple[WebUser, ...] = key(ListOf(Table(WebUser)), [], "Who may use it: tables `[[web.user]]`.")

"""The settings as frozen values, and the schema: each field carries its kind, default and meaning.

This is the one place where a setting is written down. Reading a file, its error messages, ``postmill config
show`` and ``describe`` and the reference page all derive from these fields. To add a setting, add a field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postmill.api.conditions import Use
from postmill.api.kinds import (
    ACCOUNT,
    PATH,
    Choice,
    Count,
    Duration,
    Flag,
    ListOf,
    LocalSocket,
    Macros,
    Mode,
    SetOf,
    Size,
    Socket,
    Text,
)
from postmill.api.milter import Milter
from postmill.api.settings import key, required, section
from postmill.api.urls import Url
from postmill.config.conditions import Named, When, Wish
from postmill.config.observing import (
    GraphsSettings,
    HistorySettings,
    MetricsSettings,
    TracingSettings,
    WebSettings,
)
from postmill.config.positions import Path
from postmill.wire.endpoint import Endpoint

_OPERATOR = Text(
    r"%?[A-Za-z0-9_][A-Za-z0-9_.-]*\$?", 'the name or number of a user, or of a group with "%" in front'
)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for one milter, in seconds."""

    connect: float = key(Duration(), "5s", "For a connection to the milter.")
    command: float = key(
        Duration(),
        "25s",
        "For the answer to the negotiation, and to each envelope command: connect, HELO, MAIL, RCPT, DATA.",
    )
    content: float = key(
        Duration(), "300s", "For each answer while the message is handed over: headers, body, end of message."
    )


@dataclass(frozen=True, slots=True)
class Breaker:
    """When to stop trying a milter that is down, and when to try again."""

    failures: int = key(
        Count(1),
        3,
        "Failures in a row after which the milter is not tried; of a `[[filter]]`, only time-outs count.",
    )
    retry: float = key(
        Duration(),
        "1s",
        "How long after that the first trial connection is made; doubles with each that fails.",
    )
    retry_max: float = key(
        Duration(), "4s", "The longest time between two trials: how late a milter's return may be noticed."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSettings:
    """How to treat one milter, wherever it runs."""

    name: str
    description: str = key(
        Text(r"[^\x00-\x1f\x7f]*", "a string without line ends and control characters"),
        "",
        "What the milter is for, in your words.",
    )
    mode: str = key(
        Choice(("enforce", "evaluate", "off")),
        "enforce",
        "`enforce` applies its verdicts and edits; `evaluate` asks it and records what it says but applies "
        "nothing; `off` does not ask it.",
    )
    on_error: str = key(
        Choice(("accept", "tempfail", "reject", "discard", "quarantine", "shutdown")),
        "tempfail",
        "What becomes of the mail when the milter cannot be reached, times out, closes or breaks the "
        "protocol. The words mean what they mean in Postfix's `milter_default_action`: `accept` goes on "
        "without this milter, `tempfail` answers 451, `reject` 550, `quarantine` holds the message, "
        "`shutdown` answers 421 and ends the SMTP session. `discard` takes the message and drops it.",
    )
    timeouts: Timeouts = section(Timeouts, "How long to wait for this milter.")
    content: str = key(
        Choice(("in-turn", "parallel")),
        "in-turn",
        "`in-turn` shows this milter the message as the ones before it have edited it. `parallel` declares "
        "it independent of their edits, so that it may read the message at the same time as they do.",
    )
    order: int = key(
        Count(-1_000_000),
        0,
        "Where this milter stands in the row of milters, lowest first; among equals the one written first.",
        when_absent="its position in the file, from 1; all `[[filter]]` are counted before all milters",
    )
    when: tuple[Wish, ...] = key(
        When(),
        [],
        "The conditions under which this milter is asked; all of them must hold. Each is decided as soon as "
        "enough of the mail is known, and a milter left out by one is not connected to. Empty: always.",
    )
    breaker: Breaker = section(Breaker, "When to stop trying this milter while it is down.")
    macros: Mapping[str, Mapping[str, str]] = key(
        Macros(),
        {},
        "Macros this milter gets besides those of the MTA, for each stage; they replace those of the same "
        "name.",
    )
    conditions: tuple[Use, ...] = ()
    """What ``when`` means."""

    @property
    def path(self) -> Path:
        """Where it stands in the configuration."""
        raise NotImplementedError

    @property
    def where(self) -> str:
        """Where it runs: its socket, or what it is inside Postmill."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class MilterSettings(ChildSettings):
    """A milter behind a socket: where it is and how to treat it."""

    socket: Endpoint = required(Socket(), "Where the milter listens.")
    pipeline: bool = key(
        Flag(), True, "Hand over headers, body and end of message without waiting for an answer to each part."
    )
    pool: bool = key(
        Flag(),
        False,
        "Keep the connection to the milter after a session and use it for the next one (QUIT_NC). Each "
        "milter is tried first, and one that does not honour it, or negotiates more than plain events, is "
        "not kept.",
    )
    pool_size: int = key(Count(1), 8, "With `pool`: idle connections kept, for each worker process.")
    pool_idle: float = key(Duration(), "60s", "With `pool`: how long an idle connection is kept.")
    max_sessions: int = key(
        Count(0),
        0,
        "Sessions this milter handles at the same time, for each worker process; more wait. 0: no bound.",
    )

    @property
    def path(self) -> Path:
        """See ``ChildSettings``."""
        return ("milters", self.name)

    @property
    def where(self) -> str:
        """See ``ChildSettings``."""
        return str(self.socket)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSettings(ChildSettings):
    """A milter that runs inside Postmill."""

    use: str = required(
        Text(
            r"[^\s\0]+",
            'the name of a built-in filter, such as "greylist", "MODULE:NAME" or "/FILE.py:NAME"',
        ),
        "Which milter to run: the name of a built-in one, or module (or file) and variable of one written "
        "with Postmill's API.",
    )
    order: int = key(
        Count(-1_000_000),
        0,
        "Where this filter stands in the row of milters, lowest first; of one order, filters go before "
        "milters.",
        when_absent="its position among the filters of the file, from 1; that of `dkim-sign` is 800",
    )
    milter: Milter
    settings: Any = None
    """An object of the milter's own class of settings."""
    prepared: Any = None
    """What the milter made of them."""
    place: int = 0
    """Its position among the filters of the file, from 0."""

    @property
    def path(self) -> Path:
        """See ``ChildSettings``."""
        return ("filter", self.place)

    @property
    def where(self) -> str:
        """See ``ChildSettings``."""
        return f"inside: {self.use}"

    @property
    def pipeline(self) -> bool:
        """Whether a message comes in one burst: a verdict within it gives up the session, and its state.

        Without, it comes in two pieces if headers are judged and in one if not: no MTA or socket is between.
        """
        return self.milter.session is None

    @property
    def pool(self) -> bool:
        """There is no link that would be worth keeping."""
        return False


Child = MilterSettings | FilterSettings
"""What stands in the row of those that are asked."""


@dataclass(frozen=True, slots=True)
class ManagerSettings:
    """How Postmill itself listens, runs and answers the MTA."""

    listen: tuple[Endpoint, ...] = key(
        ListOf(Socket(), 1, "a list of sockets"),
        ["unix:/run/postmill/postmill.sock"],
        "Where the MTA finds Postmill. Sockets handed over by systemd socket activation take precedence.",
    )
    socket_mode: int = key(
        Mode(), "0660", "Permission bits of the unix sockets in `listen`, set before they appear."
    )
    socket_group: str = key(
        ACCOUNT,
        "",
        "The group of the unix sockets in `listen`: the one that the MTA runs in, which is `postfix` for "
        "Postfix on Debian. Empty: Postmill's own group.",
    )
    user: str = key(
        ACCOUNT, "", "The user to become after the sockets are open. Empty: stay who started Postmill."
    )
    group: str = key(ACCOUNT, "", "The group to become. Empty: the user's own.")
    workers: int = key(
        Count(0, 1024), 0, "Worker processes that share the listeners. 0: one for each processor core."
    )
    detect: bool = key(
        Flag(),
        False,
        "Find the milters installed on this machine and use those that it starts, at their sockets, in their "
        "usual order and under their usual conditions. A table `[milters.NAME]` changes single keys of one "
        'that was found; `mode = "off"` takes it out. `postmill detect` shows what is found.',
    )
    ask: str = key(
        Choice(("parallel", "in-turn")),
        "parallel",
        "`parallel` asks all milters at once at connect, HELO, MAIL and DATA, and lets one that cannot edit "
        "read the message beside the next. `in-turn` asks one after another at every stage, as Postfix does. "
        "The MTA gets the same answers either way; RCPT and unknown commands always go in turn.",
    )
    mta: str = key(
        Choice(("auto", "postfix", "sendmail")),
        "auto",
        "The MTA's dialect: how header positions are counted and when progress may be reported. `auto` "
        "tells it by the macros.",
    )
    mta_processes: int = key(
        Count(0),
        0,
        "SMTP server processes that the MTA may run at most, for the conditions that go by its load. 0: what "
        "Postfix's own configuration says, when Postmill starts or reloads.",
    )
    max_connections: int = key(
        Count(1), 4096, "Connections from the MTA at the same time, for each worker process; more wait."
    )
    max_message_size: int = key(
        Size(),
        "0",
        "Messages with a larger body are not shown to milters but refused (552 5.3.4). 0: no limit.",
    )
    spool_threshold: int = key(
        Size(), "1MB", "Bodies above this size are kept in a temporary file, not in memory."
    )
    spool_directory: str = key(
        PATH, "", "Where those files are made. Empty: the system's temporary directory."
    )
    progress_interval: float = key(
        Duration(), "8s", "While milters are busy, how often the MTA is told so that it goes on waiting."
    )
    condition_timeout: float = key(
        Duration(),
        "10s",
        "How long conditions that have to wait, for DNS, may take for one decision; then they have failed, "
        "and the milter's `on_error` decides.",
    )
    drain_timeout: float = key(
        Duration(),
        "60s",
        "At a stop, how long sessions under way may take to finish before they are cut.",
    )
    pid_file: str = key(PATH, "", "Where to write the process id of the parent process. Empty: nowhere.")
    same_as_postfix: frozenset[str] = key(
        SetOf(Choice(("quarantine", "lost-edits", "shutdown", "unknown-verdicts", "reply-text"))),
        [],
        "Where to do exactly as Postfix does with its own milters although Postmill has a safer way; see "
        "`docs/differences.md`.",
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What Postmill writes about its work, and where."""

    level: str = key(
        Choice(("debug", "info", "warning", "error")), "info", "The least important lines still written."
    )
    format: str = key(
        Choice(("human", "json")), "human", "Lines for people, or one JSON object on each line."
    )
    to: str = key(
        Choice(("stderr", "journal", "syslog")),
        "stderr",
        "The standard error output, the systemd journal with its fields, or syslog (facility mail).",
    )


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """Where the running daemon is asked and told things, and who may tell it."""

    socket: Endpoint | None = key(
        LocalSocket(),
        "unix:/run/postmill/control.sock",
        "Where `postmill status`, `reload`, `stop` and their like find the daemon. When it cannot be made, "
        "say because its directory is not there, that is logged, and mail goes on. Empty: none.",
    )
    socket_mode: int = key(
        Mode(), "0660", "Permission bits of that socket: who may write to it can see the status."
    )
    socket_group: str = key(ACCOUNT, "", "The group of that socket. Empty: Postmill's own group.")
    operators: tuple[str, ...] = key(
        ListOf(_OPERATOR),
        [],
        "Who may also change something, beside root and the user that Postmill runs as: users, and groups "
        'written `"%group"`. They must be able to reach the socket, too.',
    )


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where filters keep what they have to remember."""

    url: str = key(
        Url(r"[a-z+]+:\S*", 'a URL such as "sqlite:/path", "postgresql://…", "redis://…" or "memory:"'),
        "sqlite:/var/lib/postmill/state.db",
        "The store, opened when a filter first uses it: a file for one machine (`sqlite:/path`), a "
        "PostgreSQL "
        "(`postgresql://user@host/database`) or a Redis or Valkey server (`redis://host:6379/0`) for "
        "several, or "
        "`memory:`, which forgets.",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration; milters, and filters, stand in the order in which they are asked."""

    manager: ManagerSettings = section(ManagerSettings, "Postmill itself.")
    log: LogSettings = section(LogSettings, "Logging.")
    control: ControlSettings = section(ControlSettings, "The control socket.")
    store: StoreSettings = section(StoreSettings, "The memory of filters.")
    history: HistorySettings = section(HistorySettings, "What happened to each message.")
    metrics: MetricsSettings = section(MetricsSettings, "Numbers for monitoring.")
    tracing: TracingSettings = section(TracingSettings, "Traces of messages.")
    graphs: GraphsSettings = section(GraphsSettings, "Where graphs are drawn.")
    web: WebSettings = section(WebSettings, "The dashboard.")
    milters: tuple[MilterSettings, ...] = ()
    filters: tuple[FilterSettings, ...] = ()
    conditions: tuple[Named, ...] = ()
    """Conditions that are used by name, or have a table."""

    @property
    def children(self) -> tuple[Child, ...]:
        """All milters in the order in which they are asked; of one order, those inside Postmill go first."""
        row: tuple[Child, ...] = (*self.filters, *self.milters)
        return tuple(sorted(row, key=lambda child: child.order))

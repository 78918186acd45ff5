"""What the administrator wants of ``clamav``, read and ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from postmill.api import Client, Endpoint, Reject, key
from postmill.api.kinds import Choice, Duration, Flag, ListOf, Size, Socket, Text
from postmill.api.mail_kinds import IPNetwork, Network
from postmill.filters._posix import Regex
from postmill.filters._services import Service
from postmill.filters.clamav.clamd import LONGEST_NAME

_PATH = Text(r"(/[^\0]*)?", 'an absolute path, or "" for none')


@dataclass(frozen=True, slots=True)
class Settings:
    """The keys of ``[filter.settings]``; the words in brackets are those of clamav-milter.conf."""

    clamd: tuple[Endpoint, ...] = key(
        ListOf(Socket(), 1),
        ["unix:/run/clamav/clamd.ctl"],
        "Where clamd listens; of several, one that does not answer is asked last for half a minute "
        "(ClamdSocket).",
    )
    file: str = key(
        _PATH,
        "",
        "A configuration of clamav-milter: what it says takes the place of the keys here, what it leaves "
        "out has the default that it has there. Only `patience` and the connect time-out are ours alone. "
        "Its OnFail is the filter's `on_error`, unless that is given.",
    )
    on_infected: str = key(
        Choice(("reject", "quarantine", "discard", "tempfail", "accept")),
        "reject",
        "What becomes of a message with a virus (OnInfected: Reject, Quarantine, Blackhole, Defer, Accept).",
    )
    reject_text: str = key(
        Text(),
        "5.7.1 Virus %v found",
        "What the client is told of a rejected message; `%v` is the name of the virus (RejectMsg). Empty: "
        "the MTA's own words.",
    )
    add_header: str = key(
        Choice(("no", "add", "replace")),
        "no",
        "Whether `X-Virus-Scanned` and `X-Virus-Status` are added, or replace those that are there "
        "(AddHeader).",
    )
    report_hostname: str = key(
        Text(r"[^\s]*"), "", "The host name in `X-Virus-Scanned`. Empty: that of the MTA (ReportHostname)."
    )
    local_networks: tuple[IPNetwork, ...] = key(
        ListOf(Network()), [], "Networks whose mail is not looked at (LocalNet)."
    )
    skip_local: bool = key(
        Flag(),
        False,
        "Whether mail submitted on the mail host itself is not looked at: from `localhost` without an "
        "address (LocalNet local).",
    )
    skip_authenticated: str = key(
        Text(),
        "",
        "Mail of users whose name this extended regular expression of POSIX matches is not looked at "
        "(SkipAuthenticated).",
    )
    allow_list: str = key(
        _PATH,
        "",
        "A file of basic regular expressions of POSIX, one on a line, `From:` or `To:` in front: senders, "
        "and recipients if all of them match, whose mail is not looked at. They see addresses in angle "
        "brackets, `<joe@example.org>` (AllowList, Whitelist).",
    )
    max_file_size: int = key(
        Size(),
        "25MB",
        "Of larger messages only so many bytes are looked at, less the 19 of a line by which clamd knows a "
        "mail, and `X-Virus-Status` says so. 0: no limit (MaxFileSize).",
    )
    virus_action: str = key(
        _PATH,
        "",
        "A program that is run for each message with a virus: its name, queue id, sender, recipient, "
        "subject, message id and date are its arguments. The mail waits for it, for half a minute at "
        "most; then it is ended (VirusAction).",
    )
    each_recipient: bool = key(
        Flag(),
        False,
        "Whether `virus_action` is run for each recipient, one after the other, and not only for the last "
        "(SupportMultipleRecipients).",
    )
    patience: float = key(
        Duration(0.0),
        "10s",
        "How long a clamd that does not answer, because it is being restarted say, is tried again before "
        "`on_error` decides.",
    )
    connect_timeout: float = key(Duration(), "5s", "For a connection to clamd.")
    timeout: float = key(Duration(), "120s", "For clamd to take and judge one message (ReadTimeout).")


@dataclass(frozen=True, slots=True)
class FileSettings(Settings):
    """Those that clamav-milter's own file means."""

    on_fail: str = ""
    """What it says of mail that no clamd can look at, as a word of ``on_error`` (OnFail)."""


class Policy:
    """The settings with what they name: lists that were read, expressions, clamd."""

    def __init__(self, settings: Settings, senders: Sequence[Regex], recipients: Sequence[Regex]) -> None:
        """Take the settings and the expressions of the allow list."""
        self.settings = settings
        self.clamd = Service("clamd", settings.clamd, settings.connect_timeout, settings.timeout)
        self._senders = tuple(senders)
        self._recipients = tuple(recipients)
        users = settings.skip_authenticated
        self._users = _compile(users, True, "skip_authenticated") if users else None

    @property
    def on_fail(self) -> str:
        """What clamav-milter's file says of mail that no clamd can look at; empty without one."""
        return self.settings.on_fail if isinstance(self.settings, FileSettings) else ""

    @property
    def knows_clients(self) -> bool:
        """Whether mail of some clients need not be looked at."""
        return self.settings.skip_local or bool(self.settings.local_networks)

    @property
    def knows_senders(self) -> bool:
        """Whether mail of some users or senders need not be looked at."""
        return self._users is not None or bool(self._senders)

    @property
    def knows_recipients(self) -> bool:
        """Whether some recipients want their mail as it is."""
        return bool(self._recipients)

    def is_local(self, client: Client) -> bool:
        """Tell whether a client is one whose mail need not be looked at."""
        if client.ip is None:
            return self.settings.skip_local and client.name.lower() == "localhost"
        return any(client.ip in network for network in self.settings.local_networks)

    def skips_user(self, user: str | None) -> bool:
        """Tell whether mail of this user is not looked at."""
        return user is not None and self._users is not None and self._users.matches(user)

    def allows_sender(self, address: str) -> bool:
        """Tell whether mail from this address is not looked at."""
        return _matches(self._senders, address)

    def allows_recipients(self, addresses: Sequence[str]) -> bool:
        """Tell whether all these want their mail as it is."""
        return bool(addresses) and all(_matches(self._recipients, address) for address in addresses)


def _matches(patterns: Sequence[Regex], address: str) -> bool:
    return any(pattern.matches(f"<{address}>") for pattern in patterns)


def policy_of(settings: Settings) -> Policy:
    """Read what settings name; raises ValueError or OSError when it cannot be used."""
    Reject(settings.reject_text.replace("%v", "x" * LONGEST_NAME))
    senders, recipients = read_allow_list(settings.allow_list) if settings.allow_list else ([], [])
    return Policy(settings, senders, recipients)


def read_allow_list(file: str) -> tuple[list[Regex], list[Regex]]:
    """Return the expressions for senders and those for recipients; ValueError names the line."""
    senders: list[Regex] = []
    recipients: list[Regex] = []
    for number, line in enumerate(
        Path(file).read_text(encoding="utf-8", errors="surrogateescape").splitlines(), 1
    ):
        if not line.strip() or line[0] in "#:!":
            continue
        field, colon, rest = line.strip().partition(":")
        named = bool(colon) and field.lower() in ("from", "to")
        text = rest if named else line.strip()
        if not text:
            raise ValueError(f"{file}:{number}: {line.strip()!r} would be true of everybody")
        pattern = _compile(text, False, f"{file}:{number}")
        (senders if named and field.lower() == "from" else recipients).append(pattern)
    return senders, recipients


def _compile(text: str, extended: bool, where: str) -> Regex:
    try:
        return Regex(text, extended, gnu=False)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error

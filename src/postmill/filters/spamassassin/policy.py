"""What the administrator wants of ``spamassassin``."""

from __future__ import annotations

from dataclasses import dataclass

from postmill.api import Address, Client, Endpoint, Reject, key
from postmill.api.kinds import Choice, Duration, Flag, ListOf, Size, Socket, Text
from postmill.api.mail_kinds import IPNetwork, Network
from postmill.filters._services import Service
from postmill.filters.spamassassin.expansion import check_program
from postmill.filters.spamassassin.spamd import Judgement


@dataclass(frozen=True, slots=True)
class Score:
    """The kind of ``reject_score``."""

    allowed: str = 'a number, or "spam" or "never"'

    def parse(self, raw: object) -> float:
        """See ``Kind``; never is infinity, and all spam is less than everything."""
        if raw == "never":
            return float("inf")
        if raw == "spam" or (raw == -1 and not isinstance(raw, bool)):  # -1 is what spamass-milter calls it
            return float("-inf")
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not abs(raw) < 1e6:
            raise ValueError
        return float(raw)

    def show(self, value: float) -> str:
        """See ``Kind``."""
        return {float("-inf"): '"spam"', float("inf"): '"never"'}.get(value, f"{value!r}")


@dataclass(frozen=True, slots=True)
class Settings:
    """The keys of ``[filter.settings]``; the letters in brackets are the options of spamass-milter."""

    spamd: tuple[Endpoint, ...] = key(
        ListOf(Socket(), 1),
        ["inet:783@127.0.0.1"],
        "Where spamd listens; of several, one that does not answer is asked last for half a minute (-d, "
        "-p, -U of spamc).",
    )
    reject_score: float = key(
        Score(),
        "never",
        'From which score on a message is refused; "spam", or -1: all that spamd calls spam (-r, -r -1).',
    )
    reject_text: str = key(
        Text(),
        "5.7.1 Blocked by SpamAssassin",
        "What the client is told of a refused message (-R, and -C for the code).",
    )
    modify: str = key(
        Choice(("headers", "all", "nothing")),
        "headers",
        "What of SpamAssassin's message is taken over: its `X-Spam-` headers (-m), those and Subject, "
        "Content-Type and body if it changed them, or nothing (-M).",
    )
    ignore: tuple[IPNetwork, ...] = key(ListOf(Network()), [], "Networks whose mail is not looked at (-i).")
    skip_authenticated: bool = key(
        Flag(), False, "Whether mail of users who logged in is not looked at (-a)."
    )
    user: str = key(
        Text(r"[^\s\0]*"),
        "",
        "With whose preferences, and whose Bayes database, spamd judges all messages (-u of spamc; without "
        "it, and without -u of spamass-milter, the account that spamass-milter runs as).",
    )
    default_user: str = key(
        Text(r"[^\s\0]*"),
        "",
        "In place of `user`: with whose preferences spamd judges a message to several recipients, while one "
        "to a single recipient is judged with those of its local part (-u). Both empty: spamd's own user.",
    )
    full_address: bool = key(
        Flag(),
        False,
        "With `default_user`: whether a recipient's preferences are found by the whole address (-e).",
    )
    expand: str = key(
        Text(r"(/[^\0]*)?", 'an absolute path, or "" for none'),
        "",
        "With `default_user`: the program `sendmail` of Sendmail, which is asked (`-bv`) whose the mail of a "
        "single recipient is in the end, by aliases and virtual users; if that is one user, it is his "
        "preferences that count (-x, and -S for the path). Not Postfix's.",
    )
    spam_to: str = key(Text(r"[^\s\0]*"), "", "To whom spam that is not refused is sent instead (-b).")
    spam_copy: bool = key(Flag(), False, "With `spam_to`: whether the recipients get it, too (-B).")
    max_size: int = key(
        Size(),
        "500KB",
        "Messages that are larger are let through without a look, and without the `X-Spam-` headers of their "
        'sender, unless `modify` is "nothing"; 0: no limit (-s of spamc).',
    )
    patience: float = key(
        Duration(0.0), "2s", "How long a spamd that does not answer is tried again before `on_error` decides."
    )
    connect_timeout: float = key(Duration(), "5s", "For a connection to spamd.")
    timeout: float = key(Duration(), "120s", "For spamd to take and judge one message.")


class Policy:
    """The settings with what they name."""

    def __init__(self, settings: Settings) -> None:
        """Raise ValueError for texts and addresses that no mail can have, and programs that cannot be run."""
        Reject(settings.reject_text)
        if settings.spam_to and not Address.parse(settings.spam_to).domain:
            raise ValueError(f"spam_to: {settings.spam_to!r} is no address")
        if settings.user and settings.default_user:
            raise ValueError("user is the one for all: it cannot be there beside default_user")
        if settings.expand:
            if not settings.default_user:
                raise ValueError("expand needs default_user: without it one user is the one for all")
            check_program(settings.expand)
        self.settings = settings
        self.spamd = Service("spamd", settings.spamd, settings.connect_timeout, settings.timeout)

    def ignores(self, client: Client) -> bool:
        """Tell whether a client is one whose mail need not be looked at."""
        return client.ip is not None and any(client.ip in network for network in self.settings.ignore)

    def rejects(self, said: Judgement) -> bool:
        """Tell whether a message is to be refused."""
        limit = self.settings.reject_score
        return said.is_spam if limit == float("-inf") else said.score >= limit

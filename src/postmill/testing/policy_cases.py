"""Cases for a policy, as TOML: a mail, what fake milters answer, and what is expected of the chain.

    [[case]]
    name = "a listed client meets greylisting"
    client = { name = "unknown", address = "192.0.2.5" }
    dns = { "5.2.0.192.dnsbl.example" = ["127.0.0.2"] }
    answers.milter-greylist = { rcpt = "451 4.7.1 later" }
    expect = { run = ["milter-greylist"], verdict = "tempfail", by = "milter-greylist" }

Here they are read; ``policy_playing`` plays them. The words for replies and edits are those of ``words``.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from postmill.api.kinds import Choice, Count, ListOf, Macros, Text
from postmill.api.settings import key, required, section
from postmill.config import ConfigErrors
from postmill.config.positions import key_lines
from postmill.config.tables import Reader, read_table
from postmill.errors import ConfigError
from postmill.testing.script import Negotiation, Rule, Script, Send
from postmill.testing.words import NotationError, edit, reply, stage_letter
from postmill.wire.codes import ALL_ACTIONS

VERDICTS = ("accept", "reject", "tempfail", "discard", "quarantine", "shutdown")


@dataclass(frozen=True, slots=True)
class Answers:
    """The kind of ``answers``: milter → stage → what it says there."""

    allowed: str = (
        'a table of milters, each a table of stages and what it says there, such as { rcpt = "451 4.7.1 '
        'later" } or { end-of-message = ["add-header:X-Spam: yes", "550 5.7.1 spam"] }'
    )

    def parse(self, raw: Any) -> Mapping[str, Script]:
        """See ``Kind``."""
        if not isinstance(raw, dict) or not all(isinstance(stages, dict) for stages in raw.values()):
            raise ValueError
        return {name: self._script(stages) for name, stages in raw.items()}

    @staticmethod
    def _script(stages: Mapping[str, Any]) -> Script:
        try:
            rules = tuple(Rule(stage_letter(stage), _steps(said)) for stage, said in stages.items())
        except NotationError as error:
            raise ValueError(str(error)) from error
        return Script(Negotiation(actions=int(ALL_ACTIONS)), rules)

    def show(self, value: Mapping[str, Script]) -> str:
        """See ``Kind``; only the empty table is ever shown, as the default."""
        assert not value
        return "{}"


def _steps(said: Any) -> tuple[Send, ...]:
    words = [said] if isinstance(said, str) else said
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise NotationError("what a milter says must be a string or a list of strings")
    *edits, verdict = words
    return (*map(edit, edits), reply(verdict))


@dataclass(frozen=True, slots=True)
class Names:
    """The kind of a table of names and strings, or lists of strings."""

    allowed: str
    lists: bool = False

    def parse(self, raw: Any) -> Mapping[str, Any]:
        """See ``Kind``."""
        if not isinstance(raw, dict):
            raise ValueError
        for value in raw.values():
            right = isinstance(value, list) and all(isinstance(one, str) for one in value)
            if not (right if self.lists else isinstance(value, str)):
                raise ValueError
        return dict(raw)

    def show(self, value: Mapping[str, Any]) -> str:
        """See ``Kind``; only the empty table is ever shown, as the default."""
        assert not value
        return "{}"


@dataclass(frozen=True, slots=True)
class Moment:
    """The kind of a point in time."""

    allowed: str = "a date and time with its offset, such as 2026-11-26T12:00:00+01:00"

    def parse(self, raw: Any) -> datetime | None:
        """See ``Kind``."""
        if raw == "":
            return None
        moment = datetime.fromisoformat(raw) if isinstance(raw, str) else raw
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise ValueError
        return moment

    def show(self, value: datetime | None) -> str:
        """See ``Kind``."""
        return '""' if value is None else value.isoformat()


@dataclass(frozen=True, slots=True)
class CaseClient:
    """Who connects."""

    name: str = key(Text(), "client.example.com", "Host name as the MTA verified it, or `unknown`.")
    address: str = key(Text(), "192.0.2.1", 'Its IPv4 or IPv6 address; "" for a local submission.')
    port: int = key(Count(0, 65535), 50025, "Its port.")


@dataclass(frozen=True, slots=True)
class CaseLoad:
    """How busy the mail host is."""

    sessions: int = key(Count(0), 1, "Sessions open.")
    limit: int = key(Count(0), 100, "SMTP server processes that the MTA may run.")


@dataclass(frozen=True, slots=True)
class Expected:
    """What the chain is to do."""

    run: tuple[str, ...] | None = field(
        default=None,
        metadata={
            "kind": ListOf(Text()),
            "doc": "The milters that are asked about the mail, in any order. Not given: not looked at.",
            "when_absent": "not looked at",
        },
    )
    skipped: Mapping[str, str] = key(
        Names("a table of milters and words of the reason they are left out for"),
        {},
        "Milters that are left out, and words that stand in the reason.",
    )
    verdict: str = key(
        Choice(("", *VERDICTS)), "", "What becomes of the mail, or of its recipients. Empty: not looked at."
    )
    by: str = key(Text(), "", "The milter whose verdict it is. Empty: not looked at.")
    reply: str = key(Text(), "", "Words that stand in what the SMTP client is told.")


@dataclass(frozen=True, slots=True)
class Case:
    """One mail and what is expected."""

    name: str = required(Text(r"[\s\S]+", "a name"), "What the case shows.")
    client: CaseClient = section(CaseClient, "Who connects.")
    helo: str = key(Text(), "client.example.com", "What it calls itself.")
    user: str = key(Text(), "", "Who it logged in as. Empty: nobody.")
    sender: str = key(Text(), "sender@example.com", 'MAIL FROM, without brackets; "" is the null sender.')
    size: int = key(Count(0, 2**40), 0, "The SIZE that the client announces; 0: it does not.")
    recipients: tuple[str, ...] = key(ListOf(Text(), 1), ["user@example.org"], "RCPT TO, without brackets.")
    message: str = key(Text(r"[\s\S]*"), "", "The message, headers and body. Empty: a short one.")
    file: str = key(Text(), "", "A file with the message instead, relative to the file of the case.")
    mta: str = key(Choice(("postfix", "sendmail")), "postfix", "Whose habits the MTA has.")
    macros: Mapping[str, Mapping[str, str]] = key(Macros(), {}, "Further macros of the MTA, for each stage.")
    dns: Mapping[str, list[str]] = key(
        Names("a table of names and lists of their A records or TXT texts", lists=True),
        {},
        "What DNS knows; every other name does not exist, and a name with an empty list fails.",
    )
    now: datetime | None = key(Moment(), "", "The time. Empty: the present time.")
    load: CaseLoad = section(CaseLoad, "How busy the mail host is.")
    answers: Mapping[str, Script] = key(Answers(), {}, "What milters say; those not named say continue.")
    expect: Expected = section(Expected, "What the chain is to do.")


@dataclass(frozen=True, slots=True)
class Placed:
    """A case and where it stands."""

    case: Case
    file: str
    line: int


def load_cases(path: str | os.PathLike[str]) -> list[Placed]:
    """Read the cases of one file; raises ConfigErrors with every mistake in it."""
    file = os.fspath(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigErrors([ConfigError(f"cannot be read: {error}", file=file)]) from error
    reader = Reader(file, key_lines(text))
    for name in set(document) - {"case"}:
        reader.problem((name,), "unknown key", "a file of cases holds [[case]] tables only")
    tables = document.get("case", [])
    if not isinstance(tables, list):
        reader.problem(("case",), "must be a list of tables", "write [[case]]")
        tables = []
    cases = [read_table(reader, Case, ("case", index), table) for index, table in enumerate(tables)]
    if reader.problems:
        raise ConfigErrors(reader.problems)
    lines = [reader.at(("case", index), "").line for index in range(len(cases))]
    return [Placed(case, file, line) for case, line in zip(cases, lines, strict=True) if case is not None]

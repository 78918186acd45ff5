"""What a greylist.conf says, as frozen values: rules, their clauses and actions, the settings around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from postmill.filters.greylist.patterns import Regex

MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Comparison:
    """A number with its operator, as ``>= 100k`` is."""

    operator: str
    number: int

    def holds(self, value: int) -> bool:
        """Tell whether ``value`` compares so."""
        sign = (value > self.number) - (value < self.number)
        wanted = {"==": (0,), "!=": (-1, 1), "<": (-1,), ">": (1,), "<=": (-1, 0), ">=": (0, 1)}
        return sign in wanted[self.operator]


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes, hours, days of the month, months, days of the week (0 is Sunday), as crontab(5) has them."""

    fields: tuple[frozenset[int], frozenset[int], frozenset[int], frozenset[int], frozenset[int]]

    def holds(self, when: tuple[int, int, int, int, int]) -> bool:
        """Tell whether each part of the time is in its field."""
        return all(part in allowed for part, allowed in zip(when, self.fields, strict=True))


@dataclass(frozen=True, slots=True)
class Dnsrbl:
    """``dnsrbl "NAME" zone address[/bits]``: which answers of a zone count."""

    name: str
    zone: str
    answers: IPv4Network


@dataclass(frozen=True, slots=True)
class MacroIs:
    """``sm_macro "NAME" "{macro}" value``: what a macro of the MTA must be; None: it must not be there."""

    name: str
    macro: str
    value: str | Regex | None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """``ratelimit "NAME" rcpt 10 / 1m key "%i"``: matches what goes beyond so many in so many seconds."""

    name: str
    counts: str
    """``rcpt``, ``session`` or ``data``."""
    most: int
    seconds: int
    key: str = "%i"


Item = str | Regex | IPv4Network | IPv6Network | Comparison | Hours | Dnsrbl | MacroIs | RateLimit | int
"""What one clause compares with; ``int`` are seconds or bits."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition of a rule; it holds when one of its items does, or none if ``negated``."""

    kind: str
    items: tuple[Item, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Actions:
    """What a rule says besides its verdict; None: as the settings have it."""

    delay: int | None = None
    """Seconds."""
    autowhite: int | None = None
    """Seconds."""
    code: str | None = None
    ecode: str | None = None
    msg: str | None = None
    report: str | None = None
    addheader: str | None = None
    addheader_index: int | None = None
    flushaddr: bool = False
    nolog: bool = False
    tarpit_scope: str | None = None
    maxpeek: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of an access list."""

    stage: str
    """``rcpt`` or ``data``."""
    verdict: str
    """``whitelist``, ``blacklist``, ``greylist`` or ``continue``."""
    clauses: tuple[Clause, ...]
    """None of them: it is the default."""
    actions: Actions
    line: int
    """Its last line."""
    id: str = ""

    @property
    def label(self) -> str:
        """Its name, else its line, for headers and log."""
        return self.id or str(self.line)


@dataclass(frozen=True, slots=True)
class Config:
    """A whole greylist.conf. What it does not say is as milter-greylist has it. Times are in seconds."""

    rules: tuple[Rule, ...] = ()
    delay: int = 30 * MINUTE
    autowhite: int = DAY
    timeout: int = 5 * DAY
    subnetmatch: int = 32
    subnetmatch6: int = 128
    tarpit_scope: str = "session"
    report: str = "all"
    maxpeek: int = -1
    """Bytes of the message that clauses look at; -1: all."""
    delayedreject: bool = False
    lazyaw: bool = False
    quiet: bool = False
    testmode: bool = False
    noauth: bool = False
    nospf: bool = False
    noaccessdb: bool = False
    domainexact: bool = False
    unbracket: bool = False
    geoipdb: str = ""
    localaddr: str = ""
    longest: int = 0
    """The longest delay of all rules."""
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def uses(self, kind: str) -> bool:
        """Tell whether some rule has a clause of that kind."""
        return any(clause.kind == kind for rule in self.rules for clause in rule.clauses)

    def of_stage(self, stage: str) -> tuple[Rule, ...]:
        """Return the rules of one stage, in their order."""
        return tuple(rule for rule in self.rules if rule.stage == stage)

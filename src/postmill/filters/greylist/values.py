"""What a greylist.conf says, as frozen values: rules, their clauses and actions, the settings around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from postmill.filters._posix import Regex

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


@dataclass(frozen=True, slots=True)
class Networks:
    """Many networks at once, asked for one address as quickly as a few."""

    places: Mapping[tuple[int, int], frozenset[int]]
    """Version of IP and bits behind the prefix, to the prefixes."""

    @classmethod
    def of(cls, networks: Iterable[IPv4Network | IPv6Network]) -> Networks:
        """Gather networks."""
        places: dict[tuple[int, int], set[int]] = {}
        for one in networks:
            behind = one.max_prefixlen - one.prefixlen
            places.setdefault((one.version, behind), set()).add(int(one.network_address) >> behind)
        return cls({place: frozenset(prefixes) for place, prefixes in places.items()})

    def __contains__(self, ip: IPv4Address | IPv6Address) -> bool:
        number = int(ip)
        return any(
            version == ip.version and number >> behind in prefixes
            for (version, behind), prefixes in self.places.items()
        )


@dataclass(frozen=True, slots=True)
class Addresses:
    """Many addresses of mail at once, bare and in lower case."""

    texts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Domains:
    """Many domains at once, each with those below it; of one with a leading dot only those below it."""

    entries: frozenset[str]
    """As ``find_domain`` takes them."""

    @classmethod
    def of(cls, names: Iterable[str]) -> Domains:
        """Gather domains."""
        return cls(frozenset(one for name in names for one in (name, "." + name.removeprefix("."))))


Item = (
    str
    | Regex
    | IPv4Network
    | IPv6Network
    | Networks
    | Addresses
    | Domains
    | Comparison
    | Hours
    | Dnsrbl
    | MacroIs
    | RateLimit
    | int
)
"""What one clause compares with; ``int`` are seconds or bits."""


def bare(address: str) -> str:
    """Return an address of mail as it is compared: without brackets, in lower case."""
    return address.strip("<> \t").lower()


def gathered(kind: str, items: Sequence[Item]) -> tuple[Item, ...]:
    """Return the items of a list, those of which there may be thousands as one."""
    if kind == "addr":
        return (Networks.of(one for one in items if isinstance(one, IPv4Network | IPv6Network)),)
    plain = [one for one in items if isinstance(one, str)]
    if kind not in ("from", "rawfrom", "rcpt") or not plain:
        return tuple(items)
    return (Addresses(frozenset(map(bare, plain))), *(one for one in items if not isinstance(one, str)))


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
    def texts(self) -> Iterator[str]:
        """All of it that may have substitutions."""
        yield from filter(None, (self.actions.msg, self.actions.report, self.actions.addheader))
        for item in (item for clause in self.clauses for item in clause.items):
            if isinstance(item, str | RateLimit):
                yield item if isinstance(item, str) else item.key

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

    @property
    def tells_country(self) -> bool:
        """Whether the client's country, ``%C``, may stand in a text."""
        return bool(self.geoipdb) and any("%C" in text for rule in self.rules for text in rule.texts)

    def of_stage(self, stage: str) -> tuple[Rule, ...]:
        """Return the rules of one stage, in their order."""
        return tuple(rule for rule in self.rules if rule.stage == stage)

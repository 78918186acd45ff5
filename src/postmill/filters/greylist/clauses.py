"""Reading the clauses of a rule, and the definitions of what they refer to by name (greylist.conf(5))."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from postmill.filters._posix import Regex
from postmill.filters.greylist.cursor import Cursor
from postmill.filters.greylist.values import (
    Clause,
    Comparison,
    Dnsrbl,
    Hours,
    Item,
    MacroIs,
    RateLimit,
    gathered,
)
from postmill.filters.greylist.words import Token

SPF_RESULTS = ("pass", "fail", "softfail", "neutral", "unknown", "error", "none", "self")
DKIM_RESULTS = ("pass", "fail", "unknown", "error", "none")
UNSUPPORTED = frozenset(["urlcheck", "ldapcheck", "p0f", "spamd", "nsupdate", "set", "rset"])
_STAGES = {"helo": "rcpt", "body": "data", "header": "data", "dkim": "data", "msgsize": "data"}
USERS = frozenset(["auth", "tls"])
"""Clauses about who has logged in, or shown a certificate."""
_UNIQUE = frozenset(["addr", "domain", "helo", "from", "rawfrom", "mx", "tarpit"])
"""Of these a rule has one in plain words and one regular expression; before them any number of lists."""
_LISTED = frozenset(
    [
        "helo",
        "from",
        "rawfrom",
        "rcpt",
        "domain",
        "dnsrbl",
        "body",
        "header",
        "sm_macro",
        "addr",
        "auth",
        "tls",
        "time",
        "geoip",
    ]
)
_QUOTED = 'a text in quotes, as "this", or a /regular expression/'
_Form = tuple[str, bool]
"""Kind of a clause, and whether it is a regular expression."""
_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


@dataclass(slots=True)
class Names:
    """What has been defined so far."""

    extended: bool = False
    """Regular expressions are extended ones from here on."""
    asks_users: bool = False
    """Some rule has a clause about users, not a list of them: they are no longer let through unasked."""
    lists: dict[str, tuple[str, tuple[Item, ...]]] = field(default_factory=dict)
    """Name to kind and items."""
    dnsrbl: dict[str, Item] = field(default_factory=dict)
    sm_macro: dict[str, Item] = field(default_factory=dict)
    ratelimit: dict[str, Item] = field(default_factory=dict)

    def define(self, cursor: Cursor, kind: str, item: Dnsrbl | MacroIs | RateLimit, token: Token) -> None:
        """Remember a definition; raises ConfigError where there is one of that name.

        Only an ``sm_macro`` with a value may take the place of another one, for the rules below it.
        """
        known = self.of(kind)
        if item.name in known and not (isinstance(item, MacroIs) and item.value is not None):
            raise cursor.error(f'{kind} "{item.name}" is defined twice', token)
        known[item.name] = item

    def of(self, kind: str) -> dict[str, Item]:
        """Return the definitions of a kind."""
        return {"dnsrbl": self.dnsrbl, "sm_macro": self.sm_macro, "ratelimit": self.ratelimit}[kind]


def read_clauses(cursor: Cursor, names: Names, stage: str) -> tuple[Clause, ...]:
    """Read all clauses of a rule of that stage."""
    found: list[Clause] = []
    forms: set[_Form] = set()
    while (clause := _clause(cursor, names, stage, forms)) is not None:
        found.append(clause)
    return tuple(found)


def _clause(cursor: Cursor, names: Names, stage: str, before: set[_Form]) -> Clause | None:
    negated = False
    while cursor.take_keyword("no", "not") or cursor.take_sign("!"):
        negated = True
    token = cursor.token
    kind = token.keyword
    if kind in UNSUPPORTED or token.text.startswith("$"):
        raise cursor.error(f"the clause {token.text} is not supported here")
    if kind != "list" and kind not in _READERS:
        if negated:
            raise cursor.expected("a clause after not")
        return None
    cursor.take()
    if kind == "list":
        kind, items = _listed(cursor, names, before)
    else:
        items = (_once(cursor, names, kind, before),)
    if _STAGES.get(kind, stage) != stage:
        where = "dacl" if stage == "rcpt" else "racl"
        raise cursor.error(f"the clause {kind} is not known there yet: it belongs in a {where}", token)
    return Clause(kind, items, negated)


def _once(cursor: Cursor, names: Names, kind: str, before: set[_Form]) -> Item:
    """Read what a clause compares with; raises ConfigError where the rule may not have another one such."""
    token = cursor.token
    item = _READERS[kind](cursor, names)
    form = kind, isinstance(item, Regex)
    if kind in _UNIQUE and form in before:
        raise cursor.error(f"a second clause {kind} of this form in one rule: use a list", token)
    before.add(form)
    names.asks_users |= kind in USERS
    return item


def _listed(cursor: Cursor, names: Names, before: set[_Form]) -> tuple[str, tuple[Item, ...]]:
    token = cursor.token
    name = cursor.string("the name of a list in quotes")
    if name not in names.lists:
        raise cursor.error(f'there is no list "{name}" above', token)
    kind, items = names.lists[name]
    if kind in _UNIQUE and kind in dict(before):
        raise cursor.error(f'the list "{name}" has to stand before the clause {kind} of its rule', token)
    return kind, items


def read_list(cursor: Cursor, names: Names) -> None:
    """Read ``list "NAME" kind { items }`` after its first word."""
    token = cursor.token
    name = cursor.string("the name of a list in quotes")
    kind = cursor.keyword("what the list is of, as addr", sorted(_LISTED))
    if name in names.lists:
        raise cursor.error(f'list "{name}" is defined twice', token)
    if not cursor.take_sign("{"):
        raise cursor.expected("{")
    items: list[Item] = []
    while not cursor.take_sign("}"):
        if cursor.ended:
            raise cursor.expected("} (a line goes on in the next one if it ends in a backslash)")
        items.append(_READERS[kind](cursor, names))
    if not items:
        raise cursor.error(f'list "{name}" is empty', token)
    names.lists[name] = kind, gathered(kind, items)


def _regex(cursor: Cursor, names: Names) -> Regex:
    token = cursor.take()
    try:
        return Regex(token.text, names.extended)
    except ValueError as error:
        raise cursor.error(str(error), token) from None


def _or_regex(plain: Callable[[Cursor], str]) -> Callable[[Cursor, Names], Item]:
    def read(cursor: Cursor, names: Names) -> Item:
        return _regex(cursor, names) if cursor.token.kind == "regex" else plain(cursor)

    return read


def _named(kind: str) -> Callable[[Cursor, Names], Item]:
    def read(cursor: Cursor, names: Names) -> Item:
        token = cursor.token
        name = cursor.string(f"the name of a {kind} in quotes")
        if name not in names.of(kind):
            raise cursor.error(f'there is no {kind} "{name}" above', token)
        return names.of(kind)[name]

    return read


def _text(cursor: Cursor) -> str:
    return cursor.string(_QUOTED)


def _spf(cursor: Cursor, names: Names) -> Item:
    return cursor.take_keyword(*SPF_RESULTS) or "pass"


def _dkim(cursor: Cursor, names: Names) -> Item:
    return cursor.keyword("a result of DKIM, as pass", DKIM_RESULTS)


def _compared(cursor: Cursor, names: Names) -> Item:
    if cursor.token.kind != "op":
        raise cursor.expected("a comparison, as >= 100k")
    return Comparison(cursor.take().text, cursor.number())


def _hours(cursor: Cursor, names: Names) -> Item:
    token = cursor.token
    parts = cursor.string('minute, hour, day, month and weekday, as "* 9-17 * * 1-5"').split()
    if len(parts) != len(_FIELDS):
        raise cursor.error(f"expected five fields as in crontab(5), not {len(parts)}", token)
    try:
        minute, hour, day, month, weekday = (
            _field(part, *limits) for part, limits in zip(parts, _FIELDS, strict=True)
        )
    except ValueError as error:
        raise cursor.error(str(error), token) from None
    return Hours((minute, hour, day, month, frozenset(one % 7 for one in weekday)))


def _field(text: str, least: int, most: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        form = re.fullmatch(r"(?:\*|([0-9]{1,3})(?:-([0-9]{1,3}))?)(?:/([0-9]{1,3}))?", part)
        if form is None:
            raise ValueError(f"{part!r} is no number, range or *")
        first = int(form[1]) if form[1] else least
        last = int(form[2] or form[1]) if form[1] else most
        if first > last:
            raise ValueError(f"{part!r} goes backwards: write {first}-{most},{least}-{last}")
        if not least <= first <= last <= most or (form[3] and not int(form[3])):
            raise ValueError(f"{part!r} is not within {least} and {most}")
        found.update(range(first, last + 1, int(form[3] or 1)))
    return frozenset(found)


_READERS: dict[str, Callable[[Cursor, Names], Item]] = {
    "addr": lambda cursor, names: cursor.network(),
    "domain": _or_regex(Cursor.domain),
    "from": _or_regex(Cursor.email),
    "rawfrom": _or_regex(Cursor.email),
    "rcpt": _or_regex(Cursor.email),
    **{kind: _or_regex(_text) for kind in ("auth", "tls", "header", "body")},
    "helo": _or_regex(lambda cursor: cursor.template(_QUOTED)),
    "geoip": lambda cursor, names: cursor.string("a country in quotes"),
    **{kind: _named(kind) for kind in ("dnsrbl", "sm_macro", "ratelimit")},
    "mx": lambda cursor, names: cursor.bits(128),
    "spf": _spf,
    "dkim": _dkim,
    "msgsize": _compared,
    "rcptcount": _compared,
    "time": _hours,
    "tarpit": lambda cursor, names: cursor.seconds(),
    "log": lambda cursor, names: cursor.template(),
}


def read_dnsrbl(cursor: Cursor, names: Names) -> None:
    """Read ``dnsrbl "NAME" zone address[/bits]`` after its first word."""
    token = cursor.token
    name = cursor.string("the name of a dnsrbl in quotes")
    zone = cursor.domain()
    answers = cursor.network()
    if not isinstance(answers, IPv4Network):
        raise cursor.error("a DNSRBL answers with IPv4 addresses", token)
    names.define(cursor, "dnsrbl", Dnsrbl(name, zone, answers), token)


def read_macro(cursor: Cursor, names: Names) -> None:
    """Read ``sm_macro "NAME" "{macro}" "value"|/regex/|unset`` after its first word."""
    token = cursor.token
    name = cursor.string("the name of an sm_macro in quotes")
    macro = cursor.string('a macro in quotes, as "{trusted_domain}"')
    bare = macro[1:-1] if macro.startswith("{") and macro.endswith("}") else macro
    value: str | Regex | None = None
    if cursor.token.kind == "regex":
        value = _regex(cursor, names)
    elif not cursor.take_keyword("unset"):
        value = cursor.string("a value in quotes, a /regular expression/ or unset")
    names.define(cursor, "sm_macro", MacroIs(name, bare, value), token)


def read_ratelimit(cursor: Cursor, names: Names) -> None:
    """Read ``ratelimit "NAME" rcpt 10 / 1m [key "%i"]`` after its first word."""
    token = cursor.token
    name = cursor.string("the name of a ratelimit in quotes")
    counts = cursor.keyword("what is counted: rcpt, session or data", ("rcpt", "session", "data"))
    most = cursor.number()
    if not cursor.take_sign("/"):
        raise cursor.expected("/ between blanks")
    place = cursor.token
    seconds = cursor.seconds()
    if not seconds:
        raise cursor.error("a time of 0 has no rate", place)
    key = cursor.template() if cursor.take_keyword("key") else "%i"
    names.define(cursor, "ratelimit", RateLimit(name, counts, most, seconds, key), token)


Definition = Callable[[Cursor, Names], None]
DEFINITIONS: dict[str, Definition] = {
    "list": read_list,
    "dnsrbl": read_dnsrbl,
    "sm_macro": read_macro,
    "ratelimit": read_ratelimit,
}


def legacy_clause(cursor: Cursor, names: Names, kind: str) -> Sequence[Clause]:
    """Read the one clause of a statement that is a clause, as ``addr 192.0.2.0/24``."""
    return (Clause(kind, (_READERS[kind](cursor, names),)),)

"""The access lists: which rule decides, as a function of what is known.

A clause that needs an answer nobody has yet stops the judgement with ``Need``; the caller finds it out, adds
it to the facts and judges again. So nothing is looked up that does not count, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from postmill.api.domains import find_domain
from postmill.filters._posix import Regex
from postmill.filters.greylist.facts import WORDS, Facts, Question
from postmill.filters.greylist.texts import Context, Match, expand
from postmill.filters.greylist.values import (
    Actions,
    Addresses,
    Clause,
    Comparison,
    Config,
    Domains,
    Hours,
    Item,
    MacroIs,
    Networks,
    Rule,
    bare,
)

_REASONS = {"rawfrom": "from", "sm_macro": "macro"}
_MERGED = 10000
"""How many pairs of actions are remembered with what they come to; there are few more than rules."""
_NO_ACTIONS = Actions()
ASKED = frozenset(["spf", "dkim", "dnsrbl", "mx", "geoip", "ratelimit"])
"""Clauses that the facts alone do not answer."""


@dataclass(slots=True)
class Need:
    """An answer is missing."""

    question: Question


@dataclass(slots=True)
class Judgement:
    """What the access list of a stage says."""

    verdict: str
    """``whitelist``, ``blacklist`` or ``greylist``."""
    reasons: frozenset[str]
    """Kinds of the clauses that held, or ``default``."""
    actions: Actions
    rule: Rule | None
    """The rule that decided, or the last one that matched; None: the default of milter-greylist itself."""
    flushes: bool = False
    """Some rule wants the client's tuples forgotten."""
    tarpit: int = 0
    """Seconds the client has to wait first."""
    matched: tuple[Match, ...] = ()
    """The regular expressions of the rule that decided, the last one first."""
    logs: tuple[tuple[str, tuple[Match, ...]], ...] = ()
    """What ``log`` clauses that were come to want to see logged, and what had matched in their rules."""
    id: str = ""
    """The name of the last rule that matched and has one: it may be one that said ``continue``."""

    @property
    def label(self) -> str:
        """The rule for headers and log; empty where there is none."""
        return self.id or (self.rule.label if self.rule else "")


@dataclass(slots=True)
class _Course:
    """One go through the rules."""

    facts: Facts
    config: Config
    matched: tuple[Match, ...] = ()
    reasons: set[str] = field(default_factory=set)
    tarpit: int = 0
    logs: list[tuple[str, tuple[Match, ...]]] = field(default_factory=list)


def judge(config: Config, stage: str, facts: Facts) -> Judgement | Need:
    """Return what the rules of a stage, ``rcpt`` or ``data``, say."""
    course = _Course(facts, config)
    actions, flushes, last, name = _NO_ACTIONS, False, None, ""
    for rule in config.of_stage(stage):
        course.reasons, course.matched, course.tarpit = set(), (), 0
        holds = _holds(rule.clauses, course)
        if isinstance(holds, Need):
            return holds
        if holds:
            actions = rule.actions if last is None else _merged(actions, rule.actions)
            flushes, last, name = flushes or rule.actions.flushaddr, rule, rule.id or name
            if rule.verdict != "continue":
                reasons = frozenset(course.reasons or {"default"})
                return Judgement(
                    rule.verdict,
                    reasons,
                    actions,
                    rule,
                    flushes,
                    course.tarpit,
                    course.matched,
                    tuple(course.logs),
                    name,
                )
    verdict = "whitelist" if config.testmode or stage == "data" else "greylist"
    plain = replace(actions, delay=None, autowhite=None)
    return Judgement(verdict, frozenset({"default"}), plain, last, flushes, logs=tuple(course.logs), id=name)


@lru_cache(_MERGED)
def _merged(before: Actions, after: Actions) -> Actions:
    """Add the actions of one more rule that matched: its times count alone, of the rest what it says."""
    said = {
        name: getattr(after, name)
        for name in ("code", "ecode", "msg", "report", "tarpit_scope", "maxpeek")
        if getattr(after, name) is not None
    }
    if after.addheader is not None:
        said |= {"addheader": after.addheader, "addheader_index": after.addheader_index}
    return replace(before, delay=after.delay, autowhite=after.autowhite, nolog=after.nolog, **said)


def _holds(clauses: Sequence[Clause], course: _Course) -> bool | Need:
    for clause in clauses:
        found = _any(clause, course)
        if isinstance(found, Need):
            return found
        if found == clause.negated:
            return False
        course.reasons.add(_REASONS.get(clause.kind, clause.kind))
    return True


def _any(clause: Clause, course: _Course) -> bool | Need:
    for item in clause.items:
        found = _one(clause.kind, item, course)
        if found is not False:
            return found
    return False


def _one(kind: str, item: Item, course: _Course) -> bool | Need:
    if kind == "tarpit":
        course.tarpit = item if isinstance(item, int) else 0
        return True
    if kind == "log":
        course.logs.append((str(item), course.matched))
        return True
    if kind in ASKED:
        return _asked(kind, item, course.facts)
    if isinstance(item, Regex):
        return _searched(item, _SUBJECTS[kind](course.facts), course)
    return _PLAIN[kind](item, course.facts, course.config)


def _asked(kind: str, item: Item, facts: Facts) -> bool | Need:
    """Clauses about a result, as ``spf pass``, ask for it once; the others ask whether they hold."""
    results = kind in ("spf", "dkim", "geoip") and item != "self"
    question: Question = (kind, None if results else item)
    if question not in facts.answers:
        return Need(question)
    answer = facts.answers[question]
    if not results:
        return bool(answer)
    if kind == "geoip":
        return answer == str(item).upper()
    result = str(answer).partition(" ")[0]
    return WORDS[kind].get(result, result) == item


def _searched(regex: Regex, subjects: Sequence[str], course: _Course) -> bool:
    for subject in subjects:
        if regex.matches(subject):
            course.matched = ((regex, subject), *course.matched)
            return True
    return False


def authenticated(facts: Facts) -> tuple[str, ...]:
    """Return the user who logged in, if any."""
    return (facts.macros["auth_authen"],) if "auth_authen" in facts.macros else ()


def certified(facts: Facts) -> tuple[str, ...]:
    """Return the subject of the client's certificate, if it was verified."""
    verified = facts.macros.get("verify") == "OK" and "cert_subject" in facts.macros
    return (facts.macros["cert_subject"],) if verified else ()


_SUBJECTS: dict[str, Callable[[Facts], Sequence[str]]] = {
    "domain": lambda facts: (facts.host,),
    "helo": lambda facts: (facts.helo,),
    "from": lambda facts: (facts.sender,),
    "rawfrom": lambda facts: (facts.rawfrom,),
    "rcpt": lambda facts: facts.recipients,
    "header": lambda facts: facts.headers,
    "body": lambda facts: facts.body,
    "auth": authenticated,
    "tls": certified,
}


def _in_domain(item: Item, facts: Facts, config: Config) -> bool:
    """milter-greylist takes any end of the name, unless ``domainexact``: then only whole labels."""
    if isinstance(item, Domains):
        return bool(find_domain(facts.host, item.entries))
    domain, host = str(item).lower(), facts.host.lower()
    if not host.endswith(domain):
        return False
    rest = host[: len(host) - len(domain)]
    return not (config.domainexact and rest and not rest.endswith("."))


def _macro_is(item: Item, facts: Facts, config: Config) -> bool:
    if not isinstance(item, MacroIs):
        return False
    value = facts.macros.get(item.macro)
    if item.value is None or value is None:
        return item.value is None and value is None
    if isinstance(item.value, Regex):
        return item.value.matches(value)
    return value == item.value


def _in_hours(item: Item, facts: Facts, config: Config) -> bool:
    now = facts.now
    when = (now.minute, now.hour, now.day, now.month, now.isoweekday() % 7)
    return isinstance(item, Hours) and item.holds(when)


def _compared(value: Callable[[Facts], int]) -> Callable[[Item, Facts, Config], bool]:
    return lambda item, facts, config: isinstance(item, Comparison) and item.holds(value(facts))


def _mail(addresses: Callable[[Facts], Sequence[str]]) -> Callable[[Item, Facts, Config], bool]:
    def holds(item: Item, facts: Facts, config: Config) -> bool:
        wanted = item.texts if isinstance(item, Addresses) else (bare(str(item)),)
        return any(bare(address) in wanted for address in addresses(facts))

    return holds


def _contains(lines: Callable[[Facts], Sequence[str]]) -> Callable[[Item, Facts, Config], bool]:
    return lambda item, facts, config: any(str(item) in line for line in lines(facts))


def _expanded(item: Item, facts: Facts) -> str:
    return expand(str(item), Context(facts, facts.macros))


_NETWORKS = (IPv4Network, IPv6Network, Networks)
_PLAIN: dict[str, Callable[[Item, Facts, Config], bool]] = {
    "addr": lambda item, facts, config: isinstance(item, _NETWORKS) and facts.ip in item,
    "domain": _in_domain,
    "helo": lambda item, facts, config: facts.helo.lower() == _expanded(item, facts).lower(),
    "from": _mail(lambda facts: (facts.sender,)),
    "rawfrom": _mail(lambda facts: (facts.rawfrom,)),
    "rcpt": _mail(lambda facts: facts.recipients),
    "auth": lambda item, facts, config: item in authenticated(facts),
    "tls": lambda item, facts, config: item in certified(facts),
    "header": _contains(lambda facts: facts.headers),
    "body": _contains(lambda facts: facts.body),
    "sm_macro": _macro_is,
    "time": _in_hours,
    "msgsize": _compared(lambda facts: facts.size),
    "rcptcount": _compared(lambda facts: facts.recipient_count),
}

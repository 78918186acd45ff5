"""Reading a greylist.conf, or rules in its language, into a ``Config`` (greylist.conf(5)).

Statements about milter-greylist's own process and its network of peers mean nothing here: they are read and
named in the warnings. What would change verdicts and is not to be had here is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from postmill.filters.greylist.clauses import (
    DEFINITIONS,
    UNSUPPORTED,
    USERS,
    Names,
    legacy_clause,
    read_clauses,
)
from postmill.filters.greylist.cursor import Cursor
from postmill.filters.greylist.values import Actions, Config, Rule
from postmill.filters.greylist.words import ConfigError, statements

__all__ = ["ConfigError", "parse"]

_FLAGS = [
    "quiet",
    "testmode",
    "noauth",
    "nospf",
    "noaccessdb",
    "delayedreject",
    "lazyaw",
    "domainexact",
    "unbracket",
    "extendedregex",
    "multiracl",
]
_TIMES = ("greylist", "autowhite", "timeout")
_LEGACY = ("addr", "domain", "from", "rawfrom", "rcpt")
_MEANINGLESS = {
    "pidfile": "s",
    "dumpfile": "sn?",
    "dumpfreq": "t",
    "socket": "sn?",
    "user": "s",
    "nodetach": "",
    "verbose": "",
    "dump_no_time_translation": "",
    "logexpired": "",
    "logfac": "w",
    "stat": "ss",
    "drac": "ws",
    "nodrac": "",
    "syncmaxqlen": "n",
    "p0fsock": "s",
    "geoipv6db": "s",
    "spamdsock": "ws",
    "fixldapcheck": "",
}
"""To what follows: a text, a number, a time, a word; a question mark: it may be missing."""
_VERDICTS = ("whitelist", "blacklist", "greylist", "continue")
_CODES = {"blacklist": "551", "greylist": "451"}
"""What a rule answers that has no ``code``."""
_TAKEN = {"delay": "seconds", "autowhite": "seconds", "code": "string", "ecode": "string", "msg": "template",
          "report": "template", "addheader": "template", "maxpeek": "number"}  # fmt: skip
_PATIENCE = 25
"""Seconds for which Postmill waits for an answer if it is not told otherwise (Postfix: 30)."""


def parse(text: str, base: Config | None = None, file: str = "greylist.conf", more: str = "") -> Config:
    """Read a whole text; what it does not say is as ``base`` has it.

    ``more``, the setting ``rules`` beside a file, goes on where the text ends: it knows its names, and what
    it says counts more. Its rules stand before the text's defaults, lest nobody ever comes to them.

    Raises ConfigError, a ValueError that begins ``file:line:column:``.
    """
    reader = _Reader(file)
    reader.read(text)
    if more:
        reader.go_on(more, "rules")
    reader.settle_users()
    rules = (*reader.first, *reader.rules, *reader.last)
    return replace(base or Config(), **reader.settings, rules=rules, warnings=tuple(reader.warnings))


class _Reader:
    """What has been read so far."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.names = Names()
        self.settings: dict[str, Any] = {}
        self.first: list[Rule] = []
        self.rules: list[Rule] = []
        self.last: list[Rule] = []
        """The default of each stage, and what stands behind it."""
        self.warnings: list[str] = []
        self._users: list[str] = []
        """Where rules are about users."""

    def read(self, text: str) -> None:
        """Read a text."""
        for tokens in statements(text, self.file):
            cursor = Cursor(tokens, self.file)
            self.statement(cursor)
            cursor.end()

    def go_on(self, text: str, file: str) -> None:
        """Read a text whose rules stand before the defaults of the one before it."""
        defaults, self.last, before, self.file = self.last, [], self.file, file
        self.read(text)
        for rule in defaults:
            if not rule.clauses and self._ended(rule.stage):
                self.warnings.append(f"{before}:{rule.line}: this default is never reached: {file} has one")
        self.last += defaults

    def settle_users(self) -> None:
        """Find out whether rules are asked about users; lists of them alone do not say so."""
        if self.names.asks_users:
            self.settings["noauth"] = True
        if not self.settings.get("noauth"):
            words = "a list of users is of no effect: they are let through before, unless noauth is said"
            self.warnings += [f"{place}: {words}" for place in self._users]

    def warn(self, line: int, words: str) -> None:
        """Note what the administrator should know."""
        self.warnings.append(f"{self.file}:{line}: {words}")

    def _ended(self, stage: str) -> bool:
        """Tell whether the default of a stage has been given."""
        return any(rule.stage == stage for rule in self.last)

    def statement(self, cursor: Cursor) -> None:
        """Read one statement, without checking that nothing follows."""
        word = cursor.token.keyword
        if word in ("acl", "racl", "dacl"):
            self._rule(cursor)
        elif word in DEFINITIONS:
            cursor.take()
            DEFINITIONS[word](cursor, self.names)
        elif word in _LEGACY:
            self._legacy(cursor)
        elif word in _MEANINGLESS or word in ("peer", "syncaddr", "syncsrcaddr", "tarpit"):
            self._meaningless(cursor)
        else:
            self._setting(cursor)

    def _setting(self, cursor: Cursor) -> None:
        place = cursor.token
        word = cursor.take_keyword(*_FLAGS, *_TIMES, *_SETTINGS)
        if word in ("extendedregex", "multiracl"):
            self.names.extended |= word == "extendedregex"
        elif word in _FLAGS:
            self.settings[word] = True
        elif word in _TIMES:
            self.settings["delay" if word == "greylist" else word] = cursor.seconds()
        elif word:
            self.settings[_SYNONYMS.get(word, word)] = _SETTINGS[word](cursor)
        elif place.keyword in UNSUPPORTED | {"ldapconf", "tsig"}:
            raise cursor.error(f"{place.text} is not supported here")
        else:
            raise cursor.expected("a statement of greylist.conf")

    def _meaningless(self, cursor: Cursor) -> None:
        word = cursor.take().keyword
        self.warn(cursor.line, f"{word} means nothing here")
        if word in ("peer", "syncaddr", "syncsrcaddr"):
            _read_peer(cursor, word)
            return
        for form in {"tarpit": "t"}.get(word, _MEANINGLESS.get(word, "")).replace("n?", "?"):
            if form == "?" and cursor.ended:
                return
            _FORMS[form](cursor)

    def _legacy(self, cursor: Cursor) -> None:
        """A clause as a statement: whitelist what it says, before all rules."""
        kind = cursor.take().keyword
        clauses = legacy_clause(cursor, self.names, kind)
        verdict = "greylist" if kind == "rcpt" and self.settings.get("testmode") else "whitelist"
        self.first.insert(0, Rule("rcpt", verdict, tuple(clauses), Actions(), cursor.line))

    def _rule(self, cursor: Cursor) -> None:
        kind = cursor.take().keyword
        stage = "data" if kind == "dacl" else "rcpt"
        name = cursor.string() if kind != "acl" and cursor.token.kind == "string" else ""
        verdicts = _VERDICTS[:3] if kind == "acl" else _VERDICTS
        verdict = cursor.keyword(", ".join(verdicts), verdicts)
        ended = self._ended(stage)
        if ended:
            self.warn(cursor.line, "this rule is never reached: the default stands above")
        default = cursor.take_keyword("default")
        clauses = () if default else read_clauses(cursor, self.names, stage)
        if not clauses and not default:
            raise cursor.expected("a clause, as addr, or default")
        actions = self._actions(cursor, verdict)
        for clause in clauses:
            if clause.kind == "tarpit" and clause.items[0] >= _PATIENCE:  # type: ignore[operator]
                self.warn(cursor.line, f"a tarpit of {_PATIENCE} s or more needs a longer timeouts.command")
        if any(clause.kind in USERS for clause in clauses):
            self._users.append(f"{self.file}:{cursor.line}")
        ends = default and verdict != "continue"
        rules = self.last if ended or ends else self.rules
        rules.append(Rule(stage, verdict, clauses, actions, cursor.line, name))

    def _actions(self, cursor: Cursor, verdict: str) -> Actions:
        actions = Actions()
        while cursor.token.keyword in _ACTIONS:
            actions = replace(actions, **_action(cursor))
        if wrong := _contradiction(actions, verdict):
            self.warn(cursor.line, f"{wrong}: the MTA's own words are used")
        return actions


def _contradiction(actions: Actions, verdict: str) -> str:
    """Return what is wrong with the codes of a rule, if anything."""
    code, ecode = actions.code or _CODES.get(verdict, ""), actions.ecode
    if verdict == "greylist" and code[0] == "5":
        return f"code {code} is for good, and greylisting only for now"
    if code and ecode and code[0] != ecode[0]:
        return f"ecode {ecode} does not belong to code {code}"
    return ""


_ACTIONS = frozenset(_TAKEN) | {"flushaddr", "nolog", "tarpit_scope", "addfooter", "subjtag"}


def _action(cursor: Cursor) -> dict[str, Any]:
    place = cursor.take()
    word = place.keyword
    if word in ("addfooter", "subjtag"):
        raise cursor.error(f"{word} is not supported here", place)
    if word in ("flushaddr", "nolog"):
        return {word: True}
    if word == "tarpit_scope":
        return {word: cursor.keyword("session or command", ("session", "command"))}
    text = cursor.token
    value = getattr(cursor, _TAKEN[word])()
    form = {
        "code": r"[45][0-9][0-9]",
        "ecode": r"[45]\.[0-9]{1,3}\.[0-9]{1,3}",
        "addheader": r"[!-9;-~]+: .*",
    }
    if word in form and not re.fullmatch(form[word], value, re.DOTALL):
        raise cursor.error(f"{value!r} is no {word}, as {_EXAMPLES[word]}", text)
    found: dict[str, Any] = {word: value}
    if word == "addheader" and cursor.take_sign(","):
        found["addheader_index"] = cursor.number()
    return found


_EXAMPLES = {"code": '"451"', "ecode": '"4.7.1"', "addheader": '"X-Name: value"'}


def _read_peer(cursor: Cursor, word: str) -> None:
    if word == "peer" or not cursor.take_sign("*"):
        cursor.domain() if ":" not in cursor.token.text else cursor.address()
    if word == "peer" and cursor.take_keyword("timeout"):
        cursor.seconds()
    elif word != "peer" and cursor.take_keyword("port"):
        cursor.number()


def _report(cursor: Cursor) -> str:
    return cursor.keyword("none, delays, nodelays or all", ("none", "delays", "nodelays", "all"))


_FORMS: dict[str, Callable[[Cursor], Any]] = {
    "s": Cursor.string,
    "n": Cursor.number,
    "?": Cursor.number,
    "t": Cursor.seconds,
    "w": Cursor.domain,
}
_SETTINGS: dict[str, Callable[[Cursor], Any]] = {
    "subnetmatch": lambda cursor: cursor.bits(32),
    "subnetmatch6": lambda cursor: cursor.bits(128),
    "report": _report,
    "maxpeek": Cursor.number,
    "geoipdb": Cursor.string,
    "geoip2db": Cursor.string,
    "localaddr": Cursor.address,
    "tarpit_scope": lambda cursor: cursor.keyword("session or command", ("session", "command")),
}
_SYNONYMS = {"geoip2db": "geoipdb"}
"""milter-greylist says since 4.6.3 in which form its database is."""

"""Script files: what a scripted child does, as TOML.

    [negotiate] actions = "ADDHDRS,CHGBODY"     # also: version, protocol, exact = true, symlists = { mail =
    "i {mail_addr}" }

    [[rule]]                        # the first rule that matches an event decides
    at = "rcpt"                     # a stage, or several: ["mail", "rcpt"]; "any" for all
    session = 3                     # also: share = "10%", message, nth, containing, forced = true
    do = ["delay 2s", "reply 450 4.2.0 later", "close"]

The stages and replies are those of `words`, the steps those of `behaviour`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from postmill.errors import ConfigError
from postmill.testing.arguments import flags
from postmill.testing.behaviour import share, step, symlist
from postmill.testing.script import Negotiation, Rule, Script, Steps
from postmill.testing.words import NotationError, stage_letter
from postmill.wire.codes import Action, Protocol


def load_script(text: str, file: str = "") -> Script:
    """A script from the text of a TOML file; ConfigError says what is wrong with it."""
    try:
        table = tomllib.loads(text)
        unknown = set(table) - {"negotiate", "rule"}
        if unknown:
            raise NotationError(f"unknown key {min(unknown)!r}; keys are negotiate and rule")
        answer = _file_negotiation(table.get("negotiate", {}))
        return Script(answer, tuple(_file_rule(rule) for rule in table.get("rule", ())))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"no valid TOML: {error}", file=file) from error
    except (NotationError, TypeError) as error:
        raise ConfigError(str(error), file=file) from error


def _file_negotiation(table: Mapping[str, Any]) -> Negotiation:
    values = dict(table)
    answer = Negotiation(fit=not values.pop("exact", False))
    if "version" in values:
        answer = replace(answer, version=int(values.pop("version")))
    if "actions" in values:
        answer = replace(answer, actions=flags(str(values.pop("actions")), Action))
    if "protocol" in values:
        answer = replace(answer, protocol=flags(str(values.pop("protocol")), Protocol))
    lists = values.pop("symlists", {})
    answer = replace(answer, symlists=tuple(symlist(stage, names) for stage, names in lists.items()))
    if "do" in values:
        answer = replace(answer, steps=_file_steps(values.pop("do")))
    _no_more(values, "negotiate", "version, actions, protocol, exact, symlists, do")
    return answer


def _file_rule(table: Mapping[str, Any]) -> Rule:
    values = dict(table)
    at = values.pop("at", None)
    if at is None or "do" not in values:
        raise NotationError("a rule needs the keys at and do")
    letters = "".join(stage_letter(stage) for stage in ([at] if isinstance(at, str) else at))
    rule = Rule("*" if "*" in letters else letters, _file_steps(values.pop("do")))
    conditions = {
        "connection": values.pop("session", None),
        "message": values.pop("message", None),
        "nth": values.pop("nth", None),
        "forced": values.pop("forced", False),
    }
    if "share" in values:
        conditions["share"] = share(str(values.pop("share")))
    if "containing" in values:
        conditions["containing"] = str(values.pop("containing")).encode()
    _no_more(values, "rule", "at, do, session, share, message, nth, containing, forced")
    return replace(rule, **conditions)


def _file_steps(texts: Iterable[str]) -> Steps:
    return tuple(step(text) for text in ([texts] if isinstance(texts, str) else texts))


def _no_more(values: Mapping[str, Any], table: str, known: str) -> None:
    if values:
        raise NotationError(f"unknown key {min(values)!r} in {table}; keys are {known}")

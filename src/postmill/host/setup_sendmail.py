"""How Postmill becomes the one milter of a Sendmail: what to change in sendmail.mc, and why.

``plan`` is a function of texts; m4 makes sendmail.cf of the result (`building`). The forms: cf/README of
Sendmail, "Mail filters"; which macros are needed: protocol §5.1 and §6.5.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from postmill.config import Loaded, MilterSettings, Settings, Timeouts
from postmill.host.adoption import Adoption, adopt, named, numbered
from postmill.host.known import counts, is_ours, milter_at, other_failure, why_kept
from postmill.host.m4 import Call, calls, edited, line_of
from postmill.host.plan import Change, Plan, changed
from postmill.host.reach import reachable_host
from postmill.host.sendmail import (
    LIST,
    Filter,
    equates,
    macro_definition,
    own_list,
    parse_mc,
    two_arguments,
)
from postmill.host.times import seconds

NEEDED_MACROS: Mapping[str, tuple[str, ...]] = {
    "connect": ("j", "{daemon_name}", "{if_name}"),
    "mail": ("i", "{auth_type}", "{auth_authen}", "{auth_author}"),
    "rcpt": ("{rcpt_mailer}",),
}
"""What Postmill itself makes use of: which MTA, who logged in, which recipients are refused, the queue id."""

NAME = "postmill"
_SHORTEST_WAIT = 60.0
_LONGEST_WAIT = 300.0
"""Seconds after which an SMTP client gives up waiting for the answer to RCPT (RFC 5321 §4.5.3.2)."""
_MESSAGE_WAIT = 600.0
"""And to the end of the message."""
_STRICT = set("TR4")


@dataclass(frozen=True, slots=True)
class Texts:
    """The files as they are."""

    mc: str
    postmill: str


Edit = tuple[int, int, str]
"""Where a piece of the text begins and ends, and what takes its place."""


@dataclass(frozen=True, slots=True)
class _Definition:
    """A filter and the call that defines it."""

    call: Call
    filter: Filter


def plan(file: str, texts: Texts, loaded: Loaded, *, adopting: bool = False) -> Plan:
    """Decide all changes to a sendmail.mc."""
    return _Decision(file, texts, loaded, adopting).plan()


class _Decision:
    """All that is known while one plan is made."""

    def __init__(self, file: str, texts: Texts, loaded: Loaded, adopting: bool) -> None:
        self.file = file
        self.texts = texts
        self.loaded = loaded
        self.sendmail = parse_mc(texts.mc, file)
        self.calls = list(calls(texts.mc))
        self.definitions = [
            _Definition(call, Filter(name, equates(value)))
            for call in self.calls
            if call.name in {"MAIL_FILTER", "INPUT_MAIL_FILTER"}
            for name, value in [two_arguments(call)]
        ]
        order = {name: place for place, name in enumerate(self.sendmail.input_filters)}
        known = [each for each in self.definitions if each.filter.name in order]
        self.asked = sorted(known, key=lambda each: order[each.filter.name])
        self.own = [each for each in self.definitions if self._is_ours(each)]
        self.adoptions = self._adoptions() if adopting else {}
        self.going = [each for each in self.asked if self._goes(each)]
        taken = {each.filter.name for each in self.definitions}
        free = next(name for name in numbered(NAME) if name not in taken)
        self.name = self.own[0].filter.name if self.own else free

    def plan(self) -> Plan:
        """Put everything together."""
        edits = [*self._own_edits(), *self._child_edits(), *self._list_edits(), *self._macro_edits()]
        new_children = list(self.adoptions.values())
        children = {each.filter.name: self._child(each) for each in self.going}
        return Plan(
            address=self._equates()["S"],
            changes=changed(
                Change(self.file, self.texts.mc, edited(self.texts.mc, edits)),
                Change(self.loaded.file, self.texts.postmill, adopt(self.texts.postmill, new_children)),
            ),
            removed=tuple((name, child.name) for name, child in children.items() if child),
            adopted=tuple((adoption.written, adoption.name) for adoption in new_children),
            kept=tuple(
                (each.filter.name, why_kept(self._child(each), each.filter.endpoint is not None))
                for each in self.asked
                if each not in self.going and each not in self.own
            ),
            notes=tuple(filter(None, self._notes())),
            warnings=tuple(self._warnings()),
        )

    # --- whose filter is it ------------------------------------------------------------------------------

    def _is_ours(self, each: _Definition) -> bool:
        endpoint = each.filter.endpoint
        return endpoint is not None and is_ours([endpoint], self.loaded.settings)

    def _child(self, each: _Definition) -> MilterSettings | None:
        endpoint = each.filter.endpoint
        return None if endpoint is None else milter_at([endpoint], self.loaded.settings)

    def _goes(self, each: _Definition) -> bool:
        return each not in self.own and (counts(self._child(each)) or each.filter.name in self.adoptions)

    def _adoptions(self) -> dict[str, Adoption]:
        """The strangers that can be taken over, by their names in Sendmail."""
        found = {}
        for each in self.asked:
            endpoint = each.filter.endpoint
            if endpoint is not None and each not in self.own and self._child(each) is None:
                name = re.sub(r"[^A-Za-z0-9_-]+", "-", each.filter.name).strip("-_") or "milter"
                times = _times(each.filter)
                found[each.filter.name] = Adoption(
                    each.filter.name, name, endpoint, each.filter.default_action, times
                )
        return named(found, [milter.name for milter in self.loaded.settings.milters])

    # --- the definition of Postmill ----------------------------------------------------------------------

    @property
    def _is_asked(self) -> bool:
        return len(self.own) == 1 and self.sendmail.input_filters.count(self.name) == 1

    def _own_edits(self) -> Iterator[Edit]:
        if not self.own:
            at = self._place()
            before = "" if at == 0 or self.texts.mc[at - 1] == "\n" else "\n"
            yield at, at, f"{before}{self._definition()}dnl\n"
            return
        first, *others = self.own
        kind = "" if self._is_asked else self._kind()
        if first.filter.equates != self._equates() or first.call.name != (kind or first.call.name):
            yield first.call.start, first.call.end, self._definition(kind or first.call.name)
        yield from ((*line_of(self.texts.mc, each.call), "") for each in others)

    def _definition(self, kind: str = "") -> str:
        written = ", ".join(f"{name}={value}" for name, value in self._equates().items())
        return f"{kind or self._kind()}(`{self.name}', `{written}')"

    def _kind(self) -> str:
        """With a list of names a filter is only defined, without one it is put at the end of the row."""
        return "MAIL_FILTER" if self._lists() else "INPUT_MAIL_FILTER"

    def _place(self) -> int:
        """Where a new definition goes: before the first that goes, after the last, before the mailers."""
        text = self.texts.mc
        if self.going:
            return text.rfind("\n", 0, min(each.call.start for each in self.going)) + 1
        if self.definitions:
            return line_of(text, self.definitions[-1].call)[1]
        mailers = re.search(r"^MAILER(_DEFINITIONS\b|\()", text, re.MULTILINE)
        return mailers.start() if mailers else len(text)

    def _equates(self) -> dict[str, str]:
        """What Postmill's definition says; what is there stays unless it is too lax or too short."""
        present = dict(self.own[0].filter.equates) if self.own else {}
        wanted = {"S": present.get("S") or _address(self.loaded.settings), "F": present.get("F", "")}
        if not _STRICT & set(wanted["F"]):
            wanted["F"] = "T"
        times = _parts(present.get("T", "C:30s;S:30s"))
        for name, time in (("R", self._answer_wait()), ("E", _MESSAGE_WAIT)):
            if seconds(times.get(name, "")) < time:
                times[name] = f"{time / 60:g}m" if time % 60 == 0 else f"{time:g}s"
        return {**present, **wanted, "T": ";".join(f"{name}:{time}" for name, time in times.items())}

    def _answer_wait(self) -> float:
        """How long Sendmail must wait for one answer: children are asked about a recipient in turn."""
        waits = [each.timeouts.command for each in self.loaded.settings.milters if each.mode != "off"]
        waits += [each.timeouts.get("command", Timeouts().command) for each in self.adoptions.values()]
        return min(max(_SHORTEST_WAIT, math.ceil(sum(waits))), _LONGEST_WAIT)

    # --- the others --------------------------------------------------------------------------------------

    def _child_edits(self) -> Iterator[Edit]:
        """Take out the definitions of children; those that a listener names stay defined."""
        named_by_listeners = {name for daemon in self.sendmail.daemons for name in own_list(daemon) or ()}
        for each in self.going:
            if each.filter.name not in named_by_listeners:
                yield *line_of(self.texts.mc, each.call), ""
            elif each.call.name == "INPUT_MAIL_FILTER":
                yield each.call.start, each.call.start + len("INPUT_"), ""

    def _lists(self) -> list[Call]:
        return [call for call in self.calls if call.name == "define" and two_arguments(call)[0] == LIST]

    def _list_edits(self) -> Iterator[Edit]:
        """Put Postmill into the list of names that are asked, and take the children out."""
        if not self._lists():
            return
        last = self._lists()[-1]
        appended = [
            each
            for each in self.definitions
            if each.call.name == "INPUT_MAIL_FILTER" and each.call.start > last.start
        ]
        listed = [*self.sendmail.input_filters][: max(0, len(self.sendmail.input_filters) - len(appended))]
        going = {each.filter.name for each in self.going}
        if not self._is_asked:
            going |= {self.name, *(each.filter.name for each in self.own)}
        wanted = _with(listed, going, "" if self._is_asked else self.name)
        if wanted != listed:
            yield last.start, last.end, f"define(`{LIST}', `{', '.join(wanted)}')"

    def _macro_edits(self) -> Iterator[Edit]:
        for stage in NEEDED_MACROS:
            missing, last = self._missing(stage), self._macro_definition(stage)
            if missing and last is not None and not self._is_odd(stage):
                macros = ", ".join([*self.sendmail.macros[stage], *missing])
                yield last.start, last.end, f"define(`{macro_definition(stage)}', ``{macros}'')"

    def _missing(self, stage: str) -> list[str]:
        return [name for name in NEEDED_MACROS[stage] if name not in self.sendmail.macros[stage]]

    def _macro_definition(self, stage: str) -> Call | None:
        name = macro_definition(stage)
        found = [each for each in self.calls if each.name == "define" and two_arguments(each)[0] == name]
        return found[-1] if found else None

    def _is_odd(self, stage: str) -> bool:
        """Whether a list has something that is no macro of Sendmail, but probably one of m4."""
        return not all(re.fullmatch(r"\{[^{}\s]+\}|.", name) for name in self.sendmail.macros[stage])

    # --- what to say about it ----------------------------------------------------------------------------

    def _notes(self) -> Iterator[str]:
        if not self._is_asked:
            yield (
                "F=T: while Postmill is away mail is deferred, neither let in unfiltered nor refused for "
                "good; what happens when a milter fails says its on_error"
            )
        for each in self.going:
            child = self._child(each)
            if child is not None:
                yield other_failure(child, each.filter.default_action)
        for daemon in self.sendmail.daemons:
            own = own_list(daemon)
            if own is not None:
                listener = daemon.get("Name") or daemon.get("Port") or "a listener"
                asks = ", ".join(own) or "none"
                sees = "Postmill is among them" if self.name in own else "Postmill does not see its mail"
                yield f"{listener} has InputMailFilters of its own, {asks}: {sees}"

    def _warnings(self) -> Iterator[str]:
        going = {each.filter.name for each in self.going}
        for daemon in self.sendmail.daemons:
            own = own_list(daemon) or ()
            twice = [name for name in own if name in going]
            if twice and self.name in own:
                listener = daemon.get("Name") or "a listener"
                yield f"{listener} asks {', '.join(twice)} itself and through Postmill; take it out there"
        for stage in NEEDED_MACROS:
            if self._missing(stage) and self._is_odd(stage):
                yield f"{macro_definition(stage)} lacks {' '.join(self._missing(stage))}; add it by hand"


def _with(listed: list[str], going: set[str], own: str) -> list[str]:
    """Take names out of a list and put one in, in the place of the first that goes, else last."""
    places = [place for place, name in enumerate(listed) if name in going]
    place = places[0] if places else len(listed)
    kept = [[name] if name not in going else [] for name in listed]
    kept.insert(place, [own] if own else [])
    return [name for some in kept for name in some]


def _address(settings: Settings) -> str:
    """Postmill's first socket as Sendmail spells it."""
    endpoint = settings.manager.listen[0]
    if endpoint.kind == "unix":
        return f"unix:{endpoint.path}"
    return f"{endpoint.kind}:{endpoint.port}@{reachable_host(endpoint)}"


def _parts(text: str) -> dict[str, str]:
    """Read ``S:30s;R:60s``."""
    parts = (part.partition(":") for part in text.split(";"))
    return {name.strip(): value.strip() for name, colon, value in parts if colon}


def _times(each: Filter) -> dict[str, float]:
    """The times that are written for a filter, by Postmill's words."""
    parts = _parts(each.equates.get("T", ""))
    words = {"connect": "C", "command": "R", "content": "E"}
    times = {word: seconds(parts[letter]) for word, letter in words.items() if letter in parts}
    return {word: time for word, time in times.items() if time}

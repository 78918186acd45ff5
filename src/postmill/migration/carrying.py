"""From what the predecessor's configuration declares to our tables.

A value that somebody chose is carried over as it is. A default is carried over where it decides what becomes
of mail (``fallback_status``); elsewhere Postmill's own default stands. A value is taken for a default when it
has the predecessor's default and no line above it says where it was chosen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from postmill.config import LogSettings, ManagerSettings, MilterSettings
from postmill.config.conditions import Shelf
from postmill.migration import advice
from postmill.migration.conditions import NAMES, condition_tables, numbered
from postmill.migration.document import Table
from postmill.migration.equivalents import SETTINGS, Setting
from postmill.migration.interpreting import Declared, OldMilter
from postmill.migration.remarks import Given, Remarks
from postmill.migration.restrictions import Restrictions
from postmill.migration.ruby import literal

STATUSES = {
    "accept": "accept",
    "temporary-failure": "tempfail",
    "reject": "reject",
    "discard": "discard",
}
TIMEOUTS = {
    "connection_timeout": (297.0, "timeouts.connect"),
    "reading_timeout": (7.0, "timeouts.command"),
    "writing_timeout": (7.0, "timeouts.command"),
    "end_of_message_timeout": (297.0, "timeouts.content"),
}
_STARTS_SERVICES = re.compile(
    r".*/(systemctl|service|rcctl|start)|(/usr)?(/local|/pkg)?(/etc)?/(init|rc)\.d/.*"
)
_SHOW_CONFIG = (
    "import what `milter-manager --show-config` prints, which has them, or let detect = true find them"
)
_ALWAYS_ASKED = "until then the milter is asked about all mail"


def is_chosen(given: Given, default: Any) -> bool:
    """Tell whether somebody chose the value: it is another one, or the line above says where."""
    return given.value != default or re.search(r":\d+$", given.comment) is not None


def carry(declared: Declared, shelf: Shelf, remarks: Remarks) -> list[Table]:
    """Give our tables, in the order of the file, for what was declared; the remarks say what has none."""
    return _Carrier(declared, shelf, remarks).tables()


@dataclass(slots=True)
class _Carrier:
    declared: Declared
    shelf: Shelf
    remarks: Remarks
    restrictions: Restrictions = field(init=False)
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.restrictions = Restrictions(self.declared.restrictions, self.shelf, self.remarks)

    def tables(self) -> list[Table]:
        manager, log = Table("manager", ManagerSettings), Table("log", LogSettings)
        for setting in SETTINGS:
            if setting.theirs in self.declared.values:
                table = log if setting.ours.startswith("log.") else manager
                self.setting(setting, self.declared.values[setting.theirs], table)
        self.detection(manager)
        milters = self.milters()
        conditions = condition_tables(self.declared.additions, self.used, self.shelf, self.remarks)
        return [manager, log, *conditions, *self.restrictions.tables.values(), *milters]

    def setting(self, setting: Setting, given: Given, table: Table) -> None:
        if not setting.ours:
            self.without_equivalent(setting, given)
            return
        try:
            raw = None if given.value is None else setting.to_ours(given.value)
        except ValueError as error:
            reason = f": {error}" if str(error) else ""
            self.remarks.lost(given.place, f"{setting.theirs} = {literal(given.value)}{reason}")
            return
        if raw is None and setting.ours == "manager.listen":
            self.remarks.note(
                given.place, f"{setting.theirs} is nil", "Postmill listens where manager.listen says"
            )
        if raw is not None:
            table.put(setting.ours.partition(".")[2], raw, given.place, self.remarks)

    def without_equivalent(self, setting: Setting, given: Given) -> None:
        if ... in setting.defaults or given.value in setting.defaults:
            return
        if setting.is_lost:
            self.remarks.lost(given.place, setting.theirs, setting.why)
        else:
            self.remarks.note(given.place, f"{setting.theirs} is not needed", setting.why)

    def detection(self, manager: Table) -> None:
        place = self.declared.detection
        if place is None:
            return
        self.remarks.lost(place, "the milters that milter-manager detects", _SHOW_CONFIG)

    # Milters

    def milters(self) -> list[Table]:
        found: dict[str, Table] = {}
        for milter in self.declared.milters.values():
            name = self.milter_name(milter, found)
            table = Table(name, MilterSettings, is_needed=True, milter=milter.name)
            if self.milter(milter, table):
                found[table.name] = table
        return list(found.values())

    def milter_name(self, milter: OldMilter, taken: Mapping[str, Table]) -> str:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", milter.name).strip("-_") or "milter"
        name = numbered(name, [table.removeprefix("milters.") for table in taken])
        if name != milter.name:
            self.remarks.note(milter.place, f"the milter {milter.name!r} is called {name} now")
        return f"milters.{name}"

    def milter(self, milter: OldMilter, table: Table) -> bool:
        given = milter.given
        socket = given.get("connection_spec")
        if socket is None or socket.value is None:
            self.remarks.lost(
                milter.place,
                f"the milter {milter.name}, which has no connection_spec here",
                _SHOW_CONFIG,
            )
            return False
        if not table.put("socket", socket.value, socket.place, self.remarks):
            return False
        self.mode(milter, table)
        self.description(milter, table)
        self.fallback(milter, table)
        self.timeouts(milter, table)
        self.command(milter)
        self.when(milter, table)
        return True

    def truth(self, milter: OldMilter, name: str, default: bool) -> bool:
        given = milter.given.get(name)
        if given is None or given.value is None:
            return default
        if not isinstance(given.value, bool):
            self.remarks.lost(given.place, f"milter.{name} = {literal(given.value)}: must be true or false")
            return default
        return given.value

    def mode(self, milter: OldMilter, table: Table) -> None:
        is_enabled = self.truth(milter, "enabled", True)
        evaluates = self.truth(milter, "evaluation_mode", False)
        mode = "evaluate" if evaluates else "enforce"
        if not is_enabled and evaluates:
            place = milter.given["evaluation_mode"].place
            self.remarks.note(
                place, f"{milter.name} is off", 'when it is wanted again, write mode = "evaluate"'
            )
        table.put("mode", mode if is_enabled else "off", milter.place, self.remarks)

    def description(self, milter: OldMilter, table: Table) -> None:
        given = milter.given.get("description")
        if given and given.value is not None:
            table.put("description", " ".join(str(given.value).split()), given.place, self.remarks)

    def fallback(self, milter: OldMilter, table: Table) -> None:
        """Carry the status over, the default as well: it says whether mail passes unfiltered."""
        given = milter.given.get("fallback_status", Given("accept", milter.place))
        word = str(given.value or "accept").lower().replace("_", "-")
        if word not in STATUSES:
            self.remarks.lost(
                given.place, f"milter.fallback_status = {literal(given.value)}: there is no such status"
            )
        table.put("on_error", STATUSES.get(word, "tempfail"), given.place, self.remarks)

    def timeouts(self, milter: OldMilter, table: Table) -> None:
        chosen: dict[str, Given] = {}
        for name, (default, key) in TIMEOUTS.items():
            given = milter.given.get(name)
            if given is None or given.value is None or not is_chosen(given, default):
                continue
            if not isinstance(given.value, int | float) or isinstance(given.value, bool):
                self.remarks.lost(
                    given.place, f"milter.{name} = {literal(given.value)}: must be a number of seconds"
                )
            elif key not in chosen or chosen[key].value < given.value:
                chosen[key] = given
        for key, given in chosen.items():
            table.put(key, given.value, given.place, self.remarks)

    def command(self, milter: OldMilter) -> None:
        given = milter.given.get("command")
        if given is None or not given.value:
            return
        text = f"milter.command = {literal(given.value)}"
        if _STARTS_SERVICES.fullmatch(str(given.value)):
            hint = "Postmill starts no milters; for one that may die, Restart=on-failure in its unit does it"
            self.remarks.note(given.place, f"{text} is not needed", hint)
        else:
            self.remarks.lost(given.place, text, "Postmill starts no milters: let the init system do it")

    def when(self, milter: OldMilter, table: Table) -> None:
        """Say the conditions; lists of accounts come last, as only the whole envelope decides them."""
        plain, lists = [], []
        for theirs, given in milter.conditions.items():
            if theirs in NAMES:
                plain.append(NAMES[theirs])
            elif name := self.restrictions.name_of(theirs, given.place):
                lists.append(name)
            else:
                where = self.declared.foreign_conditions.get(theirs)
                more = f" of line {where.line}" if where else ""
                text = f'the condition "{theirs}"{more} for {milter.name}'
                self.remarks.lost(given.place, text, f"{advice.CONDITION}; {_ALWAYS_ASKED}")
        self.used |= set(plain)
        if plain or lists:
            table.put("when", plain + lists, milter.place, self.remarks)

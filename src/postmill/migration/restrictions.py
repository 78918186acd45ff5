"""Lists of accounts, which the predecessor makes a condition of: ``restrict_accounts_by_list``.

There, one recipient who is not listed is enough for the milter to be left out; so ``match`` is ``all`` here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from postmill.config.conditions import Shelf
from postmill.migration import regexps
from postmill.migration.conditions import LIST_IN_NAME, RESTRICTION, condition_table, numbered, table_name
from postmill.migration.document import Table
from postmill.migration.faults import Unreadable
from postmill.migration.grammar import read_value
from postmill.migration.interpreting import Restriction
from postmill.migration.remarks import Given, Place, Remarks
from postmill.migration.tokens import Pattern


@dataclass(slots=True)
class Restrictions:
    """Makes a table for each list of accounts when a milter first uses it."""

    declared: Mapping[str, Restriction]
    shelf: Shelf
    remarks: Remarks
    tables: dict[str, Table] = field(default_factory=dict)
    """By the predecessor's name."""

    def name_of(self, theirs: str, place: Place) -> str | None:
        """Give our name of a list, None if that name is of no list, or of one without a usable element."""
        if theirs in self.tables:
            return self.tables[theirs].name.removeprefix("conditions.")
        given = self.declared[theirs].accounts if theirs in self.declared else self._in_name(theirs, place)
        accounts = self._accounts(given) if given else []
        if not given or not accounts:
            return None
        table = condition_table(self._new_name(theirs), self.shelf[RESTRICTION])
        if not table.put("accounts", accounts, given.place, self.remarks):
            return None
        table.put("match", "all", given.place, self.remarks)
        if table.name != f"conditions.{RESTRICTION}":
            table.use = RESTRICTION
        self.tables[theirs] = table
        return table.name.removeprefix("conditions.")

    def _new_name(self, theirs: str) -> str:
        taken = {table.name.removeprefix("conditions.") for table in self.tables.values()}
        if theirs.startswith(LIST_IN_NAME):
            return numbered(RESTRICTION, taken)
        return table_name(theirs, taken | (set(self.shelf) - {RESTRICTION}))

    @staticmethod
    def _in_name(theirs: str, place: Place) -> Given | None:
        """Read the list that a name made by the predecessor ends with."""
        if not theirs.startswith(LIST_IN_NAME):
            return None
        try:
            found: Any = read_value(theirs.removeprefix(LIST_IN_NAME))
        except Unreadable:
            return None
        return Given(found, place) if isinstance(found, list) else None

    def _accounts(self, given: Given) -> list[str]:
        found: list[str] = []
        for one in given.value:
            names = regexps.accounts(one) if isinstance(one, Pattern) else [one]
            if names is None:
                shown = f"/{one.source}/{one.flags}"
                self.remarks.lost(given.place, f"{shown}: accounts are addresses, local parts and domains")
            found += [str(name) for name in names or ()]
        return self._usable(found, given)

    def _usable(self, names: list[str], given: Given) -> list[str]:
        trial: Any = condition_table(RESTRICTION, self.shelf[RESTRICTION])
        return [name for name in names if trial.put("accounts", [name], given.place, self.remarks)]

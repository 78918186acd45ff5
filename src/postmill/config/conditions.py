"""What ``when`` and the ``[conditions.NAME]`` tables mean: names become conditions with their settings.

The conditions there are come from outside as a mapping, built-in ones and the administrator's own alike; here
is only how the file refers to them.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from postmill.api.conditions import Condition, Use
from postmill.api.kinds import quoted
from postmill.config.positions import Path
from postmill.config.tables import NoSettings, Reader, read_table

Shelf = Mapping[str, Condition]
"""The conditions that a configuration may name."""
NO_CONDITIONS: Shelf = MappingProxyType({})
_NAME = r"[A-Za-z0-9][A-Za-z0-9-]*"


@dataclass(frozen=True, slots=True)
class Wish:
    """One element of ``when`` as it is written."""

    name: str
    negated: bool = False
    inline: Mapping[str, Any] | None = None
    """Settings written in place; None where the name alone is given."""


@dataclass(frozen=True, slots=True)
class Named:
    """One ``[conditions.NAME]`` table, or a condition used by its own name with the default settings."""

    name: str
    condition: Condition
    settings: Any


@dataclass(frozen=True, slots=True)
class When:
    """The kind of ``when``."""

    allowed: str = (
        'a list; each the name of a condition, such as "remote-network", its opposite, such as '
        '"not authenticated", or a table with settings of its own, such as { name = "percentage", of = 10 } '
        'or { not = "message-size", at_least = "1MB" }'
    )

    def parse(self, raw: Any) -> tuple[Wish, ...]:
        """See ``Kind``."""
        if not isinstance(raw, list):
            raise ValueError
        return tuple(self._wish(element) for element in raw)

    def _wish(self, raw: Any) -> Wish:
        if isinstance(raw, str):
            found = re.fullmatch(rf"(not\s+)?({_NAME})", raw.strip())
            if found is None:
                raise ValueError(f"{quoted(raw)} is no name of a condition, nor its opposite")
            return Wish(found[2], bool(found[1]))
        if not isinstance(raw, dict):
            raise ValueError
        inline = dict(raw)
        names = [(inline.pop(key), key == "not") for key in ("name", "not") if key in inline]
        if len(names) != 1 or not isinstance(names[0][0], str):
            raise ValueError('a table in `when` needs a condition: name = "…" or not = "…"')
        return Wish(*names[0], inline)

    def show(self, value: Sequence[Wish]) -> str:
        """See ``Kind``."""
        return "[" + ", ".join(map(_written_wish, value)) + "]"


def _written_wish(wish: Wish) -> str:
    if wish.inline is None:
        return quoted(f"not {wish.name}" if wish.negated else wish.name)
    return written({"not" if wish.negated else "name": wish.name, **wish.inline})


def written(raw: Any) -> str:
    """Write a plain value as TOML."""
    if isinstance(raw, dict):
        pairs = ", ".join(f"{_written_key(key)} = {written(value)}" for key, value in raw.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(raw, list):
        return "[" + ", ".join(map(written, raw)) + "]"
    if isinstance(raw, str):
        return quoted(raw)
    return json.dumps(raw) if isinstance(raw, bool) else str(raw)  # dates and times print as they are written


def _written_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else quoted(key)


@dataclass(slots=True)
class Conditions:
    """Reads the tables, then finds for each ``Wish`` what it means; problems go to the reader."""

    reader: Reader
    shelf: Shelf
    named: dict[str, Named] = field(default_factory=dict)
    _faulty: set[str] = field(default_factory=set)

    def read(self, tables: Any) -> None:
        """Read all ``[conditions.NAME]``."""
        if not isinstance(tables, dict):
            self.reader.problem(("conditions",), "must be a table of conditions", "write [conditions.NAME]")
            return
        for name, table in tables.items():
            self._read_one(name, table)

    def _read_one(self, name: str, table: Any) -> None:
        path: Path = ("conditions", name)
        self._faulty.add(name)
        if not isinstance(table, dict):
            self.reader.problem(path, "must be a table", f"write [conditions.{name}] and its keys below")
            return
        if not re.fullmatch(_NAME, name):
            self.reader.problem(path, "the name of a condition must be made of letters, digits and '-'")
            return
        condition = self._condition(path, name, table)
        if condition is None:
            return
        rest = {key: value for key, value in table.items() if key != "use"}
        settings = self._settings(condition, path, rest)
        if settings is not None:
            self.named[name] = Named(name, condition, settings)
            self._faulty.discard(name)

    def _condition(self, path: Path, name: str, table: Mapping[str, Any]) -> Condition | None:
        """Return the condition that a table is about: the one of its name, or the one it says it uses."""
        if "use" not in table:
            if name not in self.shelf:
                hint = f'for one of your own name, write use = "…"; {self._nearest(name)}'
                self.reader.problem(path, f"there is no condition {name}", hint)
            return self.shelf.get(name)
        of = table["use"]
        condition = self.shelf.get(of) if isinstance(of, str) else None
        if condition is None:
            self.reader.problem((*path, "use"), f"there is no condition {of}", self._nearest(of))
        elif name in self.shelf and of != name:
            self.reader.problem((*path, "use"), f"{name} is a condition itself; choose another name")
            return None
        return condition

    def _settings(self, condition: Condition, path: Path, table: Mapping[str, Any]) -> Any | None:
        return read_table(self.reader, condition.settings or NoSettings, path, table)

    def uses(self, child: Path, wishes: Sequence[Wish]) -> tuple[Use, ...]:
        """Return what a milter's ``when`` means; what is wrong in it is left out and noted."""
        found = [self._use((*child, "when", index), wish) for index, wish in enumerate(wishes)]
        return tuple(use for use in found if use is not None)

    def _use(self, path: Path, wish: Wish) -> Use | None:
        if wish.name not in self.shelf and wish.name not in self.named:
            if wish.name not in self._faulty:
                self.reader.problem(path, f"there is no condition {wish.name}", self._nearest(wish.name))
            return None
        if wish.inline is not None:
            if wish.name not in self.shelf:
                self.reader.problem(path, f"{wish.name} has its settings in [conditions.{wish.name}]")
                return None
            settings = self._settings(self.shelf[wish.name], path, wish.inline)
            return None if settings is None else Use(wish.name, self.shelf[wish.name], settings, wish.negated)
        if wish.name not in self.named and wish.name not in self._faulty:
            self._read_one(wish.name, {})
        named = self.named.get(wish.name)
        return Use(named.name, named.condition, named.settings, wish.negated) if named else None

    def _nearest(self, name: object) -> str:
        known = sorted({*self.shelf, *self.named})
        near = difflib.get_close_matches(str(name).lower().replace("_", "-"), known, 1)
        return f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'none'}"


def has_settings(named: Named) -> bool:
    """Tell whether there is anything to be set."""
    return bool(dataclasses.fields(named.settings))

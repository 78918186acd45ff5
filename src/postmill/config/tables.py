"""From a TOML table to a settings class, along its declared fields; collects every problem with its line.

Nothing here knows a particular key; that the document as a whole has named tables is ``reading``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass
from typing import Any

from postmill.api.kinds import Kind, ListOf, SetOf
from postmill.api.settings import Section, keys_of
from postmill.config.origins import DEFAULT, Origin
from postmill.config.positions import Path
from postmill.errors import ConfigError

CHILD_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
"""What a milter or filter may be called."""


class Reader:
    """Knows the line of each key; gathers problems and origins."""

    def __init__(self, file: str, lines: Mapping[Path, int]) -> None:
        self.file = file
        self.lines = lines
        self.problems: list[ConfigError] = []
        self.origins: dict[str, Origin] = {}
        self.detected: dict[Path, Origin] = {}
        """Where the values come from that detection has put into the document."""

    def problem(self, path: Path, message: str, hint: str = "") -> None:
        """Note an error at a key."""
        self.problems.append(self.at(path, message, hint))

    def at(self, path: Path, message: str, hint: str = "") -> ConfigError:
        """Make an error or warning that points at a key, or at the nearest table around it."""
        origin = next(filter(None, (self._origin(path[:n]) for n in range(len(path), 0, -1))), None)
        origin = origin or Origin(self.file)
        return ConfigError(message, file=origin.file, line=origin.line, key=dotted(path), hint=hint)

    def _origin(self, path: Path) -> Origin | None:
        """Return where a key or a table was written, or found."""
        if path in self.lines:
            return Origin(self.file, self.lines[path])
        return self.detected.get(path)

    def came_from(self, path: Path, is_given: bool) -> None:
        """Note where a value was written."""
        self.origins[dotted(path)] = (self._origin(path) or DEFAULT) if is_given else DEFAULT


def dotted(path: Path) -> str:
    """Write a path as ``manager.listen[0]``."""
    text = ""
    for part in path:
        bare = isinstance(part, str) and re.fullmatch(r"[A-Za-z0-9_-]+", part)
        text += f"[{part}]" if isinstance(part, int) else f".{part if bare else repr(part)}"
    return text.removeprefix(".")


def names_of(of: type[Any]) -> list[str]:
    """Return the keys that a settings class has."""
    return [declared.name for declared in keys_of(of)]


def read_table(
    reader: Reader,
    of: type[Any],
    path: Path,
    table: Any,
    given: Mapping[str, Any] | None = None,
    also: Iterable[str] = (),
) -> Any | None:
    """Read one table into its class; None when something in it is wrong."""
    if not isinstance(table, dict):
        reader.problem(path, "must be a table")
        return None
    before = len(reader.problems)
    _refuse_unknown(reader, path, table, [*names_of(of), *also])
    values = dict(given or {})
    for declared in keys_of(of):
        _field(reader, declared, (*path, declared.name), table, values)
    return None if len(reader.problems) > before else of(**values)


@dataclass(frozen=True, slots=True)
class NoSettings:
    """What a condition or milter without settings reads: an empty table."""


def _refuse_unknown(reader: Reader, path: Path, table: Mapping[str, Any], known: list[str]) -> None:
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name.lower().replace("-", "_"), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
            reader.problem((*path, name), "unknown key", hint)


def _field(
    reader: Reader, declared: Field[Any], path: Path, table: Mapping[str, Any], values: dict[str, Any]
) -> None:
    name, kind = declared.name, declared.metadata["kind"]
    if isinstance(kind, Section):
        values[name] = read_table(reader, kind.of, path, table.get(name, {}))
        return
    if name in table:
        reader.came_from(path, is_given=True)
        values[name] = _value(reader, kind, path, table[name])
    elif declared.default is MISSING and declared.default_factory is MISSING:
        reader.problem(path, "is missing", f"must be {kind.allowed}")
    else:
        reader.came_from(path, is_given=False)


def _value(reader: Reader, kind: Kind, path: Path, raw: Any) -> Any:
    """Parse a value; in a list each element, so that an error points at its line."""
    if isinstance(kind, ListOf | SetOf) and isinstance(raw, list):
        before = len(reader.problems)
        for index, element in enumerate(raw):
            _value(reader, kind.item, (*path, index), element)
        if len(reader.problems) > before:
            return None
    try:
        return kind.parse(raw)
    except ValueError as error:
        reader.problem(path, str(error) or f"must be {kind.allowed}, not {_as_written(raw)}")
        return None


def _as_written(raw: Any) -> str:
    """Show what was found the way TOML writes it; tables and long values only by their type."""
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, dict | list):
        return "a table" if isinstance(raw, dict) else "a list"
    text = repr(raw) if not isinstance(raw, str) else f'"{raw}"'
    return text if len(text) <= 60 else text[:57] + "…"

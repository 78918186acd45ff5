"""From a TOML document to ``Settings``: its tables, and those that are named by the administrator."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, cast

from postmill.config.conditions import NO_CONDITIONS, Conditions, Shelf
from postmill.config.positions import Path
from postmill.config.settings import MilterSettings, Settings
from postmill.config.tables import Reader, names_of, read_table

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
_NAMED_TABLES = ("milters", "conditions")


def read_settings(
    reader: Reader, document: Mapping[str, Any], shelf: Shelf = NO_CONDITIONS
) -> Settings | None:
    """Read the whole document; None when something in it is wrong. ``shelf``: what ``when`` may name."""
    rest = {name: value for name, value in document.items() if name not in _NAMED_TABLES}
    settings = read_table(reader, Settings, (), rest, also=_NAMED_TABLES)
    conditions = Conditions(reader, shelf)
    conditions.read(document.get("conditions", {}))
    children = _milters(reader, document.get("milters", {}))
    if children is not None:
        children = tuple(
            dataclasses.replace(child, conditions=conditions.uses(child.name, child.when))
            for child in children
        )
    if settings is None or children is None:
        return None
    named = tuple(conditions.named.values())
    return cast("Settings", dataclasses.replace(settings, milters=children, conditions=named))


def _milters(reader: Reader, raw: Any) -> tuple[MilterSettings, ...] | None:
    if not isinstance(raw, dict):
        reader.problem(("milters",), "must be a table of milters", "write [milters.NAME]")
        return None
    children = [_milter(reader, name, table, place) for place, (name, table) in enumerate(raw.items(), 1)]
    if None in children:
        return None
    return tuple(sorted(cast("list[MilterSettings]", children), key=lambda child: child.order))


def _milter(reader: Reader, name: str, table: Any, place: int) -> MilterSettings | None:
    path: Path = ("milters", name)
    if not re.fullmatch(_NAME, name):
        reader.problem(path, "the name of a milter must be made of letters, digits, '-' and '_'")
        return None
    if not isinstance(table, dict):
        hint = f"write [milters.{name}] and its keys below"
        reader.problem(
            path, "must be a table", hint if name not in names_of(MilterSettings) else "write [milters.NAME]"
        )
        return None
    child = read_table(reader, MilterSettings, path, table, {"name": name})
    if child is None or "order" in table:
        return cast("MilterSettings | None", child)
    return cast("MilterSettings", dataclasses.replace(child, order=place))

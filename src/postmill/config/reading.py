"""From a TOML document to ``Settings``: its tables, and those that are named by the administrator."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from postmill.config.conditions import NO_CONDITIONS, Conditions, Shelf
from postmill.config.filters import FindFilter, no_filters, read_filters
from postmill.config.positions import Path
from postmill.config.settings import ChildSettings, MilterSettings, Settings
from postmill.config.tables import CHILD_NAME, Reader, names_of, read_table

C = TypeVar("C", bound=ChildSettings)

_NAMED_TABLES = ("milters", "conditions", "filter")


def read_settings(
    reader: Reader,
    document: Mapping[str, Any],
    shelf: Shelf = NO_CONDITIONS,
    find_filter: FindFilter = no_filters,
) -> Settings | None:
    """Read the whole document; None when something in it is wrong.

    ``shelf``: what ``when`` may name; ``find_filter``: what ``use`` of a filter means.
    """
    rest = {name: value for name, value in document.items() if name not in _NAMED_TABLES}
    settings = read_table(reader, Settings, (), rest, also=_NAMED_TABLES)
    conditions = Conditions(reader, shelf)
    conditions.read(document.get("conditions", {}))
    filters = read_filters(reader, document.get("filter", []), find_filter)
    children = _milters(reader, document.get("milters", {}), len(filters or ()))
    if children is not None:
        children = tuple(_with_conditions(child, conditions) for child in children)
    if filters is not None:
        filters = tuple(_with_conditions(child, conditions) for child in filters)
    if settings is None or children is None or filters is None:
        return None
    named = tuple(conditions.named.values())
    return cast(
        "Settings", dataclasses.replace(settings, milters=children, filters=filters, conditions=named)
    )


def _with_conditions(child: C, conditions: Conditions) -> C:
    return dataclasses.replace(child, conditions=conditions.uses(child.path, child.when))


def _milters(reader: Reader, raw: Any, before: int) -> tuple[MilterSettings, ...] | None:
    """Read all tables; ``before``: how many filters stand before them."""
    if not isinstance(raw, dict):
        reader.problem(("milters",), "must be a table of milters", "write [milters.NAME]")
        return None
    children = [
        _milter(reader, name, table, place) for place, (name, table) in enumerate(raw.items(), before + 1)
    ]
    if None in children:
        return None
    return tuple(sorted(cast("list[MilterSettings]", children), key=lambda child: child.order))


def _milter(reader: Reader, name: str, table: Any, place: int) -> MilterSettings | None:
    path: Path = ("milters", name)
    if not re.fullmatch(CHILD_NAME, name):
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

"""The ``[[filter]]`` tables: milters that run inside Postmill, with settings of their own.

Which milter a name means is not known here: whoever loads a configuration hands that in.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from postmill.api.milter import Milter
from postmill.api.settings import keys_of
from postmill.config.documents import parse_document
from postmill.config.origins import Origin
from postmill.config.own_code import OWN_FAILURES, failure, place
from postmill.config.positions import Path, key_lines
from postmill.config.problems import ConfigErrors
from postmill.config.settings import FilterSettings
from postmill.config.tables import CHILD_NAME, NoSettings, Reader, dotted, read_table
from postmill.errors import ConfigError

FindFilter = Callable[[str], Milter]
"""Return the milter that ``use`` means; raises ConfigError when there is none."""


def no_filters(use: str) -> Milter:
    """Know no filter."""
    raise ConfigError("this program cannot run filters")


def read_filters(reader: Reader, raw: Any, find: FindFilter) -> tuple[FilterSettings, ...] | None:
    """Read all tables; None when something in them is wrong."""
    if not isinstance(raw, list) or not all(isinstance(table, dict) for table in raw):
        reader.problem(("filter",), "must be a list of tables", "write [[filter]] and its keys below")
        return None
    filters = [_filter(reader, place, table, find) for place, table in enumerate(raw)]
    if None in filters:
        return None
    return tuple(sorted(cast("list[FilterSettings]", filters), key=lambda one: one.order))


def read_own(file: str, text: str, milter: Milter) -> tuple[Any, Any]:
    """Return a milter's own settings from a TOML text, and what it made of them; raises ConfigErrors."""
    document = parse_document(file, text)
    reader = Reader(file, key_lines(text))
    settings = _settings(reader, (), document, milter)
    prepared = None
    if not reader.problems:
        with _told(reader, ()):
            prepared = _prepared(milter, settings)
    if reader.problems:
        raise ConfigErrors(reader.problems)
    return settings, prepared


def _filter(reader: Reader, place: int, table: Mapping[str, Any], find: FindFilter) -> FilterSettings | None:
    path: Path = ("filter", place)
    before = len(reader.problems)
    milter = _milter(reader, path, table.get("use"), find)
    name = _name(reader, path, table, milter)
    settings = table.get("settings", {})
    own = None if milter is None else _settings(reader, (*path, "settings"), settings, milter)
    rest = {key: value for key, value in table.items() if key not in ("name", "settings")}
    given = {"name": name, "milter": milter, "settings": own, "place": place}
    found = read_table(reader, FilterSettings, path, rest, given, also=("name", "settings"))
    if found is None or milter is None or len(reader.problems) > before:
        return None
    if "order" not in table:
        found = dataclasses.replace(found, order=place + 1 if milter.order is None else milter.order)
    with _told(reader, (*path, "settings")):
        prepared = _prepared(milter, own)
        found = dataclasses.replace(found, prepared=prepared)
        if "on_error" not in table and (word := _on_error(milter, prepared)):
            reader.origins[dotted((*path, "on_error"))] = Origin(f"the settings of {milter.name}")
            found = dataclasses.replace(found, on_error=word)
        return cast("FilterSettings", found)
    return None


def _milter(reader: Reader, path: Path, use: Any, find: FindFilter) -> Milter | None:
    if not isinstance(use, str):
        return None  # told by read_table
    try:
        return find(use)
    except ConfigError as error:
        where = ConfigError(error.message, file=error.file, line=error.line)
        reader.problem((*path, "use"), str(where), error.hint)
        return None


def _name(reader: Reader, path: Path, table: Mapping[str, Any], milter: Milter | None) -> str:
    """Return the name it has in the log: its own unless the table gives another."""
    name = table.get("name", milter.name if milter is not None else "unknown")
    if not isinstance(name, str) or not re.fullmatch(CHILD_NAME, name):
        reader.problem((*path, "name"), "must be made of letters, digits, '-' and '_'")
        return "unknown"
    return name


def _settings(reader: Reader, path: Path, table: Any, milter: Milter) -> Any:
    with _told(reader, path):
        found = read_table(reader, milter.settings or NoSettings, path, table)
        return found if milter.settings is not None else None


def _prepared(milter: Milter, settings: Any) -> Any:
    """Let the milter make of its settings what it will, and say what it can be asked about them."""
    prepared = milter.make_of(settings)
    milter.handlers_with(settings, prepared)
    milter.longest_with(settings, prepared)
    return prepared


def _on_error(milter: Milter, prepared: Any) -> str:
    """Let the milter's own settings say what becomes of mail when it fails; "" where they do not."""
    word = milter.on_error_of(prepared)
    (declared,) = (one for one in keys_of(FilterSettings) if one.name == "on_error")
    kind = declared.metadata["kind"]
    if word and word not in kind.words:
        raise ValueError(f"on_error of {milter.name} must be {kind.allowed}, not {word!r}")
    return word


@contextmanager
def _told(reader: Reader, path: Path) -> Iterator[None]:
    """Make what a milter's code raises a problem at a key."""
    try:
        yield
    except ConfigError as error:
        reader.problems.append(error)
    except (ValueError, OSError) as error:
        reader.problem(path, str(error))
    except OWN_FAILURES as error:
        file, line = place(error)
        reader.problem(path, f"{failure(error)}, at {file}:{line}")

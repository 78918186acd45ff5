"""The configuration: every value and where it comes from; checking the file, and taking it."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.responses import RedirectResponse, Response

from postmill.config import ConfigErrors, Loaded
from postmill.config.showing import as_toml
from postmill.daemon.configuration import load_configuration
from postmill.errors import PostmillError
from postmill.web.visit import Visit, action, page

_HIDDEN = "•••"
_SECRETS = (
    (re.compile(r"\$scrypt\$[^\"]*"), _HIDDEN),
    (re.compile(r"(://[^/@:\s\"]*:)[^@\s\"]*@"), rf"\1{_HIDDEN}@"),
    (re.compile(r"((?:password|secret|token|api_?key)\w*=)[^&\s\"]+", re.IGNORECASE), rf"\1{_HIDDEN}"),
)
_SECRET_KEY = re.compile(r"(^|[._])(password|secret|token|api_?key)s?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Value:
    """One key with its value as TOML, without secrets, and its origin."""

    key: str
    value: str
    origin: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    heading: str
    values: tuple[Value, ...]


async def show(visit: Visit) -> Response:
    """Show what is in the file, what takes effect, and whether that is the same."""
    loaded, problems = await asyncio.to_thread(_load, visit.house.loaded.file)
    status = await visit.status()
    everything = visit.asked("all") == "1"
    changed = _changed_at(visit.house.loaded.file)
    tables = [*_tables(loaded)] if loaded is not None else []
    return visit.page(
        "configuration.html",
        daemon=status,
        file=visit.house.loaded.file,
        problems=problems,
        warnings=[str(warning) for warning in loaded.warnings] if loaded is not None else [],
        tables=tables if everything else [*_written(tables)],
        everything=everything,
        changed=changed,
        is_newer=status is not None and changed > status["configuration"]["since"],
        asked=visit.asked("check") == "1",
        done=visit.asked("done"),
    )


def _load(file: str) -> tuple[Loaded | None, list[str]]:
    try:
        return load_configuration(file), []
    except ConfigErrors as error:
        return None, [str(problem) for problem in error.problems]
    except (PostmillError, OSError) as error:
        return None, [str(error)]


def _changed_at(file: str) -> float:
    try:
        return os.stat(file).st_mtime
    except OSError:
        return 0.0


def _place(origin: str, file: str) -> str:
    line = origin.removeprefix(f"{file}:")
    return f"line {line}" if line != origin else origin


def _tables(loaded: Loaded) -> Iterator[Table]:
    """Take the text apart that ``config show`` prints: it is the one place that knows all values."""
    for block in as_toml(loaded).split("\n\n"):
        heading, *lines = block.split("\n")
        values = tuple(_value(line, loaded.file) for line in lines if line.rstrip())
        yield Table(heading, values)


def _value(line: str, file: str) -> Value:
    text, _, origin = line.rpartition("  # ")
    key, _, value = (text or line).strip().partition(" = ")
    shown = _HIDDEN if _SECRET_KEY.search(key) and value != '""' else _without_secrets(value)
    return Value(key, shown, _place(origin, file), origin == "default")


def _without_secrets(value: str) -> str:
    for pattern, instead in _SECRETS:
        value = pattern.sub(instead, value)
    return value


def _written(tables: list[Table]) -> Iterator[Table]:
    """Leave out what nobody has written."""
    for table in tables:
        values = tuple(value for value in table.values if not value.is_default)
        if values:
            yield Table(table.heading, values)


async def confirm(visit: Visit) -> Response:
    """Ask whether it is meant."""
    assert visit.who is not None
    if not visit.who.operates:
        return visit.problem(403, "Only operators may change something; you may look.")
    _, problems = await asyncio.to_thread(_load, visit.house.loaded.file)
    return visit.page("confirm_reload.html", file=visit.house.loaded.file, problems=problems)


async def reload(visit: Visit) -> Response:
    """Have the daemon take the file."""
    assert visit.who is not None
    try:
        await visit.house.daemon.change("reload", visit.who.name)
    except PostmillError as error:
        return visit.problem(409, str(error))
    return RedirectResponse("/configuration?done=1", 303)


ROUTES = (
    page("/configuration", show),
    page("/configuration/reload", confirm),
    action("/configuration/reload", reload),
)

"""The effective configuration: as TOML with the origin of each value beside it, and as plain values."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from postmill.api.kinds import quoted
from postmill.api.settings import Section, keys_of
from postmill.config.conditions import has_settings
from postmill.config.origins import Loaded
from postmill.config.settings import FilterSettings

_ORIGIN_COLUMN = 48


def as_toml(loaded: Loaded) -> str:
    """Write every setting with its origin as a comment; read again, it gives the same, passwords aside."""
    blocks = []
    for prefix, value in tables(loaded):
        lines = [_heading(prefix, value), *_use(loaded, prefix)]
        for name, shown in _all_values(value):
            origin = loaded.origins[f"{prefix}.{name}"]
            lines.append(f"{f'{name} = {shown}':<{_ORIGIN_COLUMN}}  # {origin}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def as_values(loaded: Loaded) -> dict[str, Any]:
    """Give ``settings`` nested and spelt as in TOML, ``origins`` by dotted key, and ``warnings``."""
    return {
        "file": loaded.file,
        "settings": tomllib.loads(as_toml(loaded)),
        "origins": {key: str(origin) for key, origin in loaded.origins.items()},
        "warnings": [str(warning) for warning in loaded.warnings],
    }


def tables(loaded: Loaded) -> Iterator[tuple[str, Any]]:
    """Go through the tables of the configuration: dotted name and settings value."""
    yield "manager", loaded.settings.manager
    yield "log", loaded.settings.log
    yield "control", loaded.settings.control
    yield "store", loaded.settings.store
    yield "history", loaded.settings.history
    yield "metrics", loaded.settings.metrics
    yield "tracing", loaded.settings.tracing
    yield "graphs", loaded.settings.graphs
    yield "web", loaded.settings.web
    for named in loaded.settings.conditions:
        if has_settings(named):
            yield f"conditions.{named.name}", named.settings
    for child in loaded.settings.milters:
        yield f"milters.{child.name}", child
    for inner in sorted(loaded.settings.filters, key=lambda one: one.place):
        yield f"filter[{inner.place}]", inner


def _heading(prefix: str, value: Any) -> str:
    if isinstance(value, FilterSettings):
        return f"[[filter]]\nname = {quoted(value.name)}"
    return f"[{prefix}]"


def _all_values(value: Any) -> Iterator[tuple[str, str]]:
    """Go through the keys of a table and, of a filter, those of its own settings."""
    yield from _values(value)
    if isinstance(value, FilterSettings) and value.settings is not None:
        yield from _values(value.settings, "settings.")


def _use(loaded: Loaded, prefix: str) -> Iterator[str]:
    """Give the line that says which condition a table is about, where its name does not say so."""
    for named in loaded.settings.conditions:
        if prefix == f"conditions.{named.name}" and named.name != named.condition.name:
            yield f"use = {quoted(named.condition.name)}"


def _values(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for declared in keys_of(value):
        kind, inner = declared.metadata["kind"], getattr(value, declared.name)
        if isinstance(kind, Section):
            yield from _values(inner, f"{prefix}{declared.name}.")
        else:
            yield f"{prefix}{declared.name}", kind.show(inner)

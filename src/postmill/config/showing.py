"""The effective configuration: as TOML with the origin of each value beside it, and as plain values."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator
from typing import Any

from postmill.api.kinds import quoted
from postmill.api.settings import Section, is_key
from postmill.config.conditions import has_settings
from postmill.config.origins import Loaded

_ORIGIN_COLUMN = 48


def as_toml(loaded: Loaded) -> str:
    """Write every setting with its origin as a comment; read again, the text gives the same settings."""
    blocks = []
    for prefix, value in tables(loaded):
        lines = [f"[{prefix}]", *_use(loaded, prefix)]
        for name, shown in _values(value):
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
    for named in loaded.settings.conditions:
        if has_settings(named):
            yield f"conditions.{named.name}", named.settings
    for milter in loaded.settings.milters:
        yield f"milters.{milter.name}", milter


def _use(loaded: Loaded, prefix: str) -> Iterator[str]:
    """Give the line that says which condition a table is about, where its name does not say so."""
    for named in loaded.settings.conditions:
        if prefix == f"conditions.{named.name}" and named.name != named.condition.name:
            yield f"use = {quoted(named.condition.name)}"


def _values(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for declared in filter(is_key, dataclasses.fields(value)):
        kind, inner = declared.metadata["kind"], getattr(value, declared.name)
        if isinstance(kind, Section):
            yield from _values(inner, f"{prefix}{declared.name}.")
        else:
            yield f"{prefix}{declared.name}", kind.show(inner)

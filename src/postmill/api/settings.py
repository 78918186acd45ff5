"""Declaring settings: each is a field of a frozen dataclass that carries its kind, default and meaning.

The configuration of Postmill itself and the settings of conditions are declared in the same way, so that
reading them, their error messages and their reference pages are one piece of code.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from postmill.api.kinds import Kind


@dataclass(frozen=True, slots=True)
class Section:
    """The kind of a key that is a table with fields of its own."""

    of: type[Any]


def key(kind: Kind, default: Any, doc: str, *, when_absent: str = "") -> Any:
    """Declare a key with its kind, its default as TOML would have it, and its meaning.

    ``when_absent`` says in words what holds when the key is not given, if that is no plain value.
    """
    metadata = {"kind": kind, "doc": doc, "when_absent": when_absent}
    value = kind.parse(default)
    if value.__hash__ is None:  # a table: each object has its own
        return field(default_factory=lambda: kind.parse(default), metadata=metadata)
    return field(default=value, metadata=metadata)


def required(kind: Kind, doc: str) -> Any:
    """Declare a key that must be given."""
    return field(metadata={"kind": kind, "doc": doc, "when_absent": ""})


def section(of: type[Any], doc: str) -> Any:
    """Declare a table."""
    return field(default_factory=of, metadata={"kind": Section(of), "doc": doc, "when_absent": ""})


def keys_of(of: Any) -> list[Field[Any]]:
    """Return the declared keys of a settings class or object, those that must be given first."""
    found = filter(is_key, fields(of))
    return sorted(found, key=lambda one: one.default is not MISSING or one.default_factory is not MISSING)


def is_key(declared: Field[Any]) -> bool:
    """Tell whether a field of a settings class can be written in the file."""
    return "kind" in declared.metadata

"""Declaring settings: each is a field of a frozen dataclass that carries its kind, default and meaning.

The configuration of Postmill itself and the settings of conditions are declared in the same way, so that
reading them, their error messages and their reference pages are one piece of code.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
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


@dataclass(frozen=True, slots=True)
class Table:
    """The kind of a table in a list, ``[[…]]``: a settings class like any other."""

    of: type[Any]

    @property
    def allowed(self) -> str:
        """See ``Kind``."""
        return f"a table with the keys {', '.join(one.name for one in keys_of(self.of))}"

    def parse(self, raw: Any) -> Any:
        """See ``Kind``; says which key is wrong."""
        if not isinstance(raw, dict):
            raise ValueError
        kinds = {one.name: one.metadata["kind"] for one in keys_of(self.of)}
        for name in raw:
            if name not in kinds:
                raise ValueError(f"unknown key {name}; known here: {', '.join(sorted(kinds))}")
        values = {name: self._value(name, kinds[name], value) for name, value in raw.items()}
        missing = [one.name for one in keys_of(self.of) if is_required(one) and one.name not in raw]
        if missing:
            raise ValueError(f"{missing[0]} is missing: it must be {kinds[missing[0]].allowed}")
        return self.of(**values)

    @staticmethod
    def _value(name: str, kind: Kind, raw: Any) -> Any:
        try:
            return kind.parse(raw)
        except ValueError as error:
            raise ValueError(f"{name}: {error}" if str(error) else f"{name} must be {kind.allowed}") from None

    def show(self, value: Any) -> str:
        """See ``Kind``; keys that have their default are left out."""
        pairs = [
            f"{one.name} = {one.metadata['kind'].show(getattr(value, one.name))}"
            for one in keys_of(self.of)
            if is_required(one) or getattr(value, one.name) != one.default
        ]
        return f"{{ {', '.join(pairs)} }}"


def section(of: type[Any], doc: str) -> Any:
    """Declare a table."""
    return field(default_factory=of, metadata={"kind": Section(of), "doc": doc, "when_absent": ""})


def check_settings(settings: Any, whose: str) -> None:
    """Raise TypeError, which says whose they are, unless it is a class whose fields are all declared here."""
    if not (isinstance(settings, type) and is_dataclass(settings)):
        raise TypeError(f"{whose}: its settings must be a dataclass, the class itself")
    plain = [one.name for one in fields(settings) if one.init and not is_key(one)]
    if plain:
        raise TypeError(f"{whose}: declare {settings.__name__}.{plain[0]} with key() or required()")


def keys_of(of: Any) -> list[Field[Any]]:
    """Return the declared keys of a settings class or object, those that must be given first."""
    return sorted(filter(is_key, fields(of)), key=lambda one: not is_required(one))


def is_required(declared: Field[Any]) -> bool:
    """Tell whether a key must be given."""
    return declared.default is MISSING and declared.default_factory is MISSING


def is_key(declared: Field[Any]) -> bool:
    """Tell whether a field of a settings class can be written in the file."""
    return "kind" in declared.metadata

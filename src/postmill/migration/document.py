"""The TOML that an import makes: values are checked by the kinds of our own settings as they come in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from postmill.api.kinds import quoted
from postmill.api.settings import Section, keys_of
from postmill.config.conditions import written
from postmill.migration.remarks import Place, Remarks


@dataclass(slots=True)
class Table:
    """One table: its name, the class of its settings, and the keys that differ from their defaults."""

    name: str
    of: type[Any]
    shown: dict[str, str] = field(default_factory=dict)
    is_needed: bool = False
    """Whether its head is written even if every key has its default."""
    milter: str = ""
    """For the table of a milter: its name in the predecessor's configuration."""
    use: str = ""
    """For the table of a condition under a name of its own: which one it is."""

    def put(self, key: str, raw: Any, place: Place, remarks: Remarks) -> bool:
        """Take a value as TOML would hold it; False, with a remark, when it cannot be one."""
        declared = _declared(self.of, key)
        kind = declared.metadata["kind"]
        try:
            value = kind.parse(raw)
        except ValueError as error:
            remarks.lost(place, f"{key} = {written(raw)}: {str(error) or f'must be {kind.allowed}'}")
            return False
        if declared.default is dataclasses.MISSING or value != declared.default:
            self.shown[key] = kind.show(value)
        return True

    def lines(self) -> list[str]:
        """Write the table, its keys in the order of the settings; nothing if it says nothing."""
        keys = [key for key in _keys(self.of) if key in self.shown]
        body = [f"use = {quoted(self.use)}"] * bool(self.use) + [f"{key} = {self.shown[key]}" for key in keys]
        return [f"[{self.name}]", *body] if body or self.is_needed else []


def _declared(of: type[Any], key: str) -> dataclasses.Field[Any]:
    first, _, rest = key.partition(".")
    found = next(one for one in keys_of(of) if one.name == first)
    return _declared(found.metadata["kind"].of, rest) if rest else found


def _keys(of: type[Any], prefix: str = "") -> Iterator[str]:
    for declared in keys_of(of):
        kind = declared.metadata["kind"]
        if isinstance(kind, Section):
            yield from _keys(kind.of, f"{prefix}{declared.name}.")
        else:
            yield f"{prefix}{declared.name}"

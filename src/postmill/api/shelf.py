"""How a shelf collects what stands on it: values of one kind in modules, by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType, ModuleType
from typing import Protocol, TypeVar


class Named(Protocol):
    """What can stand on a shelf."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...


T = TypeVar("T", bound=Named)


def collect(modules: Iterable[ModuleType], kind: type[T]) -> Mapping[str, T]:
    """Return the values of a kind that modules hold, by name; TypeError when two different ones share it."""
    found: dict[str, T] = {}
    for module in modules:
        for value in vars(module).values():
            if not isinstance(value, kind):
                continue
            if found.setdefault(value.name, value) is not value:
                what = kind.__name__.lower()
                raise TypeError(f"{module.__name__} has another {what} named {value.name}")
    return MappingProxyType(found)

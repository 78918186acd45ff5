"""The shelf of built-in conditions, floor 4: a file for each, of its name, written with ``api`` alone.

``shelf()`` collects what the files hold; adding one edits nothing else (docs/contribute/condition.md). Files
on the shelf do not know each other. What two of them share stands in a module whose name begins with ``_``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import ModuleType

from postmill.api import Condition
from postmill.api.shelf import collect as of_kind


def shelf() -> Mapping[str, Condition]:
    """Return every built-in condition by its name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return collect(importlib.import_module(f"{__name__}.{name}") for name in names)


def collect(modules: Iterable[ModuleType]) -> Mapping[str, Condition]:
    """Return the conditions that modules hold, by name; TypeError when two different ones have the same."""
    return of_kind(modules, Condition)

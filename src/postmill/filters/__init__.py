"""The built-in filters, a shelf: each file, or package, is one milter written with ``postmill.api``.

They use what everybody's own may use; files whose names begin with ``_`` hold what some of them share. A
filter's library may be missing as long as nobody uses that filter.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from postmill.api.milter import Milter
from postmill.api.shelf import collect


def names() -> tuple[str, ...]:
    """Return the names of all built-in filters."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.replace("_", "-") for name in found if not name.startswith("_")))


def load(name: str) -> Milter:
    """Return one of them; raises ModuleNotFoundError for it, or for a library that it needs."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return collect([module], Milter)[name]


def shelf() -> Mapping[str, Milter]:
    """Return every built-in filter by its name; raises ModuleNotFoundError for a missing library."""
    return {name: load(name) for name in names()}

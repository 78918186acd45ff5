"""Which milter ``use`` of a ``[[filter]]`` means: a built-in one, or one that somebody else has written."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from postmill.api.milter import Milter
from postmill.config.own_code import OWN_FAILURES, failure
from postmill.daemon.policies import execute
from postmill.errors import ConfigError
from postmill.filters import load, names


def find_filter(use: str) -> Milter:
    """Return the milter of that name, or of ``MODULE:NAME`` or ``/FILE.py:NAME``; raises ConfigError."""
    built_in = names()
    if use in built_in:
        return _built_in(use)
    module, colon, name = use.rpartition(":")
    if not colon:
        near = difflib.get_close_matches(use.lower().replace("_", "-"), built_in, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(built_in) or 'none'}"
        raise ConfigError(f"there is no built-in filter {use}", hint=f"{hint}; your own: MODULE:NAME")
    return find_milter(module, name)


def built_in_filters() -> Mapping[str, Milter]:
    """Return the built-in filters by their names, but for those whose library is missing."""
    found = {}
    for name in names():
        with suppress(ConfigError):
            found[name] = _built_in(name)
    return found


def _built_in(name: str) -> Milter:
    try:
        return load(name)
    except ModuleNotFoundError as error:
        hint = f"pip install 'postmill[{name}]', or your system's package of it"
        raise ConfigError(f"{name} needs the Python library {error.name}", hint=hint) from error


def find_milter(module: str, name: str) -> Milter:
    """Return the milter that a module, or a file whose path ends in ``.py``, has under a name.

    Raises ConfigError when there is none.
    """
    if module.endswith(".py"):
        found = getattr(execute(Path(module).absolute(), "postmill_filter"), name, None)
    else:
        found = getattr(_imported(module), name, None)
    if not isinstance(found, Milter):
        what = "nothing" if found is None else f"a {type(found).__name__}, not a Milter,"
        raise ConfigError(f"{module} has {what} named {name}")
    return found


def _imported(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(f"there is no module {error.name}", hint="is it in PYTHONPATH?") from error
    except OWN_FAILURES as error:
        raise ConfigError(f"{module}: {failure(error)}") from error

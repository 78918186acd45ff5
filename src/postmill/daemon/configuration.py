"""The configuration with all it may name: conditions, built in and the administrator's own, and milters."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from postmill.api.conditions import Condition
from postmill.api.host import Finding
from postmill.conditions import shelf
from postmill.config import ConfigErrors, Loaded, load
from postmill.config.loading import parse
from postmill.daemon.filters import find_filter
from postmill.daemon.machine import Machine
from postmill.daemon.policies import directory_of, load_policies
from postmill.detectors import detect
from postmill.errors import ConfigError
from postmill.history import check_url
from postmill.stores import open_backend


def load_configuration(path: str | os.PathLike[str]) -> Loaded:
    """Read and check a configuration file and the policies beside it; raises ConfigErrors."""
    return _with_databases(load(path, conditions_for(path), milters_here, find_filter))


def milters_here() -> Sequence[Finding]:
    """Return the milters that this machine has, looked for now; UnavailableError when that cannot be done."""
    return detect(Machine()).findings


def parse_configuration(path: str | os.PathLike[str], text: str) -> Loaded:
    """Check a text that is to become this configuration file; raises ConfigErrors."""
    made = parse(os.fspath(path), text.replace("\r\n", "\n"), conditions_for(path), milters_here, find_filter)
    return _with_databases(made)


def _with_databases(loaded: Loaded) -> Loaded:
    """Return it if there are such a store and such a history, and the libraries for them."""
    settings = loaded.settings
    _check(loaded, "store.url", partial(open_backend, settings.store.url))
    if settings.history.url:
        _check(loaded, "history.url", partial(check_url, settings.history.url))
    return loaded


def _check(loaded: Loaded, key: str, attempt: Callable[[], object]) -> None:
    try:
        attempt()
    except ValueError as error:
        origin = loaded.origins[key]
        problem = ConfigError(str(error), file=origin.file, line=origin.line, key=key)
        raise ConfigErrors([problem]) from error


def conditions_for(path: str | os.PathLike[str]) -> Mapping[str, Condition]:
    """Return every condition that this configuration may name; raises ConfigErrors."""
    built_in = shelf()
    try:
        return {**built_in, **load_policies(directory_of(os.fspath(path)), built_in)}
    except ConfigError as error:
        raise ConfigErrors([error]) from error

"""Settings of a condition or a milter as if they were written in the configuration, for tests."""

from __future__ import annotations

from typing import Any

from postmill.api.conditions import Condition
from postmill.api.milter import Milter
from postmill.api.settings import is_required, keys_of
from postmill.config.tables import Reader, names_of, read_table


def settings_of(of: Condition | Milter, /, **written: Any) -> Any:
    """Return the settings of a condition or milter; None where it has none.

    Raises ValueError when one is not allowed, with the words of ``postmill config check``; TypeError when
    there is no such setting or a required one is missing.
    """
    what = f"{type(of).__name__.lower()} {of.name}"
    if of.settings is None:
        if written:
            raise TypeError(f"{what} has no settings")
        return None
    unknown = [name for name in written if name not in names_of(of.settings)]
    if unknown:
        raise TypeError(f"{what} has no setting {unknown[0]}")
    missing = [one.name for one in keys_of(of.settings) if is_required(one) and one.name not in written]
    if missing:
        raise TypeError(f"{what} needs the setting {missing[0]}")
    reader = Reader(what, {})
    settings = read_table(reader, of.settings, (), written)
    if settings is None:
        raise ValueError("\n".join(map(str, reader.problems)))
    return settings

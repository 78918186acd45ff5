"""Settings of a condition or a milter as if they were written in the configuration, for tests."""

from __future__ import annotations

import dataclasses
from typing import Any

from postmill.api.conditions import Condition
from postmill.api.milter import Milter
from postmill.api.settings import is_key


def settings_of(of: Condition | Milter, /, **written: Any) -> Any:
    """Return the settings of a condition or milter; None where it has none.

    Raises ValueError when one is not allowed, TypeError when there is no such setting or a required one is
    missing.
    """
    what = f"{type(of).__name__.lower()} {of.name}"
    if of.settings is None:
        if written:
            raise TypeError(f"{what} has no settings")
        return None
    kinds = {one.name: one.metadata["kind"] for one in filter(is_key, dataclasses.fields(of.settings))}
    unknown = [name for name in written if name not in kinds]
    if unknown:
        raise TypeError(f"{what} has no setting {unknown[0]}")
    return of.settings(**{name: kinds[name].parse(value) for name, value in written.items()})

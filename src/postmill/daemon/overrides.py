"""What operators changed while Postmill runs: modes of milters and the log level, over those of the file."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from postmill.config.settings import ChildSettings, Settings
from postmill.daemon.requests import RESET, nearest
from postmill.errors import RequestError

C = TypeVar("C", bound=ChildSettings)

ON = "on"
"""To be asked again: no mode of its own, but the one that ``with_mode`` finds."""


@dataclass(frozen=True, slots=True)
class Override:
    """One value, who set it, and when in seconds of the wall clock."""

    value: str
    by: str
    at: float = field(default_factory=time.time)

    def as_dict(self) -> dict[str, Any]:
        """Return by whom and when, for a status."""
        return {"by": self.by, "at": round(self.at, 3)}


@dataclass(frozen=True, slots=True)
class Overrides:
    """All of them; a value that changes by being replaced."""

    modes: Mapping[str, Override] = field(default_factory=dict)
    log_level: Override | None = None

    def over(self, settings: Settings) -> Settings:
        """Return the settings that are in force."""
        log = settings.log
        if self.log_level is not None:
            log = dataclasses.replace(log, level=self.log_level.value)
        milters = tuple(map(self._over, settings.milters))
        filters = tuple(map(self._over, settings.filters))
        return dataclasses.replace(settings, milters=milters, filters=filters, log=log)

    def _over(self, child: C) -> C:
        mode = self.modes.get(child.name)
        return child if mode is None else dataclasses.replace(child, mode=mode.value)

    def with_mode(self, settings: Settings, milter: str, mode: str, by: str) -> Overrides:
        """Return these and the mode of a milter; raises RequestError when there is no such milter.

        ``ON`` is the mode of the file, and ``enforce`` where that is ``off``.
        """
        from_file = mode_in(settings, milter)
        if mode == ON:
            mode = "enforce" if from_file == "off" else from_file
        if mode == mode_in(self.over(settings), milter):
            return self
        modes = {name: override for name, override in self.modes.items() if name != milter}
        if mode != from_file:
            modes[milter] = Override(mode, by)
        return dataclasses.replace(self, modes=modes)

    def with_log_level(self, level: str, by: str) -> Overrides:
        """Return these and another log level, or that of the file."""
        return dataclasses.replace(self, log_level=None if level == RESET else Override(level, by))

    def still_over(self, settings: Settings) -> Overrides:
        """Return those that still say something else than the file, after it has changed."""
        in_file = {milter.name: milter.mode for milter in settings.children}
        modes = {name: one for name, one in self.modes.items() if in_file.get(name, one.value) != one.value}
        return dataclasses.replace(self, modes=modes)


def mode_in(settings: Settings, milter: str) -> str:
    """Return the mode of a milter; raises RequestError, with the nearest spelling, when there is none."""
    modes = {one.name: one.mode for one in settings.children}
    if milter not in modes:
        raise RequestError(f"there is no milter {milter!r}; {nearest(milter, modes)}")
    return modes[milter]

"""A configuration that was read, and where each of its values came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from postmill.errors import ConfigError

if TYPE_CHECKING:
    from postmill.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: file and line, or nowhere, when it is the default."""

    file: str = ""
    line: int = 0
    detected: bool = False
    """Whether detection found it there: a file of a milter's own, or words where no file says it."""

    @property
    def is_default(self) -> bool:
        """Whether nobody wrote the value down."""
        return not self.file

    def __str__(self) -> str:
        """``file:line``, ``detected: file:line`` or ``default``."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"detected: {where}" if self.detected else where or "default"


DEFAULT = Origin()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What ``load`` gives: the settings, the origin of each by its dotted key, and what looks unintended.

    ``origins`` has one entry for each value there is, such as ``manager.listen`` or
    ``milters.clamav.timeouts.connect``. ``warnings`` have the shape of errors but are none.
    """

    file: str
    settings: Settings
    origins: dict[str, Origin]
    warnings: tuple[ConfigError, ...] = ()

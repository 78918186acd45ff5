"""What a command is about to do to files of this machine, as a value: nothing is written here.

``files`` carries a plan out, ``backup`` remembers what was before.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from postmill.host.logical_lines import physical_lines


@dataclass(frozen=True, slots=True)
class Change:
    """A file's text before and after; None where there is no such file.

    Bytes that are no UTF-8 are kept as surrogate escapes, so that nothing is lost on the way.
    """

    path: str
    before: str | None
    after: str | None

    def diff(self) -> str:
        """Show it as a unified diff; "" when nothing changes."""
        return unified_diff(self.before or "", self.after or "", self.path, self.path)


@dataclass(frozen=True, slots=True)
class Plan:
    """What putting Postmill in as the one milter comes to."""

    address: str
    """Postmill's socket as the MTA will spell it."""
    changes: tuple[Change, ...] = ()
    """Only files that really change."""
    removed: tuple[tuple[str, str], ...] = ()
    """Milters taken out of the MTA because Postmill asks them: as written there, and their name here."""
    adopted: tuple[tuple[str, str], ...] = ()
    """Milters taken over into Postmill's configuration: as written in the MTA's, and their name here."""
    kept: tuple[tuple[str, str], ...] = ()
    """Milters that the MTA goes on asking by itself: as written there, and why."""
    notes: tuple[str, ...] = ()
    """What was decided and why, and what else one should know."""
    warnings: tuple[str, ...] = ()
    heard: bool = True
    """Whether somebody listens at the address at this moment."""


def changed(*changes: Change) -> tuple[Change, ...]:
    """Leave out the changes that are none."""
    return tuple(change for change in changes if change.before != change.after)


def unified_diff(before: str, after: str, old_name: str, new_name: str) -> str:
    """Compare two texts line by line, as ``diff -u`` does."""
    lines = difflib.unified_diff(physical_lines(before), physical_lines(after), old_name, new_name)
    marked = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return "".join(marked)

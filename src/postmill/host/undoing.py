"""What taking a setup back comes to, from what was remembered of it and what the files are now.

Each setup that changed something is one layer. The newest is taken back; the ones below it, too, as long as
nothing was changed between them, so that two setups in a row are undone as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from postmill.host.files import FileState
from postmill.host.plan import Change, changed


@dataclass(frozen=True, slots=True)
class Saved:
    """One file that a setup changed: as it was, and the text written; None where there is no file."""

    path: str
    before: FileState | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Layer:
    """All files that one setup changed."""

    name: str
    files: tuple[Saved, ...]


@dataclass(frozen=True, slots=True)
class Undoing:
    """What to do, or what stands against it."""

    states: Mapping[str, FileState | None]
    """The files as they will be."""
    layers: tuple[str, ...]
    """The names of the layers that are taken back by this."""
    conflicts: tuple[Change, ...]
    """Files that somebody changed since, from what was written to what they are now."""
    changes: tuple[Change, ...]
    """What taking back changes, from what the files are now to what they were."""


def unwind(layers: Iterable[Layer], now: Mapping[str, FileState | None]) -> Undoing:
    """Take layers back, the newest first; ``now`` has the files of all of them.

    With conflicts in the newest layer it alone is taken back, and what was changed since would be lost.
    """
    states: dict[str, FileState | None] = {}
    names: list[str] = []
    conflicts: tuple[Change, ...] = ()
    for layer in layers:
        found = tuple(_conflicts(layer, {**now, **states}))
        if found and names:
            break
        states.update({saved.path: saved.before for saved in layer.files})
        names.append(layer.name)
        conflicts = found
        if conflicts:
            break
    changes = (Change(path, _text(now[path]), _text(state)) for path, state in states.items())
    return Undoing(states, tuple(names), conflicts, changed(*changes))


def _conflicts(layer: Layer, now: Mapping[str, FileState | None]) -> Iterable[Change]:
    for saved in layer.files:
        text = _text(now[saved.path])
        if text not in {saved.after, _text(saved.before)}:
            yield Change(saved.path, saved.after, text)


def _text(state: FileState | None) -> str | None:
    return None if state is None else state.text

"""The memory of what a setup changed: a directory ``postmill-backup`` beside the files of the MTA.

It has one numbered directory for each setup: ``record.json``, each file as it was, under its name and with
its mode and owner, so that it can be copied back by hand, and as ``NAME.written`` what was written. What
undoing makes of that is told by `undoing`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping

from postmill.errors import ConfigError
from postmill.host.files import FileState, look, put, trying
from postmill.host.plan import Change
from postmill.host.undoing import Layer, Saved, Undoing, unwind

NAME = "postmill-backup"
_RECORD = "record.json"


def apply(changes: Iterable[Change], directory: str) -> str:
    """Carry changes out and remember them in ``directory``/postmill-backup; return the layer's name.

    Either all files are changed or none. ConfigError when one is no longer as it was when this was planned.
    """
    changes = tuple(changes)
    before = {change.path: look(change.path) for change in changes}
    for change in changes:
        state = before[change.path]
        if (None if state is None else state.text) != change.before:
            raise ConfigError(
                "was changed by somebody else at this moment", file=change.path, hint="try again"
            )
    layer = save([Saved(change.path, before[change.path], change.after) for change in changes], directory)
    try:
        for change in changes:
            put(change.path, _like(before[change.path], change.after))
    except BaseException:
        restore(before)
        forget([layer], directory)
        raise
    return layer


def _like(before: FileState | None, text: str | None) -> FileState | None:
    if text is None:
        return None
    owner = before or FileState("", 0o644, os.geteuid(), os.getegid())
    return FileState(text, owner.mode, owner.uid, owner.gid)


def restore(states: Mapping[str, FileState | None]) -> None:
    """Make files be as they were."""
    for path, state in states.items():
        if look(path) != state:
            put(path, state)


def save(files: Iterable[Saved], directory: str) -> str:
    """Remember one setup; return the name of its layer."""
    root = os.path.join(directory, NAME)
    with trying(f"keep a backup in {root}"):
        os.makedirs(root, mode=0o700, exist_ok=True)
        name = f"{max(map(int, _numbered(root)), default=0) + 1:04}"
        building = os.path.join(root, f".{name}")
        shutil.rmtree(building, ignore_errors=True)
        os.mkdir(building, mode=0o700)
        _add([], files, building)
        os.rename(building, os.path.join(root, name))
    return name


def extend(name: str, files: Iterable[Saved], directory: str) -> None:
    """Remember more files as changed by a setup that is remembered already."""
    place = os.path.join(directory, NAME, name)
    with trying(f"keep a backup in {place}"):
        _add(_record(place), files, place)


def _add(record: list[dict[str, str]], files: Iterable[Saved], directory: str) -> None:
    record = [*record, *(_save(saved, len(record) + number, directory) for number, saved in enumerate(files))]
    put(os.path.join(directory, _RECORD), _private(json.dumps({"files": record}, indent=2) + "\n"))


def _save(saved: Saved, number: int, directory: str) -> dict[str, str]:
    name = os.path.basename(saved.path)
    if os.path.exists(os.path.join(directory, name)):
        name = f"{number}-{name}"
    if saved.before is not None:
        put(os.path.join(directory, name), saved.before)
    if saved.after is not None:
        put(os.path.join(directory, f"{name}.written"), _private(saved.after))
    return {"path": saved.path, "name": name}


def _private(text: str) -> FileState:
    return FileState(text, 0o600, os.geteuid(), os.getegid())


def _numbered(root: str) -> list[str]:
    return sorted((name for name in os.listdir(root) if name.isdecimal()), key=int)


def layers(directory: str) -> list[Layer]:
    """Return what is remembered, the newest first; ConfigError when it cannot be understood."""
    root = os.path.join(directory, NAME)
    if not os.path.isdir(root):
        return []
    with trying(f"read the backup in {root}"):
        return [_layer(os.path.join(root, name), name) for name in reversed(_numbered(root))]


def _layer(directory: str, name: str) -> Layer:
    files = _record(directory)
    return Layer(name, tuple(_saved(directory, each["path"], each["name"]) for each in files))


def _record(directory: str) -> list[dict[str, str]]:
    file = os.path.join(directory, _RECORD)
    state = look(file)
    try:
        record = json.loads(state.text if state else "")
        return [{"path": str(each["path"]), "name": str(each["name"])} for each in record["files"]]
    except (ValueError, LookupError, TypeError) as error:
        hint = f"copy the files in {directory} back by hand"
        raise ConfigError("is no record of a setup", file=file, hint=hint) from error


def _saved(directory: str, path: str, name: str) -> Saved:
    written = look(os.path.join(directory, f"{name}.written"))
    return Saved(path, look(os.path.join(directory, name)), written.text if written else None)


def undoing(directory: str, *, newest_only: bool = False) -> Undoing:
    """Tell what taking back what is remembered comes to, as the files are now."""
    found = layers(directory)[: 1 if newest_only else None]
    return unwind(found, {saved.path: look(saved.path) for layer in found for saved in layer.files})


def take_back(undoing: Undoing, directory: str) -> None:
    """Make the files be as they were, and forget the setups that are undone by it."""
    restore(undoing.states)
    forget(undoing.layers, directory)


def forget(names: Iterable[str], directory: str) -> None:
    """Remove layers, and the directory of all when none is left."""
    root = os.path.join(directory, NAME)
    with trying(f"clear the backup in {root}"):
        for name in names:
            shutil.rmtree(os.path.join(root, name))
        if not os.listdir(root):
            os.rmdir(root)

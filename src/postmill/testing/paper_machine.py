"""A machine written down as a dict, for tests of detectors: no file of the real one is touched."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from postmill.api.host import Status, resolve
from postmill.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory with nothing in it; others need not be written down."""


@dataclass(frozen=True, slots=True)
class Text:
    """A file that is not simply everybody's to read: its text, permissions and owner."""

    text: str = ""
    mode: int = 0o644
    user: int = 0
    group: int = 0


PROGRAM = Text(mode=0o755)
"""A program."""
SECRET = Text(mode=0o600)
"""A file that may not be read by whoever looks."""

Entry = str | Text | Link | Directory


class PaperMachine:
    """A ``Host`` of absolute paths and what is there: a text, or one of the values of this module."""

    def __init__(self, files: Mapping[str, Entry]) -> None:
        self._files = {
            path: Text(entry) if isinstance(entry, str) else entry for path, entry in files.items()
        }
        for path in files:
            self._make_directories(posixpath.dirname(path))
        self._names: dict[str, list[str]] = {path: [] for path in self._files}
        for path in self._files.keys() - {"/"}:
            self._names[posixpath.dirname(path)].append(posixpath.basename(path))

    def _make_directories(self, path: str) -> None:
        if not isinstance(self._files.setdefault(path, Directory()), Directory):
            raise ValueError(f"{path} is no directory: nothing can be in it")
        if path != "/":
            self._make_directories(posixpath.dirname(path))

    def read(self, path: str) -> str | None:
        """See ``Host``; a file that only its owner may read cannot be."""
        entry = self._entry(path)
        if not isinstance(entry, Text):
            return None
        if not entry.mode & 0o044:
            raise UnavailableError(f"{path} cannot be read: Permission denied")
        return entry.text

    def names(self, path: str) -> tuple[str, ...]:
        """See ``Host``."""
        real = resolve(path, self._link)
        if real is None or not isinstance(self._files.get(real), Directory):
            return ()
        return tuple(sorted(self._names[real]))

    def exists(self, path: str) -> bool:
        """See ``Host``."""
        return self._entry(path) is not None

    def is_executable(self, path: str) -> bool:
        """See ``Host``."""
        status = self.status(path)
        return status is not None and status.is_program

    def link(self, path: str) -> str | None:
        """See ``Host``."""
        folder, name = posixpath.split(path.rstrip("/"))
        real = resolve(folder, self._link)
        return None if real is None else self._link(posixpath.join(real, name))

    def status(self, path: str) -> Status | None:
        """See ``Host``."""
        entry = self._entry(path)
        if isinstance(entry, Text):
            return Status(stat.S_IFREG | entry.mode, entry.user, entry.group)
        return None if entry is None else Status(stat.S_IFDIR | 0o755, 0, 0)

    def _link(self, path: str) -> str | None:
        entry = self._files.get(path)
        return entry.target if isinstance(entry, Link) else None

    def _entry(self, path: str) -> Entry | None:
        real = resolve(path, self._link)
        return None if real is None else self._files.get(real)

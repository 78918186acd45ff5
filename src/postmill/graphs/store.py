"""Where graphs keep what they need, below one directory, and that one process at a time changes it.

``data`` holds the databases of RRDtool, how far they are, and what was imported; ``html`` what a web
server shows.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postmill.errors import UnavailableError


class Store:
    """The directory of the graphs."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self.databases = self.data / "rrd"
        self.html = directory / "html"
        self._state = self.data / "state.json"

    def imported(self, kind: str) -> Path:
        """Return the SQLite file with what was imported from logs of that kind."""
        return self.data / f"imported-{kind}.db"

    @property
    def has_imports(self) -> bool:
        """Whether anything was imported."""
        return any(self.data.glob("imported-*.db"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the directories, and keep others out; raises UnavailableError when that cannot be done.

        Root is not let into a directory of somebody else, who could never change what root has made there.
        """
        with telling(self.data):
            self._refuse_root()
            for directory in (self.databases, self.html):
                directory.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _refuse_root(self) -> None:
        there = next(one for one in self.data.parents if one.exists())
        owner = there.stat().st_uid
        if os.geteuid() == 0 and owner != 0:
            with contextlib.suppress(KeyError):
                name = pwd.getpwuid(owner).pw_name
                raise UnavailableError(f"{there} is {name}'s: runuser -u {name} -- postmill graph …")
            raise UnavailableError(f"{there} is not root's, but of user {owner}: run it as that user")

    @property
    def until(self) -> int:
        """Up to when the databases have everything, in seconds of the wall clock; 0 before there are any."""
        try:
            until = json.loads(self._state.read_bytes())["until"]
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        return until if isinstance(until, int) else 0

    def reached(self, until: int) -> None:
        """Note that the databases have everything up to then."""
        write(self._state, json.dumps({"until": until}).encode())

    def written(self, page: str) -> float:
        """Return when a page was written; 0 when it is not there."""
        try:
            return (self.html / page).stat().st_mtime
        except OSError:
            return 0.0

    def forget(self) -> None:
        """Make the databases anew with the next update."""
        self._state.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the databases."""
        self.forget()
        shutil.rmtree(self.databases, ignore_errors=True)
        self.databases.mkdir(parents=True, exist_ok=True)


def write(path: Path, content: bytes) -> None:
    """Write a whole file: who reads it sees the old or the new one."""
    new = path.with_name(f".{path.name}.new")
    with telling(path):
        new.write_bytes(content)
        new.replace(path)


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Say which file an error is about; raises UnavailableError in the place of OSError."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"{error.filename or path}: {error.strerror or error}") from error


def remove_others(directory: Path, pattern: str, kept: set[str]) -> None:
    """Remove files of a pattern that were not made this time."""
    for file in directory.glob(pattern):
        if file.name not in kept:
            with contextlib.suppress(OSError):
                file.unlink()

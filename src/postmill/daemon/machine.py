"""The machine that Postmill runs on, or a copy of one below another directory, as a ``Host``: it only reads.

Links are followed as the machine itself would follow them, so that none of them leads out of the root.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from postmill.api.host import Status, resolve
from postmill.errors import UnavailableError

_LARGEST = 32 * 1024 * 1024
"""Bytes that are read of a file; the status of dpkg(1) may have ten million."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The files below a root directory."""

    root: str = "/"

    def read(self, path: str) -> str | None:
        """See ``Host``."""
        real = self._resolved(path)
        if real is None:
            return None
        try:
            # Not blocking: what looks like a file of text may be a pipe.
            number = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            _let_pass(path, error)
            return None
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                return None
            with open(number, "rb", closefd=False) as file:
                return file.read(_LARGEST).decode("utf-8", "backslashreplace").replace("\r\n", "\n")
        finally:
            os.close(number)

    def names(self, path: str) -> tuple[str, ...]:
        """See ``Host``."""
        real = self._resolved(path)
        if real is None:
            return ()
        try:
            return tuple(sorted(os.listdir(real)))
        except OSError as error:
            _let_pass(path, error)
            return ()

    def exists(self, path: str) -> bool:
        """See ``Host``."""
        return self.status(path) is not None

    def is_executable(self, path: str) -> bool:
        """See ``Host``."""
        status = self.status(path)
        return status is not None and status.is_program

    def link(self, path: str) -> str | None:
        """See ``Host``."""
        folder, _, name = path.rstrip("/").rpartition("/")
        real = self._resolved(folder or "/")
        return None if real is None or not name else self._link(os.path.join(real, name), path)

    def status(self, path: str) -> Status | None:
        """See ``Host``."""
        real = self._resolved(path)
        if real is None:
            return None
        try:
            found = os.lstat(real)
        except OSError as error:
            _let_pass(path, error)
            return None
        return Status(found.st_mode, found.st_uid, found.st_gid)

    def _resolved(self, path: str) -> str | None:
        """Return where a path leads, as one of the machine we run on."""
        if "\0" in path:
            return None
        inside = resolve(path, lambda step: self._link(self._below(step), path))
        return None if inside is None else self._below(inside)

    def _below(self, path: str) -> str:
        return os.path.join(self.root, path.lstrip("/"))

    @staticmethod
    def _link(real: str, path: str) -> str | None:
        try:
            return os.readlink(real)
        except OSError as error:
            _let_pass(path, error)
            return None


def _let_pass(path: str, error: OSError) -> None:
    """Let pass what is not there; what may not be read is another matter."""
    if isinstance(error, PermissionError):
        raise UnavailableError(f"{path} cannot be read: {error.strerror}") from error

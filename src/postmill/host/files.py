"""Files of this machine, read and written whole: atomically, with the mode and owner they have.

The only place in this room that writes. Bytes that are no UTF-8 become surrogate escapes and come
out as they were.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from postmill.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it is: text, permission bits, numbers of owner and group."""

    text: str
    mode: int
    uid: int
    gid: int


def look(path: str) -> FileState | None:
    """Read a file; None when there is none. UnavailableError when it cannot be read."""
    with trying(f"read {path}"):
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                text = file.read().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return None
    return FileState(text, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def put(path: str, state: FileState | None) -> None:
    """Make a file be like this; None removes it. A symbolic link stays, what it leads to is replaced.

    At every moment there is either the old file or the new one. UnavailableError when it cannot be written.
    """
    target = os.path.realpath(path)
    with trying(f"write {path}"):
        if state is None:
            os.unlink(target)
        else:
            _replace(target, state)
        _sync(os.path.dirname(target))


def _replace(target: str, state: FileState) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=".postmill-", dir=os.path.dirname(target))
    try:
        with open(descriptor, "wb") as file:
            file.write(state.text.encode("utf-8", "surrogateescape"))
            file.flush()
            if (os.geteuid(), os.getegid()) != (state.uid, state.gid):
                os.fchown(file.fileno(), state.uid, state.gid)
            os.fchmod(file.fileno(), state.mode)
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def trying(what: str) -> Iterator[None]:
    """Turn an OSError into UnavailableError, "cannot ..."."""
    try:
        yield
    except OSError as error:
        hint = "; are you root?" if isinstance(error, PermissionError) and os.geteuid() else ""
        raise UnavailableError(f"cannot {what}: {error.strerror}{hint}") from error

"""The machine that a detector looks at, as a port, and what it may find there.

Detectors see files through a ``Host`` only, with paths as they are on the machine looked at: the daemon
hands in the real one, below any root directory, and a test one that it wrote down as a dict.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from postmill.wire.endpoint import Endpoint

_MOST_LINKS = 40
"""Symbolic links followed for one path, as in Linux."""


class Platform(StrEnum):
    """Kinds of systems that detectors know."""

    DEBIAN = "debian"
    """Debian, Ubuntu and what is made of them."""
    REDHAT = "redhat"
    """Red Hat Enterprise Linux 7 to 10, its rebuilds, Fedora; with EPEL."""
    FREEBSD = "freebsd"
    """FreeBSD with its ports."""
    PKGSRC = "pkgsrc"
    """NetBSD, or another system with packages from pkgsrc."""


@dataclass(frozen=True, slots=True)
class Status:
    """Kind, permissions and owner of a file, as stat(2) tells them."""

    mode: int
    """With the bits of the kind of file; see the module ``stat``."""
    user: int
    group: int

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_program(self) -> bool:
        """Whether it is a file that somebody may execute."""
        return stat.S_ISREG(self.mode) and bool(self.mode & 0o111)


class Host(Protocol):
    """A machine's files, to be read.

    What is not there is None, False or empty. What is there but may not be read raises UnavailableError: then
    nothing can be said about it.
    """

    def read(self, path: str) -> str | None:
        """Return the text of a file; bytes that are not UTF-8 come as backslash escapes."""
        ...

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted."""
        ...

    def exists(self, path: str) -> bool:
        """Tell whether there is something at the end of all links."""
        ...

    def is_executable(self, path: str) -> bool:
        """Tell whether there is a program."""
        ...

    def link(self, path: str) -> str | None:
        """Return where a symbolic link points, as it is written; None for anything else."""
        ...

    def status(self, path: str) -> Status | None:
        """Return what stat(2) says at the end of all links."""
        ...


class State(StrEnum):
    """Whether the machine starts a milter by itself."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    MASKED = "masked"
    UNKNOWN = "unknown"
    """A file that says so may not be read."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from: a file and a line, or words such as "built-in default of …"."""

    file: str = ""
    line: int = 0
    words: str = ""

    def __str__(self) -> str:
        """``/etc/opendkim.conf:12``, or the words."""
        where = ":".join(str(part) for part in (self.file, self.line) if part)
        return " ".join(part for part in (where, self.words) if part)


@dataclass(frozen=True, slots=True)
class Finding:
    """A milter that was found on a machine; ``problem`` says why it cannot be used, if it cannot."""

    name: str
    installed: bool
    """False when the package was removed and only its configuration is left."""
    state: State
    socket: Endpoint | None = None
    source: Source = Source()
    """Where the socket is said."""
    when: tuple[str, ...] = ()
    """Conditions under which it is usually asked."""
    order: int = 0
    description: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of ``[milters.NAME]`` that its own configuration calls for, as TOML has them."""

    @property
    def usable(self) -> bool:
        """Whether it is to be asked."""
        return not self.problem


def resolve(path: str, link: Callable[[str], str | None]) -> str | None:
    """Follow all symbolic links of an absolute path, none of which leads above its root.

    ``link`` reads one link. None when they go in a circle.
    """
    done, rest, followed = "/", _parts(path), 0
    while rest:
        part = rest.pop(0)
        if part == "..":
            done = posixpath.dirname(done)
            continue
        step = posixpath.join(done, part)
        target = link(step)
        if target is None:
            done = step
            continue
        followed += 1
        if followed > _MOST_LINKS:
            return None
        rest = _parts(target) + rest
        done = "/" if target.startswith("/") else done
    return done


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]

"""Accounts of this machine, and whether one of them gets through to a socket.

A process may connect to a unix socket when it may search every directory on the way (x) and write the socket
(w), unix(7). Root may always.
"""

from __future__ import annotations

import grp
import os
import posixpath
import pwd
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """A user with all its groups, by number."""

    name: str
    uid: int
    groups: frozenset[int]


@dataclass(frozen=True, slots=True)
class Owned:
    """Whose a file is, and what its permission bits are."""

    mode: int
    uid: int
    gid: int

    @property
    def is_socket(self) -> bool:
        """Whether it is a socket."""
        return stat.S_ISSOCK(self.mode)


Look = Callable[[str], Owned | None]
"""Returns what stands at a path, None where there is nothing."""


def account(name: str) -> Account | None:
    """Return a user of this machine by its name or number."""
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def group_name(number: int) -> str:
    """Return a group's name, or its number where it has none."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def look(path: str) -> Owned | None:
    """Look at a path of this machine, through links."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return Owned(found.st_mode, found.st_uid, found.st_gid)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps a user from a socket: the path, whose it is, and which right is missing."""

    path: str
    owned: Owned | None
    """None where there is nothing at the path."""
    bit: int
    """The right that is missing: 1 to search a directory, 2 to write a socket."""

    @property
    def helps_group(self) -> bool:
        """Whether a member of the path's group gets through here."""
        return self.owned is not None and bool(self.owned.mode & self.bit << 3)

    def __str__(self) -> str:
        if self.owned is None:
            return f"{self.path} does not exist"
        mode = stat.S_IMODE(self.owned.mode)
        what = "search" if self.bit == 1 else "write"
        return f"may not {what} {self.path} (mode {mode:04o}, group {group_name(self.owned.gid)})"


def obstacle(path: str, user: Account, looking: Look = look) -> Obstacle | None:
    """Return the first thing that keeps a user from connecting to a unix socket; None for nothing."""
    for directory in _parents(path):
        owned = looking(directory)
        if owned is None or not _allowed(owned, user, 1):
            return Obstacle(directory, owned, 1)
    owned = looking(path)
    if owned is None or not _allowed(owned, user, 2):
        return Obstacle(path, owned, 2)
    return None


def _parents(path: str) -> Iterator[str]:
    parts = posixpath.normpath(path).split("/")[1:-1]
    yield "/"
    for number in range(len(parts)):
        yield "/" + "/".join(parts[: number + 1])


def _allowed(owned: Owned, user: Account, bit: int) -> bool:
    if user.uid == 0:
        return True
    if owned.uid == user.uid:
        return bool(owned.mode & bit << 6)
    if owned.gid in user.groups:
        return bool(owned.mode & bit << 3)
    return bool(owned.mode & bit)


@dataclass(frozen=True, slots=True)
class Remedy:
    """The command that lets a user through, and whether it may be run without asking."""

    command: tuple[str, ...]
    safe: bool
    lasts: bool
    """It survives a restart of whoever made the path."""


def remedy(found: Obstacle, user: Account) -> Remedy | None:
    """Return what lets a user past an obstacle; None where there is nothing at the path."""
    if found.owned is None:
        return None
    if found.helps_group and found.owned.gid not in user.groups:
        if found.owned.gid == 0:  # root's group opens more than one socket
            return Remedy(("chgrp", user.name, found.path), safe=False, lasts=False)
        return Remedy(("usermod", "-aG", group_name(found.owned.gid), user.name), safe=True, lasts=True)
    if found.bit == 1:
        return Remedy(("chmod", "a+x", found.path), safe=True, lasts=False)
    who = "g" if found.owned.gid in user.groups else "o"
    return Remedy(("chmod", f"{who}+w", found.path), safe=who == "g", lasts=False)

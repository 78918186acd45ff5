"""Accounts of this machine, and whether one of them gets through to a socket.

A process may connect to a unix socket when it may search every directory on the way (x) and write the socket
(w), unix(7); root may always. Only owner, group and permission bits are looked at, not access control lists
nor what SELinux or AppArmor say. What to do about an obstacle is told by `remedies`.
"""

from __future__ import annotations

import grp
import os
import posixpath
import pwd
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Account:
    """A user with all its groups, by number."""

    name: str
    uid: int
    gid: int
    """Its own group."""
    groups: frozenset[int]


@dataclass(frozen=True, slots=True)
class Owned:
    """Whose a file is, and what its permission bits are."""

    mode: int
    uid: int
    gid: int


Look = Callable[[str], Owned | None]
"""Returns what stands at a path, None where there is nothing or it cannot be seen."""


def account(name: str) -> Account | None:
    """Return a user of this machine by its name or number."""
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        return None
    groups = frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, groups)


def account_of_process(pid: int) -> Account | None:
    """Return the user of a process with the groups that it has now."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    values = {name: numbers.split() for name, _, numbers in (line.partition(":") for line in lines)}
    uid, gid = int(values["Uid"][1]), int(values["Gid"][1])
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Account(name, uid, gid, frozenset((gid, *map(int, values["Groups"]))))


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
    owned: Owned
    bit: int
    """The right that is missing: 1 to search a directory, 2 to write a socket."""

    @property
    def is_directory(self) -> bool:
        """Whether it stands on the way, and is not the socket."""
        return self.bit == 1

    @property
    def helps_group(self) -> bool:
        """Whether a member of the path's group gets through here."""
        return bool(self.owned.mode & self.bit << 3)

    def __str__(self) -> str:
        mode = stat.S_IMODE(self.owned.mode)
        what = "search" if self.is_directory else "write"
        return f"may not {what} {self.path} (mode {mode:04o}, group {group_name(self.owned.gid)})"


def obstacle(path: str, user: Account, looking: Look = look) -> Obstacle | None:
    """Return the first thing that keeps a user from connecting to a unix socket.

    None for nothing, and for a path that leads nowhere.
    """
    steps = [*((directory, 1) for directory in _parents(path)), (path, 2)]
    for place, bit in steps:
        owned = looking(place)
        if owned is None:
            return None
        if not _allowed(owned, user, bit):
            return Obstacle(place, owned, bit)
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

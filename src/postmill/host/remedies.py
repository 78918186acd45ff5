"""What lets a user past an obstacle on the way to a socket, and whether that may be done without asking.

Nobody is let into a place that its owner did not open to a group, and nobody is put into a group that opens
more than sockets.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from postmill.host.accounts import Account, Obstacle, group_name

_POWERFUL = frozenset(
    ("root", "wheel", "sudo", "adm", "admin", "shadow", "disk", "kmem", "docker", "lxd", "staff", "tty")
)
"""Groups that open more than a socket: nobody is put into them by itself."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """A command, and whether it may be run without asking."""

    command: tuple[str, ...]
    safe: bool
    lasts: bool
    """It survives a restart of whoever made the path."""


def to_milter(found: Obstacle, user: Account) -> Remedy:
    """Let Postmill's user through to a milter: into the group to which its socket is open."""
    group = group_name(found.owned.gid)
    if found.helps_group and found.owned.gid not in user.groups:
        return Remedy(("usermod", "-aG", group, user.name), group not in _POWERFUL, lasts=True)
    if found.is_directory:
        who = "g" if found.owned.gid in user.groups else "a"
        return Remedy(("chmod", f"{who}+x", found.path), safe=False, lasts=False)
    return Remedy(("chmod", "g+w", found.path), group not in _POWERFUL, lasts=False)


def to_ourselves(found: Obstacle, mta: Account, own: Account, socket: str) -> Remedy:
    """Let the mail server's user through to a socket of ours: group first, mode then."""
    if found.is_directory and found.path != posixpath.dirname(socket):
        return Remedy(("chmod", "a+x", found.path), safe=False, lasts=False)
    # A directory of somebody else's that changes its group might lock us out.
    safe = not found.is_directory or found.owned.uid == own.uid
    if found.owned.uid == mta.uid:
        return Remedy(("chmod", f"u+{'x' if found.is_directory else 'w'}", found.path), safe, lasts=False)
    if found.owned.gid not in mta.groups:
        return Remedy(("chgrp", group_name(mta.gid), found.path), safe, lasts=found.is_directory)
    return Remedy(
        ("chmod", f"g+{'x' if found.is_directory else 'w'}", found.path), safe, lasts=found.is_directory
    )

"""Who is at the other end of the control socket, and whether he may change anything.

The kernel vouches for user and groups as they were when the peer connected (SO_PEERCRED and SO_PEERGROUPS,
unix(7)). Names of accounts are looked up when the configuration is taken, not at each request.
"""

from __future__ import annotations

import array
import grp
import logging
import os
import pwd
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

log = logging.getLogger("postmill.control")

_CREDENTIALS = struct.Struct("iII")
_PEER_GROUPS = getattr(socket, "SO_PEERGROUPS", 59)
_MOST_BYTES = 1024
"""The most that ``getsockopt`` gives in Python: 256 groups."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A process at the other end of a unix socket."""

    pid: int
    uid: int
    gids: frozenset[int]

    @property
    def user(self) -> str:
        """Its user's name, or the number of one that has none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


def peer_of(sock: socket.socket) -> Peer:
    """Return who is at the other end; raises OSError."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(data)
    return Peer(pid, uid, frozenset((gid, *_other_groups(sock, uid, gid))))


def _other_groups(sock: socket.socket, uid: int, gid: int) -> Iterable[int]:
    try:
        groups = array.array("I")
        groups.frombytes(sock.getsockopt(socket.SOL_SOCKET, _PEER_GROUPS, _MOST_BYTES))
    except OSError:  # too many of them, or a kernel older than 4.13
        try:
            return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
        except KeyError:
            return ()
    return groups


@dataclass(frozen=True, slots=True)
class Operators:
    """Who may change things beside root and the user that the daemon runs as."""

    uids: frozenset[int] = frozenset()
    gids: frozenset[int] = frozenset()

    @classmethod
    def named(cls, names: Iterable[str]) -> Operators:
        """Look up users, and groups with ``%`` in front; one that does not exist is logged and left out."""
        uids, gids = set(), set()
        for name in names:
            try:
                if name.startswith("%"):
                    group = name[1:]
                    gids.add(int(group) if group.isdigit() else grp.getgrnam(group).gr_gid)
                else:
                    uids.add(int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid)
            except KeyError:
                log.error("control.operators: there is no account %r on this machine; it is left out", name)
        return cls(frozenset(uids), frozenset(gids))

    def include(self, peer: Peer) -> bool:
        """Tell whether a peer may change things."""
        return peer.uid in (0, os.geteuid()) or peer.uid in self.uids or not self.gids.isdisjoint(peer.gids)

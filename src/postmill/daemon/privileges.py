"""Becoming another user once the sockets are open."""

from __future__ import annotations

import grp
import os
import pwd

from postmill.errors import UnavailableError


def drop(user: str, group: str) -> None:
    """Become ``user`` and ``group`` (names or numbers, "" for no change); raises UnavailableError.

    With a user and no group, the user's own groups are taken.
    """
    if not user and not group:
        return
    account = _account(user) if user else None
    gid = _gid(group) if group else (account.pw_gid if account is not None else os.getgid())
    if account is not None and account.pw_uid == os.getuid() and gid == os.getgid():
        return
    try:
        if account is not None and not group:
            os.initgroups(account.pw_name, gid)
        elif os.getuid() == 0:
            os.setgroups(os.getgrouplist(account.pw_name, gid) if account is not None else [gid])
        os.setgid(gid)
        if account is not None:
            os.setuid(account.pw_uid)
    except PermissionError as error:
        raise UnavailableError(
            f"cannot become {user or os.getuid()}:{group or gid}: only root may; "
            "start as root or leave manager.user and manager.group empty"
        ) from error


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        raise UnavailableError(f"there is no user {user!r}; create it or change manager.user") from None


def _gid(group: str) -> int:
    try:
        return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise UnavailableError(f"there is no group {group!r}; create it or change manager.group") from None

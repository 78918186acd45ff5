"""The sockets that MTAs connect to: bound with their mode and group from the first moment.

A unix socket is made under a temporary name, given its group and mode, and then renamed to its place. So
the place never holds a socket that the MTA may not open: neither at a start nor at a restart.
"""

from __future__ import annotations

import grp
import os
import socket
import stat
from contextlib import suppress

from postmill.errors import UnavailableError
from postmill.wire.endpoint import Endpoint

BACKLOG = 4096


def bind(endpoint: Endpoint, mode: int, group: str, table: str = "manager") -> socket.socket:
    """Return a listening, non-blocking, inheritable socket for ``endpoint``.

    ``mode`` and ``group`` (a name, a number or "") are those of a unix socket; ``table`` of the configuration
    has them. Raises UnavailableError.
    """
    try:
        sock = (
            _bind_unix(endpoint.path, mode, group, table) if endpoint.kind == "unix" else _bind_inet(endpoint)
        )
    except OSError as error:
        raise UnavailableError(f"cannot listen on {endpoint}: {error.strerror or error}") from error
    sock.setblocking(False)
    return sock


def _bind_inet(endpoint: Endpoint) -> socket.socket:
    host = endpoint.host or ("::" if endpoint.kind == "inet6" else "0.0.0.0")  # noqa: S104
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, endpoint.port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_unix(path: str, mode: int, group: str, table: str) -> socket.socket:
    _refuse_if_taken(path)
    temporary = f"{path}.{os.getpid()}"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        previous = os.umask(0o177)
        try:
            sock.bind(temporary)
        finally:
            os.umask(previous)
        if group:
            os.chown(temporary, -1, _group_id(group, table))
        os.chmod(temporary, mode)
        sock.listen(BACKLOG)
        os.rename(temporary, path)
    except (OSError, UnavailableError):
        with suppress(OSError):
            os.unlink(temporary)
        sock.close()
        raise
    return sock


def _group_id(group: str, table: str) -> int:
    if group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise UnavailableError(
            f"there is no group {group!r} for the socket; create it or change {table}.socket_group"
        ) from None


def _refuse_if_taken(path: str) -> None:
    """Leave what is in the way alone unless it is a socket on which nobody listens."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise UnavailableError(
                f"cannot listen on {path}: there is something that is no socket; move it away"
            )
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            pass
        except OSError:
            return
    raise UnavailableError(f"cannot listen on {path}: another process listens there; stop it first")


def accept(listener: socket.socket) -> socket.socket | None:
    """Return a new connection, non-blocking; None when another process was faster, or it is gone already.

    Raises OSError when none can be taken at all, as when there are no descriptors left.
    """
    try:
        sock, _ = listener.accept()
    except (BlockingIOError, InterruptedError, ConnectionAbortedError):
        return None
    sock.setblocking(False)
    return sock


def endpoint_of(sock: socket.socket) -> Endpoint:
    """Return where a socket listens that somebody else has opened."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return Endpoint("unix", path=name if isinstance(name, str) else os.fsdecode(name))
    return Endpoint("inet6" if sock.family == socket.AF_INET6 else "inet", host=name[0], port=name[1])


def remove(sock: socket.socket, endpoint: Endpoint, inode: int) -> None:
    """Close a listening socket and take its path away, unless another process has put its own there."""
    sock.close()
    if endpoint.kind == "unix":
        with suppress(OSError):
            if os.lstat(endpoint.path).st_ino == inode:
                os.unlink(endpoint.path)

"""Talking to systemd without a library: readiness, and sockets that it opened for us (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time

from postmill.errors import UnavailableError

_FIRST_FD = 3


def notify(*lines: str) -> None:
    """Send state lines to the service manager, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.connect(address)
            sock.sendall("\n".join(lines).encode())
        except OSError:
            return  # nobody listens: not our fault and not our business


def notify_reloading() -> None:
    """Say that a reload begins, in the way ``Type=notify-reload`` asks for."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def notify_stopping(seconds: float) -> None:
    """Say that the end begins and may take so long; the unit's own time-out may be shorter."""
    notify("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")


def activated_sockets() -> list[socket.socket]:
    """Return the listening sockets handed over by socket activation; the variables are used up.

    Raises UnavailableError when there are fewer than promised.
    """
    pid = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if not count.isdigit() or pid != str(os.getpid()):
        return []
    try:
        sockets = [socket.socket(fileno=fd) for fd in range(_FIRST_FD, _FIRST_FD + int(count))]
    except OSError as error:
        raise UnavailableError(f"LISTEN_FDS={count}, but not so many sockets: {error.strerror}") from error
    for sock in sockets:
        sock.setblocking(False)
        sock.set_inheritable(False)  # a program that is started beside the mail would keep it
    return sockets

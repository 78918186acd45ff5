"""What came of a reload, told to whoever asked for it: one datagram from the parent to `postmill reload`.

The asker listens on an abstract address made of the parent's process id and then sends SIGHUP. No file is
involved, so it works wherever the parent may write, whatever user it became, with or without a pid file.
The kernel vouches for the sender's process id (SCM_CREDENTIALS, unix(7)); where abstract addresses do not
exist nobody can be told, and the log is the only place to look.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from dataclasses import asdict, dataclass

from postmill.errors import UnavailableError

_CREDENTIALS = struct.Struct("iII")
_MOST_BYTES = 65536


def _address(pid: int) -> str:
    return f"\0postmill/reload/{pid}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """``began`` is the time of the monotonic clock at which the configuration began to be read."""

    began: float
    ok: bool
    text: str


def tell(outcome: Outcome) -> None:
    """Tell the outcome of a reload to whoever waits for it."""
    data = json.dumps(asdict(outcome)).encode()[:_MOST_BYTES]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto(data, _address(os.getpid()))


class Listener:
    """Waits for the outcome of the reloads of one parent; a context manager."""

    def __init__(self, pid: int) -> None:
        """Listen for what the process ``pid`` tells; UnavailableError when somebody else does."""
        self._pid = pid
        self._since = time.monotonic()
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._sock.bind(_address(pid))
        except OSError as error:
            self._sock.close()
            raise UnavailableError(
                f"cannot wait for the outcome, is another reload under way? ({error.strerror})"
            ) from error

    def wait(self, seconds: float) -> Outcome | None:
        """Return the outcome of the first reload that began after this was made; None when none came."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._sock.settimeout(left)
            try:
                data, ancillary, _, _ = self._sock.recvmsg(_MOST_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size))
            except TimeoutError:
                return None
            if self._from_parent(ancillary) and (outcome := _read(data)) and outcome.began >= self._since:
                return outcome
        return None

    def _from_parent(self, ancillary: list[tuple[int, int, bytes]]) -> bool:
        return any(
            level == socket.SOL_SOCKET
            and kind == socket.SCM_CREDENTIALS
            and _CREDENTIALS.unpack(data)[0] == self._pid
            for level, kind, data in ancillary
        )

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *exc: object) -> None:
        self._sock.close()


def _read(data: bytes) -> Outcome | None:
    try:
        return Outcome(**json.loads(data))
    except (ValueError, TypeError):
        return None

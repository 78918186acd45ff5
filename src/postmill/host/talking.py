"""Talking to a milter to see whether it is alive, and asking the kernel who listens at a socket."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from dataclasses import dataclass

from postmill.errors import PostmillError
from postmill.host.accounts import Account, account_of_process
from postmill.testing.mta import FakeMta
from postmill.wire.codes import Command
from postmill.wire.endpoint import Endpoint
from postmill.wire.framing import frame
from postmill.wire.packets import OptNeg

_PEER = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of talking to a milter: its negotiation, or why there is none."""

    negotiated: OptNeg | None = None
    trouble: str = ""
    barred: bool = False
    """Whoever looks may not connect; whether others may is another question."""


def negotiate(endpoint: Endpoint, within: float) -> Answer:
    """Offer a milter what Postfix offers, and say goodbye; wait ``within`` seconds for each step."""
    try:
        with FakeMta(endpoint, timeout=within) as mta:
            answer = mta.negotiate()
            with contextlib.suppress(OSError):
                mta.send_raw(frame(Command.QUIT))
            return Answer(answer)
    except TimeoutError:
        return Answer(trouble=f"no answer within {within:g} s")
    except EOFError:
        return Answer(trouble="it closes the connection without an answer")
    except OSError as error:
        barred = error.errno in {errno.EACCES, errno.EPERM}
        return Answer(trouble=error.strerror or str(error), barred=barred)
    except PostmillError as error:
        return Answer(trouble=f"what it says is no milter protocol: {error}")


def listener(path: str) -> Account | None:
    """Return the user of the process that listens at a unix socket, with the groups it has now.

    None where nobody can tell, as for a socket that systemd opened.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(1)
            sock.connect(path)
            pid, _, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    except OSError:
        return None
    return account_of_process(pid) if pid > 1 else None

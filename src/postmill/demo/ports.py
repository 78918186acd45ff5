"""The port on which the demo takes mail."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from postmill.errors import UnavailableError

PORT = 2525
"""Taken when it is free."""

_ATTEMPTS = 5


class PortTakenError(UnavailableError):
    """Somebody else listens on the port."""


def candidates(wanted: int, usual: int = PORT) -> Iterator[int]:
    """The ports to try one after another: the one that is wanted, or with 0 the usual one, then free ones."""
    yield wanted or usual
    for _ in range(0 if wanted else _ATTEMPTS):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        yield port


def check(port: int) -> None:
    """Raise PortTakenError when somebody listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTakenError(f"cannot listen on 127.0.0.1:{port}: {error.strerror}") from error

"""The other end of the control socket: asks the running daemon for one thing, and gives its result."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from postmill.daemon.lines import decode, encode
from postmill.daemon.requests import VERSION, error_of
from postmill.errors import PostmillError, RequestError, UnavailableError
from postmill.wire.endpoint import Endpoint

_READ = 1 << 16


class UnreachableError(UnavailableError):
    """Nobody answers on the control socket, or it may not be opened."""


def ask(
    endpoint: Endpoint, command: str, values: Mapping[str, Any] | None = None, within: float | None = 30.0
) -> dict[str, Any]:
    """Return the result of a request; ``within`` seconds (None: however long it takes).

    Raises UnreachableError when there is no daemon, UnavailableError when it does not answer, and what it
    answers when it refuses: RequestError, NotPermittedError, ConfigError, UnavailableError.
    """
    request = encode({"version": VERSION, "command": command, **(values or {})})
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(within)
        _connect(sock, endpoint)
        try:
            sock.sendall(request)
            line = _line(sock)
        except TimeoutError:
            raise UnavailableError(f"no answer from {endpoint} within {within:g} s") from None
        except OSError as error:
            raise UnavailableError(f"no answer from {endpoint}: {error.strerror}") from error
    try:
        answer = decode(line)
        outcome = dict(answer["result"]) if answer["ok"] else error_of(answer)
    except (RequestError, LookupError, TypeError) as error:
        raise UnavailableError(f"what answers on {endpoint} is no Postmill of this version") from error
    if isinstance(outcome, PostmillError):
        raise outcome
    return outcome


def _connect(sock: socket.socket, endpoint: Endpoint) -> None:
    try:
        sock.connect(endpoint.path)
    except OSError as error:
        hint = "is it running?"
        if isinstance(error, PermissionError):
            hint = "control.socket_mode and control.socket_group say who may"
        raise UnreachableError(
            f"cannot reach the daemon on {endpoint}: {error.strerror or error}; {hint}"
        ) from error


def _line(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        more = sock.recv(_READ)
        if not more:
            raise ConnectionError(0, "it closed the connection")
        data += more
    return data

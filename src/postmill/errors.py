"""The error tree, floor 1: every error Postmill raises on purpose, with its exit status.

    PostmillError
     ├── ProtocolError
     │    ├── RemoteProtocolError   the peer broke the milter protocol
     │    │    └── RemoteConfigError  … by an answer that an MTA blames on the configuration
     │    └── LocalProtocolError    we were about to break it
     ├── ConfigError                the configuration cannot be used (file, line, key, what to do)
     ├── EndpointError              an address such as ``unix:/path`` cannot be understood
     ├── RequestError               what was asked of the running daemon makes no sense to it
     ├── NotPermittedError          who asks may not do that
     └── UnavailableError           something that must be there is not (socket, program, permission)

Exit statuses are those of sysexits(3), so that init systems and scripts can tell them apart.
"""

from __future__ import annotations


class PostmillError(Exception):
    """Base of every error raised on purpose."""

    exit_status = 70  # EX_SOFTWARE


class ProtocolError(PostmillError):
    """The milter protocol was, or would be, broken."""

    exit_status = 76  # EX_PROTOCOL


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol does not allow."""


class RemoteConfigError(RemoteProtocolError):
    """A filter answered with something that an MTA treats as a configuration error (protocol §7.3)."""


class LocalProtocolError(ProtocolError):
    """We were asked to send something that the protocol does not allow."""


class EndpointError(PostmillError):
    """An endpoint specification cannot be understood."""

    exit_status = 64  # EX_USAGE


class RequestError(PostmillError):
    """What was asked of the running daemon makes no sense to it: no such milter, command or word."""

    exit_status = 64  # EX_USAGE


class NotPermittedError(PostmillError):
    """Who asks the running daemon to do something may not do that."""

    exit_status = 77  # EX_NOPERM


class UnavailableError(PostmillError):
    """Something that must be there is not: a socket, a program, a permission."""

    exit_status = 69  # EX_UNAVAILABLE


class ConfigError(PostmillError):
    """The configuration cannot be used; says where, what and what to do."""

    exit_status = 78  # EX_CONFIG

    def __init__(self, message: str, *, file: str = "", line: int = 0, key: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.key = key
        self.hint = hint

    def __str__(self) -> str:
        """``file:line: key: message (hint)``, leaving out what is not known."""
        where = ":".join(str(part) for part in (self.file, self.line) if part)
        parts = [part for part in (where, self.key, self.message) if part]
        return ": ".join(parts) + (f" ({self.hint})" if self.hint else "")

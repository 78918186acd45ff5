"""The language of spamd: a request with the message, an answer with its judgement (SPAMC/1.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from postmill.filters._services import Wire

_VERSION = "SPAMC/1.5"
_STATUS = re.compile(rb"SPAMD/\d[\d.]* +(\d+) +([^\r\n]*)")
_SPAM = re.compile(r"(true|yes|false|no) *; *(-?[\d.]+) */ *(-?[\d.]+)", re.IGNORECASE)
_MOST = 64
"""Lines of an answer before the message; it has four or so."""


@dataclass(frozen=True, slots=True)
class Question:
    """What spamd is asked: ``PROCESS`` or ``HEADERS``, of which message, with whose preferences."""

    command: str
    message: bytes = field(repr=False)
    user: bytes = b""
    """Without CR, LF and NUL."""

    def encode(self) -> bytes:
        """Return the request."""
        user = b"User: %b\r\n" % self.user if self.user else b""
        first = f"{self.command} {_VERSION}\r\n".encode()
        return b"%b%bContent-length: %d\r\n\r\n%b" % (first, user, len(self.message), self.message)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What spamd said: its verdict, and the message as it would have it."""

    is_spam: bool
    score: float
    threshold: float
    message: bytes = field(repr=False)


async def ask(wire: Wire, request: bytes) -> Judgement:
    """Put one question; raises OSError when spamd cannot answer, ValueError for what is no answer."""
    await wire.send(request)
    wire.end()
    return read_answer(await wire.receive(most=2 * len(request) + (1 << 20)))


def read_answer(data: bytes) -> Judgement:
    """Read an answer; raises OSError when it says that spamd could not judge, ValueError when it is none."""
    head, separator, message = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n", _MOST)
    status = _STATUS.match(first)
    if status is None or not separator:
        raise ValueError(f"spamd answered {data[:60]!r}")
    if status[1] != b"0":
        raise OSError(f"spamd says: {status[2].decode('ascii', 'backslashreplace').strip()}")
    values = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
    }
    length = values.get(b"content-length", b"")
    if not length.isdigit() or int(length) != len(message):
        raise ValueError(f"spamd announced {length[:20]!r} bytes and sent {len(message)}")
    verdict = _SPAM.fullmatch(values.get(b"spam", b"").decode("ascii", "replace"))
    if verdict is None:
        raise ValueError("spamd gave no verdict")
    return Judgement(verdict[1].lower() in ("true", "yes"), float(verdict[2]), float(verdict[3]), message)

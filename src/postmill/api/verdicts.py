"""What a milter says about a mail: frozen values that refuse to be what no MTA would take (RFC 5321 §4.2).

None means: go on. What the SMTP client hears (``text``) and what the log says (``because``) are two;
the second does not count when verdicts are compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from postmill.errors import RemoteConfigError
from postmill.mail.reply import check_reply_text, wire_text

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CODE = re.compile(r"[0-9]{3}(?= )")
_ENHANCED = re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}(?= |$)")
_LONGEST = 400
"""Bytes of one line: with code and CRLF it has to stay below 512 (RFC 5321 §4.5.3.1.5)."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Enough seen: of the connection when said at CONNECT or HELO, else of the message.

    It is not the last word on the mail: the milters behind this one are asked as ever, and what this one has
    recorded as edits of the message takes effect at its end.
    """

    because: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Discard:
    """Take the message and throw it away. At CONNECT and HELO it has no place, there is none yet."""

    because: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Hold the message in the MTA's queue; ``reason`` stands in its log. Only of a whole message."""

    reason: str
    because: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        _check_line(self.reason)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An SMTP reply: ``5.7.1 Text``, with another code than the usual one as ``554 5.7.1 Text``.

    Lines are separated by ``\\n``; each gets the code, and the enhanced code of the first (RFC 2034 §4).
    Empty: the MTA's own words. Raises ValueError for what is no such reply.
    """

    text: str = ""
    because: str = field(default="", compare=False)
    lines: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The lines of the SMTP reply, codes included; none where the MTA is to use its own words."""
    code: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for line in self.text.split("\n"):
            _check_line(line)
        own = _CODE.match(self.text)
        if own and own[0][0] != self.code[0]:
            raise ValueError(f"{own[0]} is no code of a {type(self).__name__}: it begins with {self.code[0]}")
        lines = self._lines(own) if self.text else ()
        if lines:
            _check_reply(lines)
        object.__setattr__(self, "lines", lines)

    def _lines(self, own: re.Match[str] | None) -> tuple[str, ...]:
        code, text = (own[0], self.text[4:]) if own else (self.code, self.text)
        enhanced = _ENHANCED.match(text)
        first, *rest = text.split("\n")
        prefix = f"{enhanced[0]} " if enhanced else ""
        texts = [first, *(line if _ENHANCED.match(line) else prefix + line for line in rest)]
        return (*(f"{code}-{line}" for line in texts[:-1]), f"{code} {texts[-1]}")


@dataclass(frozen=True, slots=True)
class Reject(_Refusal):
    """Refuse for good: the recipient when said of one, else the mail."""

    code: ClassVar[str] = "550"


@dataclass(frozen=True, slots=True)
class Tempfail(_Refusal):
    """Refuse for now: the client is to try again."""

    code: ClassVar[str] = "451"


Verdict = Accept | Reject | Tempfail | Discard | Quarantine


def _check_reply(lines: tuple[str, ...]) -> None:
    """Refuse what an MTA would refuse, such as any other digit where an enhanced code is expected."""
    try:
        check_reply_text(wire_text("\r\n".join(lines).encode()) + b"\0")
    except RemoteConfigError as error:
        raise ValueError(str(error)) from None


def _check_line(line: str) -> None:
    if _CONTROL.search(line):
        raise ValueError(f"{line!r} has control characters")
    if len(line.encode()) > _LONGEST:
        raise ValueError(f"a line of {len(line.encode())} bytes, more than {_LONGEST}, begins {line[:40]!r}")

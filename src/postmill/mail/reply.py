"""The SMTP reply text that a filter sends with ``y`` (protocol §3.3).

A bad text can hang the SMTP client, leak memory of the MTA or desynchronise the session, so every text is
checked before it is passed on. What a refused text means for the message is the business of ``chain``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from postmill.errors import RemoteConfigError

_LINE = re.compile(rb"[45][0-9][0-9][ -][^\r\n\0]*\Z")
_LINE_OF_POSTFIX = re.compile(rb"[45][0-9][0-9][ -]")
_ENHANCED = re.compile(rb"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")
_PERCENT = re.compile(rb"%(%?)")
_CHECKED = 64
"""How many texts are remembered: most milters say the same few all the time."""


@lru_cache(_CHECKED)
def check_reply_text(payload: bytes) -> bytes:
    r"""Return the text of a ``y`` payload without its NUL, fit to be sent to any MTA.

    Several lines are joined by CRLF, all with one code, the last one with a blank behind it. A lone
    percent sign is left out, as Postfix does; Sendmail would throw the whole text away for it.

    Raises RemoteConfigError for everything that Postfix 3.12 refuses (older ones let some of it through).
    """
    if not payload.endswith(b"\0"):
        raise RemoteConfigError("reply text without the NUL at its end")
    text = payload[:-1]
    lines = text.split(b"\r\n")
    for line in lines:
        if not _LINE.match(line):
            raise RemoteConfigError(f"reply text with a malformed line: {line[:80]!r}")
    _check_codes(lines)
    _check_enhanced_codes(lines)
    return _PERCENT.sub(rb"\1\1", text) if b"%" in text else text


def check_as_postfix(payload: bytes) -> bytes:
    """Return the text of a ``y`` payload after the checks of Postfix 3.7: they see its first line only.

    Raises RemoteConfigError. The rest goes to the MTA as it is, with what that may do to the SMTP client.
    """
    text = payload.partition(b"\0")[0]
    if not _LINE_OF_POSTFIX.match(text):
        raise RemoteConfigError(f"malformed reply text: {text[:80]!r}")
    if text[4:5].isdigit() and text[4:5] != text[:1]:
        raise RemoteConfigError(f"reply text whose enhanced code is of another class: {text[:80]!r}")
    return text


def smtp_text(text: bytes) -> bytes:
    """Return what the SMTP client sees of a reply text: doubled percent signs become one."""
    return _PERCENT.sub(rb"\1", text)


def wire_text(text: bytes) -> bytes:
    """Return the reply text that makes an SMTP client see ``text``: percent signs are doubled."""
    return text.replace(b"%", b"%%")


def reply_class(text: bytes) -> Literal[4, 5]:
    """Tell a temporary refusal (4) from a permanent one (5); the text must have been checked."""
    return 4 if text.startswith(b"4") else 5


def _check_codes(lines: list[bytes]) -> None:
    code = lines[0][:3]
    if any(line[:3] != code for line in lines):
        raise RemoteConfigError("reply text whose lines have different codes")
    if any(line[3:4] != b"-" for line in lines[:-1]):
        raise RemoteConfigError("reply text that goes on after its last line")
    if lines[-1][3:4] != b" ":
        raise RemoteConfigError("reply text without a last line: the client would wait for ever")


def _check_enhanced_codes(lines: list[bytes]) -> None:
    """In the first line any digit counts as an enhanced code (Postfix), further down only a whole code."""
    reply_class = lines[0][:1]
    for number, line in enumerate(lines):
        enhanced = line[4:5].isdigit() if number == 0 else _ENHANCED.match(line, 4)
        if enhanced and line[4:5] != reply_class:
            raise RemoteConfigError(f"reply text whose enhanced code is of another class: {line[:80]!r}")

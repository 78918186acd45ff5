"""What a milter changes of a message: recorded when said, applied together when the message is let through.

A handler names in its signature what it edits; that is what the milter asks the MTA for (protocol §4.2), and
a milter that edits no content runs at the same time as the next one. Positions are those of the protocol
(§3.4). What a handler recorded does not count if its own verdict refuses. An MTA takes edits at the end of a
message only, so an ``Accept`` said earlier reaches it there, with what was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from postmill.api.nouns import Address
from postmill.errors import ProtocolError
from postmill.wire.codes import CHUNK, Action
from postmill.wire.fields import U32_MAX, header_name
from postmill.wire.packets import (
    AddHeader,
    AddRcpt,
    AddRcptPar,
    ChangeFrom,
    ChangeHeader,
    DelRcpt,
    InsertHeader,
    ReplaceBody,
    ReplyPacket,
)

_MOST = CHUNK - 8
"""Bytes of one edit: its packet has a position, two NULs and a blank as well (protocol §1.2)."""
_ATOM = r'[^\x00-\x20\x7f()<>\[\]:;@\\,"]'
_QUOTED = r'"(?:[^\x00-\x1f\x7f"\\]|\\[^\x00-\x1f\x7f])*"'
_ADDRESS = re.compile(rf"(?:{_ATOM}|{_QUOTED})+(?:@(?:{_ATOM}+|\[(?:{_ATOM}|:)+\]))?")
"""A mailbox (RFC 5321 §4.1.2, RFC 6531 §3.3), or a local part alone, with dots wherever they are in use."""
_AS_TAKEN = re.compile(r"[^\x00-\x1f\x7f]+")
"""What an MTA may have taken for one."""


class Recording:
    """The edits recorded so far, as packets in their order."""

    actions: ClassVar[Action] = Action(0)
    """What has to be negotiated for them."""

    def __init__(self, packets: list[ReplyPacket]) -> None:
        """Record at the end of ``packets``."""
        self._packets = packets


class HeaderEdit(Recording):
    """Edits of the headers. All raise ValueError for a name or value that no header can have."""

    actions = Action.ADDHDRS | Action.CHGHDRS

    def add_header(self, name: str, value: str) -> None:
        """Append a header. A fold is written ``\\n`` and a blank or tab (RFC 5322 §2.2.3)."""
        self._packets.append(AddHeader(*_header(name, value)))

    def insert_header(self, index: int, name: str, value: str) -> None:
        """Insert a header in front of the ``index``-th, counted from 0, the MTA's own included."""
        if not 0 <= index <= U32_MAX:
            raise ValueError(f"there is no position {index}")
        self._packets.append(InsertHeader(index, *_header(name, value)))

    def change_header(self, name: str, value: str, nth: int = 1) -> None:
        """Give the ``nth`` header of that name, from 1, another value, or add it if it is not there."""
        if not value:
            raise ValueError("an empty value would delete the header: use delete_header")
        self._packets.append(ChangeHeader(_nth(nth), *_header(name, value)))

    def delete_header(self, name: str, nth: int = 1) -> None:
        """Delete the ``nth`` header of that name, counted from 1; nothing happens if there is none.

        Deleting several of one name, begin with the last: each deletion moves those behind it up.
        """
        self._packets.append(ChangeHeader(_nth(nth), *_header(name, "")))


class BodyEdit(Recording):
    """Edits of the body."""

    actions = Action.CHGBODY

    def replace_body(self, body: bytes) -> None:
        """Put another body, with its line ends as CRLF, in place of the whole one; TypeError for a text."""
        if not isinstance(body, bytes):
            raise TypeError(f"a body is bytes, not {type(body).__name__}")
        self._packets[:] = [packet for packet in self._packets if not isinstance(packet, ReplaceBody)]
        pieces = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)] or [b""]
        self._packets.extend(map(ReplaceBody, pieces))


class EnvelopeEdit(Recording):
    """Edits of the envelope; milters behind this one are not told.

    An address is ``local@domain``, with or without angle brackets, and without a display name. ValueError for
    what is none.
    """

    actions = Action.ADDRCPT | Action.ADDRCPT_PAR | Action.DELRCPT | Action.CHGFROM

    def add_recipient(self, address: str, arguments: Sequence[str] = ()) -> None:
        """Add a recipient; ``arguments`` are those of ESMTP, such as ``["NOTIFY=NEVER"]`` (RFC 3461)."""
        path, more = _path(address), _arguments(arguments)
        _check_length(f"recipient {address[:80]}", path, more)
        self._packets.append(AddRcptPar(path, more) if more else AddRcpt(path))

    def delete_recipient(self, address: str | Address) -> None:
        """Remove a recipient, named as it was in the SMTP session; its ``Address`` is that to the byte.

        What an MTA took there is taken here.
        """
        path = b"<%b>" % address.raw if isinstance(address, Address) else _path(address, _AS_TAKEN)
        _check_length(f"recipient {str(address)[:80]}", path)
        self._packets.append(DelRcpt(path))

    def change_sender(self, address: str, arguments: Sequence[str] = ()) -> None:
        """Change the envelope sender; empty: the null sender (RFC 5321 §4.5.5)."""
        path = b"<>" if address.strip() in ("", "<>") else _path(address)
        more = _arguments(arguments)
        _check_length(f"sender {address[:80]}", path, more)
        self._packets.append(ChangeFrom(path, more or None))


class Edit(HeaderEdit, BodyEdit, EnvelopeEdit):
    """Everything that a milter can change."""

    actions = HeaderEdit.actions | BodyEdit.actions | EnvelopeEdit.actions


EDITS: tuple[type[Recording], ...] = (HeaderEdit, BodyEdit, EnvelopeEdit, Edit)


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    header = _name(name), _value(value)
    _check_length(f"header {name[:80]}", *header)
    return header


def _check_length(what: str, *parts: bytes) -> None:
    length = sum(map(len, parts))
    if length > _MOST:
        raise ValueError(f"{what} has {length} bytes, more than the {_MOST} that an MTA takes")


def _name(name: str) -> bytes:
    try:
        return header_name(name.encode("ascii"), "header")
    except (UnicodeEncodeError, ProtocolError):
        raise ValueError(f"{name!r} is no name of a header") from None


def _value(value: str) -> bytes:
    if any(character in value for character in "\0\r"):
        raise ValueError(f"{value!r} has a NUL or CR, which no header may have")
    _, *folds = value.split("\n")
    if any(fold[:1] not in (" ", "\t") or not fold.strip() for fold in folds):
        raise ValueError(f"{value!r} has a line end that is no fold: a blank and text must follow it")
    return value.encode("utf-8", "surrogateescape")


def _nth(nth: int) -> int:
    if not 1 <= nth <= U32_MAX:
        raise ValueError(f"headers are counted from 1, not {nth}")
    return nth


def _path(address: str, spelled: re.Pattern[str] = _ADDRESS) -> bytes:
    text = address.strip()
    text = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    if not spelled.fullmatch(text):
        raise ValueError(f"{address!r} is no address")
    return f"<{text}>".encode("utf-8", "surrogateescape")


def _arguments(arguments: Sequence[str]) -> bytes:
    if isinstance(arguments, str):
        raise TypeError(f"arguments are a list of texts, not {arguments!r}")
    for argument in arguments:
        if not argument or any(character <= " " or character == "\x7f" for character in argument):
            raise ValueError(f"{argument!r} is no ESMTP argument")
    return " ".join(arguments).encode()

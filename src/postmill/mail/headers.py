"""The headers of a message as Postfix keeps them while filters edit (protocol §3.4, §9.5).

The list holds one hidden entry, the Received header of the MTA itself: ``insert`` counts it, ``change`` does
not, and no filter sees it. ``change`` passes over the first Received that might be it: an empty one that a
filter put in front of it, too. How Sendmail keeps them is in ``mail.sendmail_headers``.

Text is what follows the colon in the message. A filter sees it, and writes it, with or without the blank
after the colon (HDR_LEADSPC); ``normalise`` and ``shown`` translate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

HEADER_LIMIT = 60000
"""Most bytes of a header line, name and colon included, that Postfix keeps."""

_CRLF = re.compile(rb"\r+\n")
_BARE_FOLD = re.compile(rb"\n(?![ \t])")


def normalise(value: bytes, leadspc: bool) -> bytes:
    """Return the text to store for the value that a filter wrote.

    Line ends become LF, and a line that would begin a new header is made a continuation. ``leadspc`` tells
    that the filter negotiated HDR_LEADSPC and so writes the blank after the colon itself.
    """
    text = value if leadspc else b" " + value
    if b"\n" in text:
        text = _BARE_FOLD.sub(b"\n\t", _CRLF.sub(b"\n", text))
    return text


def shown(text: bytes, leadspc: bool) -> bytes:
    """Return the value that a filter sees for a stored text."""
    return text if leadspc else text.removeprefix(b" ")


class HeaderField:
    """One header; its identity stays the same whatever happens to its name, text and place."""

    __slots__ = ("deleted", "hidden", "key", "name", "text")

    def __init__(self, name: bytes, text: bytes, *, hidden: bool = False) -> None:
        self.hidden = hidden
        self.deleted = False
        self.set(name, text)

    def set(self, name: bytes, text: bytes) -> None:
        """Give the field a new spelling of its name and a new text, cut to what Postfix keeps."""
        self.name = name
        self.key = name.lower()
        self.text = text[: max(HEADER_LIMIT - len(name) - 1, 0)]

    @property
    def looks_hidden(self) -> bool:
        """Whether ``change`` takes it for the MTA's own, which Postfix knows by how its first line begins."""
        return self.hidden or (self.name == b"Received" and self.text.partition(b"\n")[0] in (b"", b" "))

    def __repr__(self) -> str:
        marks = " hidden" * self.hidden + " deleted" * self.deleted
        return f"<HeaderField {self.name!r}:{self.text!r}{marks}>"


class HeaderList:
    """The headers of one message, in order, under the edits of its filters."""

    __slots__ = ("fields",)

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Take the headers that the MTA showed, as pairs of name and stored text."""
        self.fields = [HeaderField(b"Received", b"", hidden=True)]
        self.fields.extend(HeaderField(name, text) for name, text in pairs)

    def __len__(self) -> int:
        return sum(1 for _ in self._visible())

    def add(self, name: bytes, text: bytes) -> HeaderField:
        """Append a header (reply ``h``)."""
        field = HeaderField(name, text)
        self.fields.append(field)
        return field

    def insert(self, index: int, name: bytes, text: bytes) -> HeaderField:
        """Insert in front of the ``index``-th header, counted from 0 with the hidden one (reply ``i``).

        An index beyond the end appends.
        """
        field = HeaderField(name, text)
        self.fields.insert(self._slot(index), field)
        return field

    def change(self, index: int, name: bytes, text: bytes) -> HeaderField | None:
        """Change the ``index``-th header of that name, counted from 1 (reply ``m``); 0 counts as 1.

        An empty text deletes: hand an empty value through as it is, not normalised. A header that does not
        exist is appended unless the text is empty. Returns the field that was touched, None for none.
        """
        field = self.find(index, name)
        if field is None:
            return self.add(name, text) if text else None
        if text:
            field.set(name, text)
            field.hidden = False
        else:
            field.deleted = True
        return field

    def find(self, index: int, name: bytes) -> HeaderField | None:
        """Return the ``index``-th header of that name, counted from 1, passing over the MTA's own."""
        key, left = name.lower(), max(index, 1)
        passed_over = False
        for field in self.fields:
            if field.deleted or field.key != key:
                continue
            if not passed_over and field.looks_hidden:
                passed_over = True
                continue
            left -= 1
            if not left:
                return field
        return None

    def text_of(self, index: int, name: bytes) -> bytes:
        """Return the stored text of what ``change`` would change, empty where it would add one."""
        field = self.find(index, name)
        return b"" if field is None else field.text

    def visible(self) -> list[tuple[bytes, bytes]]:
        """Return name and stored text of every header that a filter sees."""
        return [(field.name, field.text) for field in self._visible()]

    def _visible(self) -> Iterator[HeaderField]:
        return (field for field in self.fields if not (field.deleted or field.hidden))

    def _slot(self, index: int) -> int:
        for slot, field in enumerate(self.fields):
            if not field.deleted:
                if not index:
                    return slot
                index -= 1
        return len(self.fields)

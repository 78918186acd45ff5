"""The headers of a message as Sendmail keeps them while filters edit (protocol §3.4, §8, §9.7).

Sendmail's list begins with the headers that it would make itself: they are hidden, most are empty, and
`insert` counts them. No header ever leaves the list: a deleted one has no value, goes on counting for the
filter that deleted it, and may get a value again. What Postfix does is in `mail.headers`.

All filters behind us are one filter to Sendmail. So the list remembers of each header both what the filter
at work believes (`user`) and what Sendmail believes in our one session (`counted`), and every edit tells how
it must be written for the latter.
"""

from __future__ import annotations

from collections.abc import Iterable

DEFAULTS = (
    b"Return-Path",
    b"Received",
    b"Resent-Date",
    b"Date",
    b"Resent-From",
    b"From",
    b"Full-Name",
    b"Resent-Message-Id",
    b"Message-Id",
)
"""The headers that the usual sendmail.cf makes, in its order."""

_TRACE = b"received"


class _Entry:
    __slots__ = ("counted", "key", "name", "text", "user")

    def __init__(self, name: bytes, text: bytes | None, *, user: bool) -> None:
        self.name = name
        self.key = name.lower()
        self.text = text
        self.user = user
        self.counted = user

    @property
    def replaceable(self) -> bool:
        """Whether an added header of this name takes this place instead of a new one."""
        return not self.user and self.key != _TRACE

    def set(self, text: bytes) -> None:
        self.text = text
        self.user = self.counted = True


class SendmailHeaders:
    """The headers of one message, in order, under the edits of its filters."""

    __slots__ = ("_entries",)

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Take the headers that the MTA showed, as pairs of name and stored text."""
        self._entries = [_Entry(name, None, user=False) for name in DEFAULTS]
        self._entries.extend(_Entry(name, text, user=True) for name, text in pairs)

    def next_filter(self) -> None:
        """Begin the edits of the next filter: what was deleted until now does not count for it."""
        for entry in self._entries:
            if entry.text is None:
                entry.user = False

    def visible(self) -> list[tuple[bytes, bytes]]:
        """Return name and stored text of every header that a filter sees."""
        return [(entry.name, entry.text) for entry in self._entries if entry.user and entry.text is not None]

    def add(self, name: bytes, text: bytes) -> int | None:
        """Add a header (reply ``h``): before the first of that name, at the end when there is none.

        A header that Sendmail left out, or that an earlier filter deleted, gets the value instead.

        Returns the index with which to send it as ``m``, or None to send it as ``h``.
        """
        entry = next((entry for entry in self._named(name) if entry.replaceable), None)
        if entry is None:
            self._place(name, text)
            return None
        known = entry.counted
        entry.set(text)
        return self._rank(entry) if known else None

    def insert(self, index: int, name: bytes, text: bytes) -> int:
        """Insert behind the ``index``-th entry of the list, hidden and deleted ones included (reply ``i``).

        An index beyond the end appends. Returns the index to send, which is the same.
        """
        self._entries.insert(index + 1, _Entry(name, text, user=True))
        return index

    def change(self, index: int, name: bytes, text: bytes) -> int:
        """Change the ``index``-th header of that name, counted from 1 (reply ``m``); 0 counts as 1.

        The spelling of its name stays. An empty text deletes. If there is none, the last header of that name
        that Sendmail left out or an earlier filter deleted gets the value, else it is added. Returns the
        index to send.
        """
        entry = self._find(index, name)
        beyond = sum(entry.counted for entry in self._named(name)) + 1
        if entry is None:
            if text:
                self._place(name, text)
            return beyond
        place = self._rank(entry) if entry.counted else beyond
        if text:
            entry.set(text)
        else:
            entry.text = None
        return place

    def text_of(self, index: int, name: bytes) -> bytes:
        """Return the stored text of what ``change`` would change, empty where it would add one."""
        entry = self._find(index, name)
        return b"" if entry is None or entry.text is None else entry.text

    def _find(self, index: int, name: bytes) -> _Entry | None:
        left, spare = max(index, 1), None
        for entry in self._named(name):
            left -= entry.user
            if not left:
                return entry
            spare = entry if entry.replaceable else spare
        return spare

    def _place(self, name: bytes, text: bytes) -> None:
        first = next(iter(self._named(name)), None)
        slot = len(self._entries) if first is None else self._entries.index(first)
        self._entries.insert(slot, _Entry(name, text, user=True))

    def _rank(self, entry: _Entry) -> int:
        counted = [other for other in self._named(entry.name) if other.counted]
        return counted.index(entry) + 1

    def _named(self, name: bytes) -> list[_Entry]:
        key = name.lower()
        return [entry for entry in self._entries if entry.key == key]

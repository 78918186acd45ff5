"""What of the mail addresses a history keeps: all, a mark that tells nobody who it is, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from hmac import digest
from typing import Any

from postmill.history.words import bare
from postmill.record import MessageRecord

ADDRESSES = ("keep", "hash", "omit")
_OMITTED = "…"
_ABOUT_ADDRESSES = ("add-recipient", "delete-recipient", "change-sender")


def hidden(record: MessageRecord, how: str, key: bytes) -> dict[str, Any]:
    """Return the plain values of a record with its mail addresses hashed with ``key``, or left out.

    They are replaced in what children said and changed, too. A hash keeps the domain.
    """
    data = record.as_dict()
    clean = cleaner(record, how, key)

    def mark(address: str) -> str:
        before, after = ("<", ">") if address.startswith("<") else ("", "")
        return f"{before}{_mark(bare(address), how, key)}{after}"

    if record.sender is not None:
        data["sender"] = mark(record.sender)
    for recipient in data["recipients"]:
        recipient["address"] = mark(recipient["address"])
    for holder, name in _texts(data):
        about_address = holder.get("kind") in _ABOUT_ADDRESSES and name == "what"
        holder[name] = mark(holder[name]) if about_address else clean(holder[name])
    return data


def cleaner(record: MessageRecord, how: str, key: bytes = b"") -> Callable[[str], str]:
    """Return what hashes or leaves out a record's mail addresses wherever they stand in a text."""
    pattern: re.Pattern[str] | None = None

    def clean(text: str) -> str:
        nonlocal pattern
        if "@" not in text:
            return text
        pattern = pattern or _any_of({bare(address) for address in _addresses(record)})
        return pattern.sub(lambda found: _mark(bare(found[0]), how, key), text)

    return clean


def _any_of(addresses: Iterable[str]) -> re.Pattern[str]:
    """Return what finds mail addresses in a text, in whatever letters."""
    spelled = [re.escape(one) for one in sorted(addresses, key=len, reverse=True) if "@" in one]
    return re.compile(rf"(?<![\w.+-])(?:{'|'.join(spelled) or '(?!)'})(?![\w-])", re.IGNORECASE)


def _addresses(record: MessageRecord) -> Iterator[str]:
    yield record.sender or ""
    for recipient in record.recipients:
        yield recipient.address
    for child in record.children.values():
        for change in child.changes:
            if change.kind in _ABOUT_ADDRESSES:
                yield change.what


def _texts(data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield where there is text that somebody else wrote."""
    yield data, "reply"
    yield data, "held"
    for child in data["children"]:
        for kind, names in (
            ("answers", ("text", "because")),
            ("changes", ("what", "before", "after")),
            ("conditions", ("because",)),
        ):
            for each in child[kind]:
                yield from ((each, name) for name in names if name in each)


def _mark(address: str, how: str, key: bytes) -> str:
    if not address:
        return ""
    if how == "omit":
        return _OMITTED
    local, at, domain = address.rpartition("@")
    mark = digest(key, address.encode(), "sha256").hex()[:12]
    return f"{mark}{at}{domain}" if local else mark

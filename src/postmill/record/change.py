"""What a child changed in a message, in words that a person can read: one value for each edit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from postmill.chain.steps import Edit
from postmill.record.text import text
from postmill.wire.codes import Reply
from postmill.wire.packets import (
    AddHeader,
    AddRcpt,
    AddRcptPar,
    ChangeFrom,
    ChangeHeader,
    DelRcpt,
    InsertHeader,
    decode_reply,
)

EDIT_NAMES = {
    int(Reply.ADDHEADER): "add-header",
    int(Reply.INSHEADER): "insert-header",
    int(Reply.CHGHEADER): "change-header",
    int(Reply.REPLBODY): "replace-body",
    int(Reply.ADDRCPT): "add-recipient",
    int(Reply.ADDRCPT_PAR): "add-recipient",
    int(Reply.DELRCPT): "delete-recipient",
    int(Reply.CHGFROM): "change-sender",
}
LONGEST = 500
"""Most characters kept of a text before or after."""
MOST = 100
"""Most changes of one child that are kept; the counts of its edits have them all."""
_REPLBODY = int(Reply.REPLBODY)


class Change(NamedTuple):
    """One edit: its kind, the header or address that it is about, and the text before and after.

    A new body has only its size, in bytes, as the text after.
    """

    kind: str
    what: str
    before: str = ""
    after: str = ""


def changes_of(edits: Sequence[Edit], replaced: Sequence[bytes]) -> list[Change]:
    """Return what ``edits`` change; ``replaced`` has the text before for each header that is changed."""
    return [*_changes(edits, iter(replaced))][:MOST]


def _changes(edits: Sequence[Edit], replaced: Iterator[bytes]) -> Iterator[Change]:
    body = [payload for letter, payload in edits if letter == _REPLBODY]
    for letter, payload in edits:
        if letter != _REPLBODY:
            yield _change(EDIT_NAMES[letter], letter, payload, replaced)
    if body:
        yield Change("replace-body", "", "", f"{sum(map(len, body))} bytes")


def _change(kind: str, letter: int, payload: bytes, replaced: Iterator[bytes]) -> Change:
    packet = decode_reply(letter, payload)
    if isinstance(packet, ChangeHeader):
        return Change(kind, text(packet.name), _short(next(replaced, b"")), _short(packet.value))
    if isinstance(packet, AddHeader | InsertHeader):
        return Change(kind, text(packet.name), "", _short(packet.value))
    assert isinstance(packet, AddRcpt | AddRcptPar | ChangeFrom | DelRcpt)
    return Change(kind, text(packet.address))


def _short(data: bytes) -> str:
    whole = text(data[: 4 * LONGEST]).strip()
    return whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"

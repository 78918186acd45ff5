"""Edits: showing them to later children, and sending them to the MTA (protocol §3.4, §9.5, §9.7).

Postfix applies edits one by one, exactly as the children sent them, so their indexes stay as they are.
Sendmail sees all children as one filter for which deleted headers go on counting, so there the edits of
several children are written anew with the help of its own model of the headers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy

from postmill.chain.child import Terms
from postmill.chain.message import Message, Model
from postmill.chain.steps import Edit
from postmill.mail.body import Body, replacement_pieces
from postmill.mail.headers import normalise, shown
from postmill.mail.sendmail_headers import SendmailHeaders
from postmill.wire.codes import CHUNK, Reply
from postmill.wire.framing import frame
from postmill.wire.packets import AddHeader, ChangeHeader, InsertHeader, decode_reply, encode

_HEADER_EDITS = frozenset((int(Reply.ADDHEADER), int(Reply.INSHEADER), int(Reply.CHGHEADER)))
_REPLBODY = int(Reply.REPLBODY)
_CHGFROM = int(Reply.CHGFROM)
HeaderEdit = AddHeader | InsertHeader | ChangeHeader


def _header_edit(edit: Edit) -> HeaderEdit:
    packet = decode_reply(*edit)
    assert isinstance(packet, AddHeader | InsertHeader | ChangeHeader)
    return packet


def changes_content(edits: Iterable[Edit]) -> bool:
    """Tell whether later children must see the message anew."""
    return any(letter in _HEADER_EDITS or letter == _REPLBODY for letter, _ in edits)


def names_of_headers(edits: Iterable[Edit]) -> tuple[str, ...]:
    """Return the names of the headers that edits add or change."""
    return tuple(
        _header_edit(edit).name.decode("utf-8", "backslashreplace")
        for edit in edits
        if edit[0] in _HEADER_EDITS
    )


def replaced_texts(message: Message, terms: Terms, edits: Sequence[Edit]) -> tuple[bytes, ...]:
    """Return for each header that one child changes what it was before, empty where there was none."""
    if all(letter != Reply.CHGHEADER for letter, _ in edits):
        return ()
    model = message.original_model() if message.model is None else deepcopy(message.model)
    replaced: list[bytes] = []
    for edit in edits:
        if edit[0] in _HEADER_EDITS:
            packet = _header_edit(edit)
            if isinstance(packet, ChangeHeader):
                replaced.append(shown(model.text_of(packet.index, packet.name), message.leadspc))
            _apply(model, packet, terms.leadspc)
    return tuple(replaced)


def show_to_later(
    message: Message, terms: Terms, edits: Iterable[Edit], new_body: Callable[[], Body]
) -> None:
    """Apply one child's edits to what the children after it are told; envelope edits are not shown."""
    replaced: list[bytes] | None = None
    for letter, payload in edits:
        if letter == _REPLBODY:
            replaced = replaced or []
            replaced.append(payload)
        elif letter in _HEADER_EDITS:
            if message.model is None:
                message.model = message.original_model()
            _apply(message.model, _header_edit((letter, payload)), terms.leadspc)
    if isinstance(message.model, SendmailHeaders):
        message.model.next_filter()
    if replaced is not None:
        message.body = new_body()
        for piece in replacement_pieces(replaced):
            message.body.append(piece)
    message.edited()


def _apply(model: Model, edit: HeaderEdit, leadspc: bool) -> None:
    if isinstance(edit, AddHeader):
        model.add(edit.name, normalise(edit.value, leadspc))
    elif isinstance(edit, InsertHeader):
        model.insert(edit.index, edit.name, normalise(edit.value, leadspc))
    else:
        model.change(edit.index, edit.name, normalise(edit.value, leadspc) if edit.value else b"")


def for_mta(message: Message) -> bytes:
    """Return all edits as packets: in child order, the body last and in one run (protocol §9.7)."""
    model = message.sendmail_model() if message.sendmail and len(message.edits) > 1 else None
    out: list[bytes] = []
    body: list[bytes] | None = None
    for _, terms, edits in message.edits:
        if model is not None:
            model.next_filter()
        new_body: list[bytes] | None = None
        for letter, payload in edits:
            if letter == _REPLBODY:
                new_body = new_body or []
                new_body.append(payload)
            elif letter in _HEADER_EDITS:
                out.append(_header_for_mta(message, terms, (letter, payload), model))
            elif letter == _CHGFROM or len(payload) > 1:  # an empty recipient means nothing (protocol §10.2)
                out.append(frame(letter, payload))
        body = body if new_body is None else new_body
    if body is not None:
        out.extend(frame(_REPLBODY, chunk) for chunk in _chunks(body))
    return b"".join(out)


def _chunks(pieces: list[bytes]) -> Iterator[bytes]:
    """Cut a replaced body to packets that every MTA takes; an empty body is one empty packet."""
    data = b"".join(pieces)
    if not data:
        yield b""
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]


def _header_for_mta(message: Message, terms: Terms, edit: Edit, model: SendmailHeaders | None) -> bytes:
    """Return one header edit with the value in the MTA's form of it.

    A line of the value that would begin a header of its own is made a continuation: Postfix does the same,
    and no other MTA should take what one child calls a value for headers.
    """
    foreign = terms.leadspc != message.leadspc
    if model is None and not foreign and b"\n" not in edit[1]:
        return frame(*edit)
    packet = _header_edit(edit)
    if model is not None:
        packet = _in_one_session(model, packet, terms.leadspc)
    value = packet.value
    if value or not isinstance(packet, ChangeHeader):  # an empty value deletes
        value = shown(normalise(value, terms.leadspc), message.leadspc)
    if isinstance(packet, AddHeader):
        return encode(AddHeader(packet.name, value))
    return encode(type(packet)(packet.index, packet.name, value))


def _in_one_session(model: SendmailHeaders, edit: HeaderEdit, leadspc: bool) -> HeaderEdit:
    """Return the edit that does to Sendmail, for which we are one filter, what the child meant."""
    text = normalise(edit.value, leadspc)
    if isinstance(edit, InsertHeader):
        return InsertHeader(model.insert(edit.index, edit.name, text), edit.name, edit.value)
    if isinstance(edit, ChangeHeader):
        return ChangeHeader(model.change(edit.index, edit.name, edit.value and text), edit.name, edit.value)
    place = model.add(edit.name, text)
    return edit if place is None or not edit.value else ChangeHeader(place, edit.name, edit.value)

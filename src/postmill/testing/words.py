"""Replies and edits as words: ``reject``, ``550 5.7.1 no``, ``add-header:X-A:1`` to packets, and packets to
words.

Here belongs the notation that the command line, script files and printed traces share. Which reply may come
when is not checked: a scripted child may say anything. Meanings: protocol §3.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from postmill.errors import PostmillError
from postmill.mail.reply import smtp_text, wire_text
from postmill.testing.script import Send
from postmill.wire.framing import frame
from postmill.wire.packets import (
    Accept,
    AddHeader,
    AddRcpt,
    AddRcptPar,
    ChangeFrom,
    ChangeHeader,
    ConnFail,
    Continue,
    DelRcpt,
    Discard,
    InsertHeader,
    Packet,
    Progress,
    Quarantine,
    Reject,
    ReplaceBody,
    ReplyCode,
    ReplyPacket,
    Shutdown,
    Skip,
    Tempfail,
)


class NotationError(PostmillError):
    """A word of the notation cannot be understood."""

    exit_status = 64


STAGES: dict[str, str] = {
    "accepted": "^",
    "negotiate": "O",
    "macro": "D",
    "connect": "C",
    "helo": "H",
    "mail": "M",
    "rcpt": "R",
    "data": "T",
    "header": "L",
    "end-of-header": "N",
    "body": "B",
    "end-of-message": "E",
    "abort": "A",
    "quit": "Q",
    "quit-new-connection": "K",
    "unknown": "U",
    "any": "*",
}
"""The words for stages, to command letters (protocol §2.1), ``^`` (just accepted) and ``*`` (every event)."""

_OTHER_NAMES = {
    "ehlo": "H",
    "envfrom": "M",
    "envelope-from": "M",
    "from": "M",
    "envrcpt": "R",
    "envelope-recipient": "R",
    "to": "R",
    "eoh": "N",
    "eom": "E",
    "eob": "E",
    "accept": "^",
    "open": "^",
    "optneg": "O",
}

STAGE_NAME: dict[int, str] = {ord(letter): word for word, letter in STAGES.items()}

VERDICT_WORDS: dict[str, ReplyPacket] = {
    "continue": Continue(),
    "accept": Accept(),
    "reject": Reject(),
    "tempfail": Tempfail(),
    "temporary-failure": Tempfail(),
    "discard": Discard(),
    "skip": Skip(),
    "progress": Progress(),
    "shutdown": Shutdown(),
    "conn-fail": ConnFail(),
}

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SMTP_REPLY = re.compile(r"[245]\d\d([ -]|$)")


def stage_letter(word: str) -> str:
    """The letter of a stage given as a word or as the letter itself; NotationError names the words there
    are.
    """
    plain = word.strip()
    if len(plain) == 1 and ord(plain) in STAGE_NAME:
        return plain
    lower = plain.lower().replace("_", "-")
    letter = STAGES.get(lower) or _OTHER_NAMES.get(lower)
    if letter is None:
        raise NotationError(f"unknown stage {word!r}; stages are {', '.join(STAGES)}")
    return letter


def reply_packet(text: str) -> ReplyPacket:
    r"""A reply: a word of VERDICT_WORDS, or an SMTP reply such as ``550 5.7.1 no``.

    In an SMTP reply ``\n`` separates lines, which get the code and hyphens if they lack them; ``%`` is
    doubled.
    """
    word = text.strip().lower().replace("_", "-")
    if word in VERDICT_WORDS:
        return VERDICT_WORDS[word]
    if not _SMTP_REPLY.match(text):
        words = ", ".join(VERDICT_WORDS)
        raise NotationError(
            f"unknown reply {text!r}: give one of {words}, or an SMTP reply like '550 5.7.1 no'"
        )
    return ReplyCode(_reply_text(text))


def _reply_text(text: str) -> bytes:
    code = text[:3]
    lines = text.replace("\\n", "\n").split("\n")
    words = [line[4:] if line[:3] == code and line[3:4] in (" ", "-") else line for line in lines]
    joined = [f"{code}-{line}" for line in words[:-1]] + [
        f"{code} {words[-1]}" if words[-1] != code else code
    ]
    return wire_text("\r\n".join(joined).encode())


def send(*packets: Packet) -> Send:
    """A step that writes these packets, even such as `wire.encode` refuses for their size."""
    return Send(b"".join(frame(packet.letter, packet.payload()) for packet in packets))


def reply(text: str) -> Send:
    """A step that gives the reply named by `text`: see `reply_packet`."""
    return send(reply_packet(text))


def edit(text: str) -> Send:
    """A step that sends the edit named by `text`: see `edit_packet`."""
    return send(edit_packet(text))


def _parts(text: str, count: int, form: str) -> list[str]:
    parts = text.split(":", count - 1)
    if len(parts) != count:
        raise NotationError(f"{text!r} does not have the form {form}")
    return parts


def _value(text: str) -> bytes:
    return text.replace("\\n", "\n").encode("utf-8", "surrogateescape")


def _index(text: str) -> int:
    if not text.isdigit():
        raise NotationError(f"{text!r} is no header index")
    return int(text)


def _add_header(text: str) -> ReplyPacket:
    name, value = _parts(text, 2, "add-header:NAME:VALUE")
    return AddHeader(name.encode(), _value(value))


def _insert_header(text: str) -> ReplyPacket:
    index, name, value = _parts(text, 3, "insert-header:INDEX:NAME:VALUE")
    return InsertHeader(_index(index), name.encode(), _value(value))


def _change_header(text: str) -> ReplyPacket:
    index, name, value = _parts(text, 3, "change-header:INDEX:NAME:VALUE")
    return ChangeHeader(_index(index), name.encode(), _value(value))


def _delete_header(text: str) -> ReplyPacket:
    index, name = _parts(text, 2, "delete-header:INDEX:NAME")
    return ChangeHeader(_index(index), name.encode(), b"")


def _replace_body(text: str) -> ReplyPacket:
    return ReplaceBody(text.replace("\\n", "\r\n").encode("utf-8", "surrogateescape"))


def _address(text: str) -> tuple[bytes, bytes | None]:
    address, blank, args = text.partition(" ")
    return address.encode(), args.encode() if blank else None


def _add_rcpt(text: str) -> ReplyPacket:
    address, args = _address(text)
    return AddRcpt(address) if args is None else AddRcptPar(address, args)


EDITS: dict[str, Callable[[str], ReplyPacket]] = {
    "add-header": _add_header,
    "insert-header": _insert_header,
    "change-header": _change_header,
    "delete-header": _delete_header,
    "replace-body": _replace_body,
    "add-rcpt": _add_rcpt,
    "add-rcpt-args": lambda text: AddRcptPar(*_address(text)),
    "delete-rcpt": lambda text: DelRcpt(text.encode()),
    "change-from": lambda text: ChangeFrom(*_address(text)),
    "quarantine": lambda text: Quarantine(text.encode()),
    "progress": lambda _nothing: Progress(),
}

EDIT_FORMS = (
    "add-header:NAME:VALUE, insert-header:INDEX:NAME:VALUE, change-header:INDEX:NAME:VALUE, "
    "delete-header:INDEX:NAME, replace-body:TEXT, add-rcpt:ADDRESS [ARGS], delete-rcpt:ADDRESS, "
    "change-from:ADDRESS [ARGS], quarantine:REASON, progress"
)


def edit_packet(text: str) -> ReplyPacket:
    r"""An edit: one of EDIT_FORMS; ``\n`` in a value is a line end."""
    word, _, rest = text.partition(":")
    maker = EDITS.get(word.strip().lower().replace("_", "-"))
    if maker is None:
        raise NotationError(f"unknown edit {text!r}; edits are {EDIT_FORMS}")
    return maker(rest)


def raw_bytes(text: str) -> bytes:
    """Bytes written as hex (``0x00 00 00 01``) or as text with the escapes of Python (``\\x00abc``)."""
    if text.startswith("0x"):
        try:
            return bytes.fromhex(text[2:])
        except ValueError as error:
            raise NotationError(f"{text!r} is not hexadecimal") from error
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1", "replace")


def seconds(text: str) -> float:
    """A time such as ``2``, ``0.5``, ``250ms``, ``2s``, ``1m``, in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?", text.strip())
    if found is None:
        raise NotationError(f"{text!r} is no time; write for example 250ms, 2s or 1m")
    return float(found[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}[found[2] or "s"]


def shown(value: bytes) -> str:
    """Bytes of the wire as readable text on one line."""
    text = value.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(map(_shown_char, text))


def _shown_char(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    return _ESCAPES.get(char) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def describe(packet: Packet) -> str:
    """A packet in the words of this notation, for people; bodies by their size."""
    match packet:
        case AddHeader(name, value):
            return f"add-header:{shown(name)}:{shown(value)}"
        case InsertHeader(index, name, value):
            return f"insert-header:{index}:{shown(name)}:{shown(value)}"
        case ChangeHeader(index, name, b""):
            return f"delete-header:{index}:{shown(name)}"
        case ChangeHeader(index, name, value):
            return f"change-header:{index}:{shown(name)}:{shown(value)}"
        case ReplaceBody(data):
            return f"replace-body: {len(data)} bytes"
        case ReplyCode(text):
            return shown(smtp_text(text))
        case _:
            return _describe_envelope(packet)


def _describe_envelope(packet: Packet) -> str:
    match packet:
        case AddRcpt(address):
            return f"add-rcpt:{shown(address)}"
        case AddRcptPar(address, args):
            return f"add-rcpt-args:{shown(address)} {shown(args or b'')}".rstrip()
        case DelRcpt(address):
            return f"delete-rcpt:{shown(address)}"
        case ChangeFrom(address, args):
            return f"change-from:{shown(address)} {shown(args or b'')}".rstrip()
        case Quarantine(reason):
            return f"quarantine:{shown(reason)}"
        case _:
            known = {value.letter: word for word, value in reversed(VERDICT_WORDS.items())}
            return known.get(packet.letter, type(packet).__name__.lower())


def stage_name(letter: int) -> str:
    """The word for a command letter; the letter itself when there is none."""
    return STAGE_NAME.get(letter, repr(chr(letter)))


__all__ = [
    "EDIT_FORMS",
    "STAGES",
    "NotationError",
    "describe",
    "edit",
    "edit_packet",
    "raw_bytes",
    "reply",
    "reply_packet",
    "seconds",
    "send",
    "shown",
    "stage_letter",
    "stage_name",
]

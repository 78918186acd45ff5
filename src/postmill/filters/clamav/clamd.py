"""The language of clamd: one message as a stream, one line back (clamd(8), INSTREAM)."""

from __future__ import annotations

import re
import struct

from postmill.filters._services import RefusedError, Wire

FROM = b"From clamav-milter\n"
"""Sent first, as clamav-milter does: by it clamd knows a mail whatever the first header is."""
_CHUNK = 1 << 16
_LONGEST = 4096
LONGEST_NAME = 120
"""Bytes of a virus's name that are told."""
_TOO_LARGE = "size limit exceeded"
_REPLY = re.compile(r"stream: (?:(OK)|([^\x00-\x1f\x7f]+) FOUND)")


async def scan(wire: Wire, message: bytes) -> str | None:
    """Return the name of the virus in a message, None where there is none.

    Raises OSError when clamd says that it could not look at all of it, ValueError for an answer that is none,
    EOFError when there was no answer.
    """
    pieces = [FROM, *(message[at : at + _CHUNK] for at in range(0, len(message), _CHUNK))]
    stream = b"".join((b"zINSTREAM\0", *(struct.pack(">I", len(one)) + one for one in pieces), b"\0\0\0\0"))
    try:
        await wire.send(stream)
    except ConnectionError:  # it has said why before it closed
        return read_reply(await wire.receive(most=_LONGEST))
    return read_reply(await wire.receive(b"\0", _LONGEST))


def read_reply(reply: bytes) -> str | None:
    """Return the virus that a reply names, None where it says OK; see ``scan`` for what is raised."""
    text = reply.rstrip(b"\0\n").decode("utf-8", "backslashreplace")
    found = _REPLY.fullmatch(text)
    if found is None and text.endswith("ERROR"):  # only that of a size is about the message, not about clamd
        raise (RefusedError if _TOO_LARGE in text else OSError)(f"clamd says: {text}")
    if found is None:
        raise ValueError(text[:100])
    if found[2] is None:
        return None
    name = "".join(char if char.isprintable() else "?" for char in found[2])
    return name.encode()[:LONGEST_NAME].decode("utf-8", "ignore")

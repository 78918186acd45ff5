"""The language of clamd: a message as a stream or as a file, one line back (clamd(8), INSTREAM, FILDES).

A stream ends at ``StreamMaxLength`` of clamd. A file does not, but only a unix socket passes one.
"""

from __future__ import annotations

import os
import re
import struct
from contextlib import suppress
from typing import BinaryIO

from postmill.filters._services import RefusedError, Wire

FROM = b"From clamav-milter\n"
"""Sent first, as clamav-milter does: by it clamd knows a mail whatever the first header is."""
_CHUNK = 1 << 16
_LONGEST = 4096
LONGEST_NAME = 120
"""Bytes of a virus's name that are told."""
_TOO_LARGE = "size limit exceeded"
_REPLY = re.compile(r"(?:stream|fd\[\d+\]): (?:(OK)|([^\x00-\x1f\x7f]+) FOUND)")


async def scan(wire: Wire, message: bytes) -> str | None:
    """Return the name of the virus in a message, None where there is none.

    Raises OSError when clamd says that it could not look at all of it, ValueError for an answer that is none,
    EOFError when there was no answer.
    """
    if wire.passes_files and len(message) > _CHUNK:  # what is smaller costs less as a stream
        with _file(message) as file:
            await wire.send(b"zFILDES\0")
            wire.pass_file(file.fileno())
    else:
        with suppress(ConnectionError):  # it has said why before it closed
            await wire.send(_stream(message))
    return read_reply(await wire.receive(b"\0", _LONGEST))


def _file(message: bytes) -> BinaryIO:
    """Return a message as an open file in memory, which has no name."""
    file = os.fdopen(os.memfd_create("mail"), "wb")
    file.writelines((FROM, message))
    file.flush()
    return file


def _stream(message: bytes) -> bytes:
    pieces = [FROM, *(message[at : at + _CHUNK] for at in range(0, len(message), _CHUNK))]
    return b"".join((b"zINSTREAM\0", *(struct.pack(">I", len(one)) + one for one in pieces), b"\0\0\0\0"))


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

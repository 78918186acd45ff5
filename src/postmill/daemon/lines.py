"""Messages as lines, one JSON object on each: over the control socket, and between parent and workers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from postmill.errors import RequestError

Message = Mapping[str, Any]


class LineReader:
    """Cuts lines out of a stream of bytes, none longer than ``most`` bytes (0: no bound)."""

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take what came and return the lines that are complete; raises RequestError when one is too long."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._most and max(map(len, (*lines, self._rest))) > self._most:
            raise RequestError(f"a line may have at most {self._most} bytes")
        return lines


def encode(message: Message) -> bytes:
    """Return the line of a message."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Return the message of a line; raises RequestError when it is no JSON object."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RequestError("not JSON: write one JSON object on each line") from error
    if not isinstance(message, dict):
        raise RequestError("not a JSON object: write one on each line")
    return message

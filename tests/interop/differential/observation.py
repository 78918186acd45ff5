"""What one arrangement did with one scenario, as values, with everything masked that no two runs share.

Masked: queue ids (numbered by first appearance, so that a stale one still shows), dates that Postfix and the mail
tools write, client ports, the directory and the port of the arrangement.  Nothing else is touched here; permitted
differences are `permitted`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tests.interop.differential.sink import Delivery

Packet = tuple[str, bytes]
"""Letter and payload, masked; macros appear as ``("D", payload)``, what the filter answered as ``(ANSWER,
letter)``.
"""

ANSWER = ">"


@dataclass(frozen=True)
class Connection:
    """One connection that a filter saw, from OPTNEG to its end."""

    packets: tuple[Packet, ...]

    @property
    def letters(self) -> str:
        """The letters of the events, without macros and answers."""
        return "".join(letter for letter, _ in self.packets if letter not in ("D", ANSWER))


@dataclass(frozen=True)
class Observation:
    """Everything that `compare` looks at.  ``left`` names mail that stayed in a queue, and anything that did
    not end.
    """

    replies: tuple[tuple[str, bytes], ...]
    children: tuple[tuple[Connection, ...], ...]
    delivered: tuple[Delivery, ...] = ()
    held: tuple[bytes, ...] = ()
    left: tuple[str, ...] = ()
    log: str = field(default="", compare=False)

    def outside(self) -> Observation:
        """Only what client, recipients and queue show, nothing of what the filters saw."""
        return replace(self, children=((),) * len(self.children))


_DATE = re.compile(rb"\w{3}, [ \d]\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}( \(UTC\))?")
_MESSAGE_ID = re.compile(rb"<(\d{14}\.(\d{6}(?=@))?|[\da-f]+\.[\da-f]{4}\.[\da-f]{4,8}(?=@))")
_SIZE = re.compile(rb" SIZE=\d+")
_BOUNDARY = re.compile(rb"(#\d+)\.\d{10}(\d*)/")
_QUEUED = re.compile(rb"queued as ([0-9A-F]{6,})")
_RECEIVED = re.compile(rb"\(Postfix[^)]*\)\s+(?:with \w+ )?id ([0-9A-F]{6,})")
_CLIENT_PORT = re.compile(rb"(\{?client_port\}?)\0\d+\0")
_DAEMON_PORT = re.compile(rb"(\{?daemon_port\}?)\0\d+\0")


class Mask:
    """Replaces what differs by nature.  ``base`` is the directory of the arrangement.

    Not ``numbered``, all queue ids look the same: those of sessions side by side come in no order.
    """

    def __init__(self, base: str, *, numbered: bool = True) -> None:
        self._base = base.encode()
        self._numbered = numbered
        self._ids: dict[bytes, bytes] = {}

    def learn(self, queue_ids: Iterable[bytes]) -> None:
        """Give each id that is new the next number."""
        for queue_id in queue_ids:
            self._ids.setdefault(queue_id, b"#%d" % (len(self._ids) + 1) if self._numbered else b"#")

    def text(self, data: bytes) -> bytes:
        """Mask any text."""
        for queue_id, number in self._ids.items():
            data = data.replace(queue_id, number)
        data = _DATE.sub(b"(date)", data.replace(self._base, b"(base)"))
        data = _BOUNDARY.sub(rb"\1.(time)/", data)
        return _MESSAGE_ID.sub(b"<(time).", data)

    def packet(self, letter: str, payload: bytes) -> Packet:
        """Mask a packet that a filter saw; its structure stays."""
        if letter == "C":
            payload = _without_port(payload)
        elif letter == "D":
            payload = _DAEMON_PORT.sub(rb"\1\0(port)\0", _CLIENT_PORT.sub(rb"\1\0(port)\0", payload))
        return letter, self.text(payload)

    def delivery(self, delivery: Delivery) -> Delivery:
        """Mask a delivered message."""
        return Delivery(
            self.text(_SIZE.sub(b"", delivery.sender)),
            tuple(map(self.text, delivery.recipients)),
            self.text(delivery.content),
        )


def _without_port(payload: bytes) -> bytes:
    """CONNECT with the client's port replaced: it is never the same twice (0 means "not SMTP" and stays)."""
    host, _, rest = payload.partition(b"\0")
    port = rest[1:3]
    return host + b"\0" + rest[:1] + (b"pp" if port.strip(b"\0") else port) + rest[3:]


def queue_ids_in_macros(payloads: Iterable[bytes]) -> list[bytes]:
    """The values of macro ``i`` in the payloads of macro packets."""
    ids = []
    for payload in payloads:
        parts = payload[1:].split(b"\0")
        ids += [value for name, value in zip(parts[::2], parts[1::2], strict=False) if name in (b"i", b"{i}")]
    return ids


def queue_ids_in_text(texts: Iterable[bytes]) -> list[bytes]:
    """Queue ids in SMTP replies and Received headers."""
    return [found for text in texts for pattern in (_QUEUED, _RECEIVED) for found in pattern.findall(text)]

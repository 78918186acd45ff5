"""The negotiation packet, which travels in both directions (protocol §2.2, §4.4, §4.6).

How offers and answers are merged is the business of ``chain``; this is only their form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import ClassVar

from postmill.errors import LocalProtocolError, RemoteProtocolError
from postmill.wire.codes import Command
from postmill.wire.fields import U32, U32_MAX, Packet, pack_number, pack_strings

_HEAD = Struct(">III")
_OFFERS = 64
"""How many offers are remembered: an MTA makes the same one in every session."""


@dataclass(frozen=True, slots=True)
class OptNeg(Packet):
    """An offer or its answer: version, ``Action`` flags, ``Protocol`` flags.

    ``symlists`` holds pairs of stage number and macro names, in the order of the packet; the names are
    separated by blanks or commas as the filter wrote them. Only an answer can have them.
    """

    letter: ClassVar[int] = Command.OPTNEG
    version: int
    actions: int
    protocol: int
    symlists: tuple[tuple[int, bytes], ...] = ()

    def payload(self) -> bytes:
        """Write the head and the symbol lists."""
        numbers = (self.version, self.actions, self.protocol)
        if not all(0 <= value <= U32_MAX for value in numbers):
            raise LocalProtocolError(f"OPTNEG: {numbers} do not fit into 32 bits each")
        lists = (pack_number(stage, "OPTNEG") + pack_strings(names) for stage, names in self.symlists)
        return _HEAD.pack(*numbers) + b"".join(lists)


def read_offer(payload: bytes) -> OptNeg:
    """Read what an MTA offers; bytes behind the three numbers are ignored, as libmilter does."""
    return _offer(payload[: _HEAD.size])


@lru_cache(_OFFERS)
def _offer(payload: bytes) -> OptNeg:
    return OptNeg(*_head(payload))


def read_answer(payload: bytes) -> OptNeg:
    """Read what a filter answers; bytes that are no symbol list are refused, as Postfix does."""
    return OptNeg(*_head(payload), symlists=tuple(_symlists(payload)))


def _head(payload: bytes) -> tuple[int, int, int]:
    if len(payload) < _HEAD.size:
        raise RemoteProtocolError(f"OPTNEG: {len(payload)} bytes instead of {_HEAD.size}")
    version, actions, protocol = _HEAD.unpack_from(payload)
    return version, actions, protocol


def _symlists(payload: bytes) -> list[tuple[int, bytes]]:
    lists: list[tuple[int, bytes]] = []
    position = _HEAD.size
    while position < len(payload):
        nul = payload.find(b"\0", position + 4)
        if nul < 0:
            raise RemoteProtocolError("OPTNEG: the bytes at the end are not a symbol list")
        (stage,) = U32.unpack_from(payload, position)
        lists.append((stage, payload[position + 4 : nul]))
        position = nul + 1
    return lists

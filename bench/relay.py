"""The yardstick: a plain relay of milter sessions on uvloop, as one would write it in an afternoon.

Run it as `python -m bench.relay ENDPOINT CHILD…`; it prints the endpoint it listens on once it is ready. One
process, one connection to each child for each session of the MTA, every packet passed on raw, each child
asked in turn, and the first answer other than continue wins. It keeps no record, writes no log, checks
nothing and has no time-outs: what Postmill costs beyond it is the price of all that, and what it saves is
the gain of fewer packets. Children are offered what the MTA offered; the MTA is answered what all of them do
without and any of them may do (protocol §4), without lists of macros. Not here: anything a mail server
should be connected to.
"""

import asyncio
import contextlib
import socket
import struct
import sys
from collections import deque
from collections.abc import Coroutine, Sequence
from functools import cache
from typing import Any

import uvloop

from bench.generator import Target
from bench.null_child import address, listen
from bench.transaction import EVENTS, packet

CONTINUE = packet("c")
LISTS = 0x100
FINAL = frozenset(b"acdrtys4O")
"""Replies that end the wait; whatever else comes (edits, progress) goes to the MTA with the last of them."""
NO_ANSWER = frozenset(b"AQK")

Packet = tuple[int, bytes]
"""The code of a packet, and all of its bytes."""


def cut(data: bytes) -> tuple[list[Packet], bytes]:
    """Return the whole packets in `data`, and the bytes after them."""
    packets, start = [], 0
    while len(data) - start >= 5:
        end = start + 4 + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            break
        packets.append((data[start + 4], data[start:end]))
        start = end
    return packets, data[start:]


@cache
def declined(protocol: int) -> frozenset[int]:
    """Return the codes of the events that are not shown."""
    return frozenset(ord(letter) for letter, event in EVENTS.items() if protocol & event.no_flag)


@cache
def quiet(protocol: int) -> frozenset[int]:
    """Return the codes of the events that are not answered."""
    return frozenset(ord(letter) for letter, event in EVENTS.items() if protocol & event.no_reply_flag)


class Child(asyncio.Protocol):
    """The connection to one child."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._partial = b""
        self.protocol = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        packets, self._partial = cut(self._partial + data)
        for code, whole in packets:
            self._session.answered(self, code, whole)

    def connection_lost(self, _error: Exception | None) -> None:
        self._session.close()


class Session(asyncio.Protocol):
    """The connection of one MTA, with those to the children."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._children: list[Child] = []
        self._partial = b""
        self._waiting: deque[Packet] = deque()
        self._macros = b""
        self._event: Packet | None = None
        """What is asked now, its macros in front of it."""
        self._next = 0
        """Position of the child that is asked after this one."""
        self._beside = b""
        """What came with the answers and is to go before the last of them."""
        self._answers: list[tuple[int, int, int]] = []
        self._protocol = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for family, where in self._targets:
            connecting: Coroutine[Any, Any, tuple[asyncio.Transport, Child]]
            if family == socket.AF_UNIX:
                connecting = loop.create_unix_connection(lambda: Child(self), str(where))
            else:
                connecting = loop.create_connection(lambda: Child(self), *where)
            _, child = await connecting
            self._children.append(child)
        self._work()

    def data_received(self, data: bytes) -> None:
        packets, self._partial = cut(self._partial + data)
        self._waiting.extend(packets)
        if self._event is None and len(self._children) == len(self._targets):
            self._work()

    def connection_lost(self, _error: Exception | None) -> None:
        self.close()

    def close(self) -> None:
        """End everything: that of the MTA, and of every child."""
        self._connecting.cancel()
        self._waiting.clear()
        self.transport.close()
        for child in self._children:
            child.transport.close()

    def _work(self) -> None:
        while self._waiting and self._event is None:
            code, whole = self._waiting.popleft()
            if code == 0x44:
                self._macros += whole
            elif code in NO_ANSWER:
                for child in self._children:
                    child.transport.write(whole)
                if code == 0x51:
                    self.close()
            else:
                self._event = code, self._macros + whole
                self._macros = b""
                self._next = 0
                self._ask()

    def _ask(self) -> None:
        """Ask the next child that answers this event, or answer the MTA when there is none left."""
        assert self._event is not None
        code, whole = self._event
        while self._next < len(self._children):
            child = self._children[self._next]
            self._next += 1
            if code not in declined(child.protocol):
                child.transport.write(whole)
                if code not in quiet(child.protocol):
                    return
        self._decide(self._merged() if code == 0x4F else CONTINUE)

    def answered(self, child: Child, code: int, whole: bytes) -> None:
        """Take a packet of the child that was asked."""
        if code == 0x63:
            self._ask()
        elif code == 0x4F:
            version, actions, child.protocol = struct.unpack_from(">III", whole, 5)
            self._answers.append((version, actions, child.protocol))
            self._ask()
        elif code in FINAL:
            self._decide(whole)
        else:
            self._beside += whole
            return
        self._work()

    def _merged(self) -> bytes:
        version, actions, protocol = self._answers[0]
        for other in self._answers[1:]:
            version = min(version, other[0])
            actions |= other[1]
            protocol &= other[2]
        self._protocol = protocol
        return packet("O", struct.pack(">III", version, actions & ~LISTS, protocol))

    def _decide(self, answer: bytes) -> None:
        assert self._event is not None
        code, _ = self._event
        self._event = None
        if code not in quiet(self._protocol):
            self.transport.write(self._beside + answer)
            self._beside = b""


async def serve(listener: socket.socket, targets: Sequence[Target]) -> None:
    """Serve until the process ends."""
    loop = asyncio.get_running_loop()
    if listener.family == socket.AF_UNIX:
        server = await loop.create_unix_server(lambda: Session(targets), sock=listener, backlog=4096)
    else:  # uvloop switches Nagle's delay off on every TCP connection
        server = await loop.create_server(lambda: Session(targets), sock=listener, backlog=4096)
    print(address(listener), flush=True)
    await server.serve_forever()


def main() -> None:
    """Listen, say where, serve."""
    endpoint, *children = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(listen(endpoint), [Target.parse(child) for child in children]))


if __name__ == "__main__":
    main()

"""One connection of a scripted child: takes packets in order and walks through the steps that the script
gives.

Here belongs everything about one connection that needs the event loop; which steps, `script` decides; what
was seen, `seen` keeps.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol, cast

from postmill.errors import RemoteProtocolError
from postmill.testing.script import (
    ACCEPTED,
    Close,
    Counter,
    Default,
    Delay,
    Event,
    HalfClose,
    Reset,
    Script,
    Send,
    Step,
    StopAnswering,
    StopReading,
    Trickle,
    default_steps,
)
from postmill.testing.seen import Pairs, SeenConnection, SeenEvent, SeenPacket, parse_macros
from postmill.wire.codes import Command
from postmill.wire.framing import FrameReader


def _joined(steps: Iterable[Step]) -> list[Step]:
    """The steps with neighbouring writes made one, so that they reach the MTA together."""
    found: list[Step] = []
    for step in steps:
        if isinstance(step, Send) and found and isinstance(found[-1], Send):
            found[-1] = Send(found[-1].data + step.data)
        else:
            found.append(step)
    return found


class Owner(Protocol):
    """What a link needs from its child."""

    script: Script

    def link_opened(self, link: Link) -> None:
        """Record a new link."""

    def link_closed(self, link: Link) -> None:
        """Record that the link is gone."""

    def packet_seen(self, packet: SeenPacket, event: SeenEvent | None) -> None:
        """Record a packet, and the event it is unless it holds macros."""

    def bytes_sent(self, connection: int, data: bytes) -> None:
        """Note bytes that were written."""


class Link(asyncio.Protocol):
    """One connection: counts, records, and does the steps of each event before it takes the next packet."""

    def __init__(self, owner: Owner, number: int) -> None:
        self.owner = owner
        self.record = SeenConnection(number, time.monotonic())
        self._counter = Counter(number)
        self._reader = FrameReader()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._macros: tuple[int, Pairs] | None = None
        self._steps: Iterator[Step] | None = None
        self._mute = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport = cast(asyncio.Transport, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with the steps of the pseudo event "accepted"."""
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.owner.link_opened(self)
        self._begin(Event(self.record.number, 0, 1, ACCEPTED, b""))

    def data_received(self, data: bytes) -> None:
        """Take the packets that are complete; a broken one ends the connection."""
        try:
            self._waiting.extend(self._reader.feed(data))
            if self._reader.pending >= 4:
                self._reader.feed(b"")  # a bad length behind good packets shows only at the next call
        except RemoteProtocolError:
            self._finish("error")
            return
        self._advance()

    def eof_received(self) -> bool:
        """The MTA is gone: close too."""
        self.record.how = self.record.how or "eof"
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was still to be done."""
        if self._timer is not None:
            self._timer.cancel()
        self.record.how = self.record.how or ("error" if exc else "eof")
        self.record.pending = self._reader.pending
        self._waiting.clear()
        self._steps = None
        self.owner.link_closed(self)

    def drop(self) -> None:
        """Drop the connection at once."""
        self.record.how = self.record.how or "script"
        self._waiting.clear()
        self._transport.abort()

    def _finish(self, how: str) -> None:
        self.record.how = self.record.how or how
        self._waiting.clear()
        self._transport.close()

    def _advance(self) -> None:
        """Take waiting packets as long as no step asks for time."""
        while self._waiting and self._steps is None:
            event = self._counter.event(*self._waiting.popleft())
            self._note(event)
            if event.letter == Command.QUIT:
                self.record.how = self.record.how or "quit"
            self._begin(event)

    def _note(self, event: Event) -> None:
        now = time.monotonic()
        packet = SeenPacket(event.connection, event.letter, event.payload, now)
        if event.letter == Command.MACRO:
            self._macros = (event.payload[0] if event.payload else 0, parse_macros(event.payload))
            self.owner.packet_seen(packet, None)
            return
        macros = self._macros[1] if self._macros and self._macros[0] == event.letter else None
        self._macros = None
        seen = SeenEvent(event.connection, event.letter, event.payload, macros, now, event.message)
        self.owner.packet_seen(packet, seen)

    def _begin(self, event: Event) -> None:
        script = self.owner.script
        steps = script.steps_for(event)
        default = default_steps(event)
        if event.letter == Command.OPTNEG:
            default, self._counter.protocol = script.negotiate.answer(event.payload)
        parts = (default if isinstance(step, Default) else (step,) for step in steps)
        self._steps = iter(_joined(part for each in parts for part in each))
        self._walk()

    def _walk(self) -> None:
        """Do steps until they end (then the next packet may be taken) or one needs time."""
        self._timer = None
        while self._steps is not None:
            step = next(self._steps, None)
            if step is None:
                self._steps = None
                return
            pause = self._do(step)
            if pause is not None:
                self._timer = asyncio.get_running_loop().call_later(pause, self._resume)
                return

    def _resume(self) -> None:
        self._walk()
        self._advance()

    def _do(self, step: Step) -> float | None:
        """Carry out one step; returns the seconds to wait before the next."""
        match step:
            case Send(data):
                self._write(data)
            case Delay(seconds):
                return seconds
            case Trickle(data, pause):
                self._write(data[:1])
                rest = (Trickle(data[1:], pause),) if data[1:] else ()
                self._steps = iter((*rest, *(self._steps or ())))
                return pause
            case _:
                self._change_state(step)
        return None

    def _write(self, data: bytes) -> None:
        if self._mute or self._transport.is_closing():
            return
        self.owner.bytes_sent(self.record.number, data)
        try:
            rest = data[self._write_now(data) :]
        except ConnectionError:
            self._mute = True  # the MTA is gone, but what it said before may still be waiting to be read
            return
        if rest:
            self._transport.write(rest)

    def _write_now(self, data: bytes) -> int:
        """Write as much as fits at once; the transport would give up reading where writing fails."""
        if self._transport.get_write_buffer_size():
            return 0
        try:
            return os.write(self._transport.get_extra_info("socket").fileno(), data)
        except BlockingIOError:
            return 0

    def _change_state(self, step: Step) -> None:
        match step:
            case Close():
                self._finish("script")
            case Reset():
                sock = self._transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.drop()
            case HalfClose():
                self._transport.write_eof()
                self._mute = True
            case StopAnswering():
                self._mute = True
            case StopReading():
                self._transport.pause_reading()
            case _:  # a Default was replaced in _begin
                pass

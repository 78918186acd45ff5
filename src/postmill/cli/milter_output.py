"""Printing of what a scripted child sees and says: lines for people, or one JSON object a line.

The words are those of ``testing.trace``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import click

from postmill.errors import RemoteProtocolError
from postmill.testing.child import ScriptedChild, SeenConnection, SeenEvent, SeenPacket
from postmill.testing.trace import command_text, macros_text, plain, reply_text
from postmill.testing.words import stage_name
from postmill.wire.framing import FrameReader


class Reporter:
    """Looks on while a child serves, prints, and counts the sessions that ended.

    `brief` leaves out replies and macros; `write` takes each finished line.
    """

    def __init__(
        self,
        child: ScriptedChild,
        *,
        as_json: bool = False,
        quiet: bool = False,
        colour: bool = False,
        brief: bool = False,
        write: Callable[[str], object] = click.echo,
    ) -> None:
        self._write = write
        self._json = as_json
        self._quiet = quiet
        self._colour = colour
        self._brief = brief
        self._sessions = 0
        self._limit = 0
        self.finished = threading.Event()
        child.on_open = self._opened
        child.on_packet = self._packet
        child.on_sent = self._sent
        child.on_close = self._closed

    def stop_after(self, sessions: int) -> None:
        """Set `finished` when so many sessions have ended."""
        self._limit = sessions

    def _opened(self, connection: SeenConnection) -> None:
        self._print(connection.number, {"kind": "open"}, "connection opened")

    def _closed(self, connection: SeenConnection) -> None:
        values = {"kind": "close", "how": connection.how, "seconds": self._life(connection)}
        self._print(connection.number, values, f"connection closed ({connection.how})")
        self._sessions += 1
        if self._sessions == self._limit:
            self.finished.set()

    @staticmethod
    def _life(connection: SeenConnection) -> float:
        return round((connection.closed or connection.opened) - connection.opened, 6)

    def _packet(self, packet: SeenPacket, event: SeenEvent | None) -> None:
        if event is None:
            return
        text = command_text(event.letter, event.payload)
        values: dict[str, object] = {
            "kind": "event",
            "stage": stage_name(event.letter),
            "message": event.message,
            "text": text,
            "payload": plain(event.payload),
            "macros": None
            if event.macros is None
            else {plain(name): plain(value) for name, value in event.macros},
        }
        self._print(event.connection, values, f"> {text}")
        if event.macros and not self._json and not self._brief:
            self._print(event.connection, {}, f"    {macros_text(event.macros)}")

    def _sent(self, connection: int, data: bytes) -> None:
        if self._brief:
            return
        reader = FrameReader()
        try:
            packets = reader.feed(data)
        except RemoteProtocolError:
            packets = []
        if not packets or reader.pending:
            values: dict[str, object] = {"kind": "bytes", "hex": data.hex()}
            self._print(connection, values, f"< bytes {data[:100].hex(' ')}{'…' if len(data) > 100 else ''}")
            return
        for letter, payload in packets:
            values = {"kind": "reply", "code": chr(letter), "text": reply_text(letter, payload)}
            self._print(connection, values, f"< {reply_text(letter, payload)}", reply=True)

    def _print(self, session: int, values: dict[str, object], text: str, *, reply: bool = False) -> None:
        if self._quiet:
            return
        try:
            self._print_line(session, values, text, reply=reply)
        except BrokenPipeError:  # the reader of our output has left: nothing more to do here
            self._quiet = True
            self.finished.set()

    def _print_line(self, session: int, values: dict[str, object], text: str, *, reply: bool) -> None:
        if self._json:
            self._write(json.dumps({"session": session, **values}, ensure_ascii=False))
            return
        line = f"[{session}] {text}"
        self._write(click.style(line, fg="blue") if self._colour and reply else line)

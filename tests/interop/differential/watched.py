"""A scripted filter of a side, with a record of every packet in both directions in the order in which they
happened.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple

from postmill.testing.child import ScriptedChild
from postmill.testing.script import Script
from postmill.testing.seen import SeenConnection, SeenEvent, SeenPacket
from tests.interop.differential.observation import ANSWER, Connection, Mask


class Entry(NamedTuple):
    """One packet: when, on which connection (counted over the life of the child), its letter and payload."""

    time: float
    connection: int
    letter: str
    payload: bytes


class WatchedChild:
    """A `ScriptedChild` that records into ``seen``; `follow` gives it a script and forgets the past."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._seen: list[Entry] = []
        self._opened: list[int] = []
        self._last: dict[int, str] = {}
        """Letter of the last packet of each open connection."""
        self._child = ScriptedChild(endpoint=f"unix:{path}")
        self._child.recording = False
        self._child.on_packet = self._packet
        self._child.on_sent = self._sent
        self._child.on_open = self._connected
        self._child.on_close = self._disconnected
        self._child.start()

    @property
    def seen(self) -> list[Entry]:
        """A copy of the record, in order."""
        with self._lock:
            return list(self._seen)

    @property
    def idle(self) -> bool:
        """Whether no session is under way: no connection is open, but for those kept for another session."""
        with self._lock:
            return all(letter == "K" for letter in self._last.values())

    @property
    def kept(self) -> bool:
        """Whether connections are open, idle or not."""
        with self._lock:
            return bool(self._last)

    def follow(self, script: Script) -> None:
        """Do what this script says from now on; call it only while no connection is open."""
        self._child.script = script
        with self._lock:
            self._seen.clear()
            self._opened.clear()
        self._child.clear()

    def connections(self, mask: Mask) -> tuple[Connection, ...]:
        """What was seen since `follow`, connection by connection."""
        with self._lock:
            return tuple(
                Connection(
                    tuple(
                        (ANSWER, entry.payload)
                        if entry.letter == ANSWER
                        else mask.packet(entry.letter, entry.payload)
                        for entry in self._seen
                        if entry.connection == number
                    )
                )
                for number in self._opened
            )

    def drop(self) -> None:
        """Drop all open connections."""
        self._child.drop_connections()

    def close(self) -> None:
        """Stop serving."""
        self._child.close()

    def _connected(self, connection: SeenConnection) -> None:
        with self._lock:
            self._opened.append(connection.number)
            self._last[connection.number] = ""

    def _disconnected(self, connection: SeenConnection) -> None:
        with self._lock:
            del self._last[connection.number]

    def _packet(self, packet: SeenPacket, event: SeenEvent | None) -> None:
        with self._lock:
            self._last[packet.connection] = chr(packet.letter)
            self._seen.append(Entry(packet.time, packet.connection, chr(packet.letter), packet.payload))

    def _sent(self, connection: int, data: bytes) -> None:
        with self._lock:
            for letter in letters(data):
                self._seen.append(Entry(time.monotonic(), connection, ANSWER, letter))


def letters(data: bytes) -> list[bytes]:
    """The letters of the packets in some bytes, as far as they are packets: filters may send anything."""
    if 0 < len(data) < 5:
        return [b"?"]
    found = []
    while len(data) >= 5:
        found.append(data[4:5])
        data = data[4 + max(1, int.from_bytes(data[:4], "big")) :]
    return found

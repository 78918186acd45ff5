"""What a scripted child saw: events, packets and connections, and waiting for them from another thread.

Here belong the values and the thread-safe record; `link` fills it, `child` owns it. Macro packets by
protocol §2.2 and §5.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

Pairs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """One packet that arrived, except macros: those hang on the event that they preceded.

    `macros` is None when no `D` for this event came right before it, and empty for an empty `D`. `time` is
    `time.monotonic()`. `message` counts the messages of the connection, 0 before the first.
    """

    connection: int
    letter: int
    payload: bytes
    macros: Pairs | None
    time: float
    message: int = 0

    @property
    def code(self) -> str:
        """The letter as text: ``"M"``."""
        return chr(self.letter)

    def macro(self, name: str) -> bytes | None:
        """The value of a macro of this event, however the name is spelled (``i`` or ``{i}``)."""
        wanted = name.strip("{}").encode()
        return next((value for key, value in self.macros or () if key.strip(b"{}") == wanted), None)


@dataclass(frozen=True, slots=True)
class SeenPacket:
    """Any packet that arrived, macros and strays included."""

    connection: int
    letter: int
    payload: bytes
    time: float


@dataclass(slots=True)
class SeenConnection:
    """The life of one connection: `how` is empty while open, else ``quit``, ``eof``, ``error`` or ``script``.

    `pending` counts the bytes of a half packet that were left at the end.
    """

    number: int
    opened: float
    closed: float | None = None
    how: str = ""
    pending: int = 0


def parse_macros(payload: bytes) -> Pairs:
    """The name and value pairs of a `D` packet's payload."""
    strings = payload[1:].split(b"\0")[:-1]
    return tuple(zip(strings[::2], strings[1::2], strict=False))


class Recording:
    """Everything one child has seen since it was made or last cleared; safe to read and wait on from any
    thread.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: list[SeenEvent] = []
        self._packets: list[SeenPacket] = []
        self._connections: list[SeenConnection] = []

    @property
    def events(self) -> list[SeenEvent]:
        """Everything that arrived but macro packets, in order of arrival (a copy)."""
        with self._changed:
            return list(self._events)

    @property
    def packets(self) -> list[SeenPacket]:
        """Every packet, macros included (a copy)."""
        with self._changed:
            return list(self._packets)

    @property
    def connections(self) -> list[SeenConnection]:
        """Every connection so far, open ones included (a copy of the list)."""
        with self._changed:
            return list(self._connections)

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        with self._changed:
            return sum(1 for connection in self._connections if connection.closed is None)

    def letters(self, connection: int | None = None) -> str:
        """The codes of the events seen, as one string: ``"OCHMRTLNBEQ"``; of one connection if given."""
        return "".join(event.code for event in self.events if connection in (None, event.connection))

    def clear(self) -> None:
        """Forget events, packets and closed connections (connection numbers go on)."""
        with self._changed:
            self._events.clear()
            self._packets.clear()
            self._connections = [connection for connection in self._connections if connection.closed is None]

    def wait_for(self, predicate: Callable[[SeenEvent], object], timeout: float = 10.0) -> SeenEvent:
        """The first event, seen already or within `timeout` seconds, for which `predicate` holds; else
        TimeoutError.
        """
        found: list[SeenEvent] = []

        def look() -> bool:
            found.extend(event for event in self._events if predicate(event))
            return bool(found)

        with self._changed:
            if not self._changed.wait_for(look, timeout):
                codes = "".join(event.code for event in self._events)
                raise TimeoutError(f"not seen within {timeout} s; saw {codes!r}")
        return found[0]

    def wait_until(self, condition: Callable[[], object], timeout: float = 10.0) -> None:
        """Wait until `condition()` holds, tried after each packet, open and close; else TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise TimeoutError(f"condition not met within {timeout} s")

    def wait_closed(self, connections: int = 1, timeout: float = 10.0) -> None:
        """Wait until at least this many connections are recorded and every one of them is closed."""

        def done() -> bool:
            return len(self._connections) >= connections and all(
                c.closed is not None for c in self._connections
            )

        self.wait_until(done, timeout)

    def add_connection(self, connection: SeenConnection) -> None:
        """Record a connection that was accepted."""
        with self._changed:
            self._connections.append(connection)
            self._changed.notify_all()

    def end_connection(self, connection: SeenConnection, closed: float) -> None:
        """Record that a connection is gone."""
        with self._changed:
            connection.closed = closed
            self._changed.notify_all()

    def add_packet(self, packet: SeenPacket, event: SeenEvent | None) -> None:
        """Record a packet and, unless it holds macros, the event that it is."""
        with self._changed:
            self._packets.append(packet)
            if event is not None:
                self._events.append(event)
            self._changed.notify_all()

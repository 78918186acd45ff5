"""A milter that says `continue` to everything, as cheaply as Python can: one process, one epoll loop.

Run it as `python -m bench.null_child ENDPOINT PROFILE`; it prints the endpoint it listens on once it is
ready. It counts the packets of whatever has arrived and answers all of them in one write (protocol §2.1);
bytes it has seen before at a packet boundary are answered from memory, as the generator's sessions are much
alike. Not here: anything a test would want to script (`postmill.testing` does that).
"""

import contextlib
import gc
import os
import select
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.transaction import EVENTS, packet

CONTINUE = packet("c")
BACKLOG = 4096
READ = 1 << 14
"""Bytes for each read: a larger buffer would be mapped and unmapped by the allocator every time."""
MEMORY_ENTRIES = 4096
MEMORY_BYTES = 1 << 15


@dataclass(frozen=True)
class Profile:
    """What the milter asks for at negotiation, and the few replies that are not `continue`."""

    actions: int = 0
    protocol: int = 0
    replies: dict[str, bytes] = field(default_factory=dict)
    macro_lists: bytes = b""
    """Lists of macros that go with the answer (protocol §4.6)."""
    delay: float = 0.0
    """Seconds before each answer to C H M R T and E, as of a filter that looks something up."""

    def reply(self, letter: str) -> bytes:
        """Return the bytes that answer one event, empty for a command that has no answer."""
        event = EVENTS.get(letter)
        if event is None:
            return CONTINUE if letter == "U" and not self.protocol & 0x20000 else b""
        return b"" if self.protocol & event.no_reply_flag else self.replies.get(letter, CONTINUE)

    def negotiate(self, offer: bytes) -> bytes:
        """Return the answer to the data of an `O` packet; asks for nothing that was not offered."""
        version, actions, protocol = struct.unpack_from(">III", offer)
        agreed = actions & self.actions
        lists = self.macro_lists if agreed & 0x100 else b""
        return packet("O", struct.pack(">III", min(version, 6), agreed, protocol & self.protocol) + lists)


PROFILES = {
    "plain": Profile(),
    "edits": Profile(actions=0x13),
    "adds-header": Profile(actions=0x13, replies={"E": packet("h", b"X-Bench\0 yes\0") + CONTINUE}),
    "no-body": Profile(protocol=0x10),
    "no-content": Profile(protocol=0x70),
    "no-reply": Profile(protocol=0xFF080),
    "skip": Profile(protocol=0x400, replies={"B": packet("s")}),
    # what the real ones negotiate on Debian 12 (protocol §4.5), without their work
    "opendkim": Profile(0x111, 0x100702, macro_lists=b"\0\0\0\x05i {client_addr}\0"),
    "spamass-milter": Profile(0x13, 0x300),
    "clamav-milter": Profile(0x21, 0x342),
    "slow": Profile(delay=0.005),
}
SLOW = frozenset(b"CHMRTE")


class Answered(NamedTuple):
    """What came of some bytes: the reply, how many were whole packets, whether one was QUIT."""

    reply: bytes
    used: int
    quit: bool
    slow: bool = False
    """Whether there is an answer among the replies for which a slow milter takes its time."""


class Responder:
    """Turns bytes at a packet boundary into replies."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._by_code = {code: profile.reply(chr(code)) for code in range(256)}
        self._seen: dict[bytes, Answered] = {}

    def answer(self, data: bytes) -> Answered:
        """Answer every whole packet in `data`. QUIT_NC needs no answer and leaves the connection as it is."""
        known = self._seen.get(data)
        if known is None:
            known = self._work_out(data)
            if len(self._seen) < MEMORY_ENTRIES and len(data) < MEMORY_BYTES:
                self._seen[data] = known
        return known

    def _work_out(self, data: bytes) -> Answered:
        replies: list[bytes] = []
        codes: set[int] = set()
        start, end = 0, len(data)
        while end - start >= 5:
            following = start + 4 + int.from_bytes(data[start : start + 4], "big")
            if following > end:
                break
            code = data[start + 4]
            codes.add(code)
            if code == 0x51:
                return Answered(b"".join(replies), following, True)
            if code == 0x4F:
                replies.append(self._profile.negotiate(data[start + 5 : following]))
            else:
                replies.append(self._by_code[code])
            start = following
        return Answered(b"".join(replies), start, False, bool(codes & SLOW))


class NullChild:
    """The epoll loop around a Responder."""

    def __init__(self, listener: socket.socket, profile: Profile) -> None:
        self._listener = listener
        self._responder = Responder(profile)
        self._epoll = select.epoll()
        self._connections: dict[int, socket.socket] = {}
        self._partial: dict[int, bytes] = {}
        self._delay = profile.delay
        self._later: deque[tuple[float, socket.socket, bytes]] = deque()
        listener.setblocking(False)
        self._epoll.register(listener.fileno(), select.EPOLLIN)

    def serve(self) -> None:
        """Serve until the process ends."""
        door, poll, read = self._listener.fileno(), self._epoll.poll, self._read
        while True:
            for fd, _ in poll(self._send_due()):
                if fd == door:
                    self._accept()
                else:
                    read(fd)

    def _send_due(self) -> float | None:
        """Send the delayed answers whose time has come; return the seconds until the next one."""
        later, now = self._later, time.monotonic() if self._later else 0.0
        while later:
            due, connection, reply = later[0]
            if due > now:
                return due - now
            later.popleft()
            self._write(connection, reply)
        return None

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self._listener.accept()
                connection.setblocking(False)
                if connection.family != socket.AF_UNIX:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections[connection.fileno()] = connection
                self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, fd: int) -> None:
        connection = self._connections[fd]
        try:
            data = connection.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(fd)
            return
        if self._partial:
            data = self._partial.pop(fd, b"") + data
        reply, used, quit_seen, slow = self._responder.answer(data)
        if used < len(data):
            self._partial[fd] = data[used:]
        if slow and self._delay:
            self._later.append((time.monotonic() + self._delay, connection, reply))
        elif reply and not self._write(connection, reply):
            quit_seen = True
        if quit_seen:
            self._close(fd)

    @staticmethod
    def _write(connection: socket.socket, reply: bytes) -> bool:
        try:
            # a peer that lets its replies pile up is not served further
            return connection.send(reply) == len(reply)
        except OSError:
            return False

    def _close(self, fd: int) -> None:
        self._partial.pop(fd, None)
        self._connections.pop(fd).close()


def listen(endpoint: str) -> socket.socket:
    """Return a listening socket for `unix:PATH` or `inet:PORT@HOST`."""
    kind, _, rest = endpoint.partition(":")
    if kind == "unix":
        listener = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(rest)
        listener.bind(rest)
    else:
        port, _, host = rest.partition("@")
        listener = socket.create_server((host or "127.0.0.1", int(port)), backlog=BACKLOG)
    listener.listen(BACKLOG)
    return listener


def address(listener: socket.socket) -> str:
    """Return the endpoint that reaches a listening socket."""
    name = listener.getsockname()
    return f"unix:{name}" if isinstance(name, str) else f"inet:{name[1]}@{name[0]}"


def main() -> None:
    """Listen, say where, serve."""
    listener = listen(sys.argv[1])
    print(address(listener), flush=True)
    gc.disable()
    with contextlib.suppress(KeyboardInterrupt):
        NullChild(listener, PROFILES[sys.argv[2] if len(sys.argv) > 2 else "plain"]).serve()


if __name__ == "__main__":
    main()

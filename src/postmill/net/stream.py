"""A non-blocking stream socket on the event loop, with as few system calls and objects as possible.

No asyncio transport: a session opens a link to every child, and creating a transport takes a task each.
Data is handed on synchronously from the readiness callback.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

_BUFFER = bytearray(262144)
_VIEW = memoryview(_BUFFER)
"""One read buffer for the whole process: every read is copied out before the next one."""


class Stream:
    """One connected socket: ``on_data(bytes)`` for what comes, ``on_end(reason)`` once when it is over."""

    __slots__ = ("_closing", "_fd", "_loop", "_out", "_paused", "_quick_ack", "_sock", "on_data", "on_end")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        on_data: Callable[[bytes], None],
        on_end: Callable[[str], None],
    ) -> None:
        """Begin to read from ``sock``, which must be connected and non-blocking."""
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._out = bytearray()
        self._closing = False
        self._paused = False
        self._quick_ack = False
        self.on_data = on_data
        self.on_end = on_end
        loop.add_reader(self._fd, self._readable)

    def ask_quick_ack(self) -> None:
        """Acknowledge every segment at once; Sendmail's writes wait for it (protocol §8)."""
        if self._quick_ack or not hasattr(socket, "TCP_QUICKACK"):
            return
        if self._sock.family != socket.AF_UNIX:
            self._quick_ack = True
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    @property
    def open(self) -> bool:
        """Whether writing makes sense."""
        return not self._closing

    @property
    def unsent(self) -> int:
        """Bytes that the peer has not taken yet."""
        return len(self._out)

    def write(self, data: bytes) -> None:
        """Send now what the socket takes, and the rest when it can."""
        if self._closing or not data:
            return
        if self._out:
            self._out += data
            return
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._end(error.strerror or str(error))
            return
        if sent < len(data):
            self._out += data[sent:]
            self._loop.add_writer(self._fd, self._writable)

    def pause(self) -> None:
        """Take no more data until ``resume``."""
        if not self._paused and not self._closing:
            self._paused = True
            self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        """Take data again."""
        if self._paused and not self._closing:
            self._paused = False
            self._loop.add_reader(self._fd, self._readable)

    def close(self) -> None:
        """Close; what is still unsent gets one more chance, then goes with the socket."""
        if self._closing:
            return
        self._closing = True
        self._loop.remove_reader(self._fd)
        if self._out:
            self._loop.remove_writer(self._fd)
            with contextlib.suppress(OSError):
                self._sock.send(self._out)
        self._sock.close()

    def _readable(self) -> None:
        try:
            count = self._sock.recv_into(_BUFFER)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error.strerror or str(error))
            return
        if not count:
            self._end("closed")
            return
        if self._quick_ack:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.on_data(bytes(_VIEW[:count]))

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self._out)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error.strerror or str(error))
            return
        del self._out[:sent]
        if not self._out:
            self._loop.remove_writer(self._fd)

    def _end(self, reason: str) -> None:
        if not self._closing:
            if self._out:
                self._loop.remove_writer(self._fd)
                self._out.clear()
            self.close()
            self.on_end(reason)


def new_socket(family: int) -> socket.socket:
    """Return a non-blocking stream socket; TCP without Nagle's delay."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock

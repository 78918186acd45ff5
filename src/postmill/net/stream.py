"""A non-blocking stream socket, with as few system calls and objects as possible.

No asyncio transport: a session opens a link to every child, and creating a transport takes a task each.
Data is handed on synchronously from the readiness callback.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from postmill.net.poller import READ, WRITE, Poller

_READ = 65536
"""Bytes for each read: for more the allocator would go to the system every time."""


class Stream:
    """One connected socket: ``on_data(bytes)`` for what comes, ``on_end(reason)`` once when it is over."""

    __slots__ = (
        "_fd",
        "_out",
        "_paused",
        "_poller",
        "_quick_ack",
        "_sock",
        "because",
        "on_data",
        "on_end",
        "open",
    )

    def __init__(
        self,
        poller: Poller,
        sock: socket.socket,
        on_data: Callable[[bytes], None],
        on_end: Callable[[str], None],
    ) -> None:
        """Begin to read from ``sock``, which must be connected and non-blocking."""
        self._poller = poller
        self._sock = sock
        self._fd = sock.fileno()
        self._out: bytearray | None = None
        """What the peer has not taken yet; None when there is nothing."""
        self._paused = False
        self._quick_ack = False
        self.because = ""
        self.open = True
        self.on_data = on_data
        self.on_end = on_end
        poller.watch(self._fd, READ, self._ready)

    def ask_quick_ack(self) -> None:
        """Acknowledge every segment at once; Sendmail's writes wait for it (protocol §8)."""
        if self._quick_ack or not self.open or not hasattr(socket, "TCP_QUICKACK"):
            return
        if self._sock.family != socket.AF_UNIX:
            self._quick_ack = True
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def write(self, data: bytes) -> None:
        """Send now what the socket takes, and the rest when it can."""
        if not self.open or not data:
            return
        if self._out is not None:
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
            self._out = bytearray(data[sent:])
            self._wait()

    def pause(self) -> None:
        """Take no more data until ``resume``."""
        if not self._paused and self.open:
            self._paused = True
            self._wait()

    def resume(self) -> None:
        """Take data again."""
        if self._paused and self.open:
            self._paused = False
            self._wait()

    def close(self, farewell: bytes = b"") -> None:
        """Close; what is still unsent gets one more chance, then goes with the socket."""
        self.write(farewell)
        if not self.open:
            return
        self.open = False
        self.on_data = self.on_end = _ignore  # the owner holds us: no cycle is left behind
        self._poller.forget(self._fd)
        if self._out is not None:
            with contextlib.suppress(OSError):
                self._sock.send(self._out)
        self._sock.close()

    def _wait(self) -> None:
        self._poller.change(self._fd, (0 if self._paused else READ) | (0 if self._out is None else WRITE))

    def _ready(self, events: int) -> None:
        if events & WRITE and self._out is not None:
            self._writable()
        if events == WRITE or not self.open:
            return
        try:
            data = self._sock.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error.strerror or str(error))
            return
        if not data:
            self._end("closed")
            return
        if self._quick_ack:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.on_data(data)

    def _writable(self) -> None:
        assert self._out is not None
        try:
            sent = self._sock.send(self._out)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error.strerror or str(error))
            return
        del self._out[:sent]
        if not self._out:
            self._out = None
            self._wait()

    def _end(self, reason: str) -> None:
        if self.open:
            self._out = None
            on_end = self.on_end
            self.close()
            on_end(reason)


def _ignore(_: object) -> None:
    """Nobody listens any more."""


def new_socket(family: int) -> socket.socket:
    """Return a non-blocking stream socket; TCP without Nagle's delay."""
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock

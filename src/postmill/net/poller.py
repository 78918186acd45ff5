"""Readiness of many sockets for the price of one on the event loop.

``loop.add_reader`` of uvloop costs seven system calls for every socket that comes and goes. Here all sockets
are in one epoll set of our own, which alone is registered with the loop; one comes in with a single call
and leaves by being closed.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
_AT_ONCE = 256


class Poller:
    """Calls back with the ready events of each registered file descriptor."""

    __slots__ = ("_callbacks", "_epoll", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hang into ``loop``."""
        self._loop = loop
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        loop.add_reader(self._epoll.fileno(), self._ready)

    def register(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call ``callback(events)`` whenever ``fd`` is ready for one of ``events``, or in trouble."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, events)

    def modify(self, fd: int, events: int) -> None:
        """Wait for other events; 0 waits for trouble only."""
        self._epoll.modify(fd, events)

    def unregister(self, fd: int) -> None:
        """Wait for ``fd`` no more, which stays open."""
        del self._callbacks[fd]
        self._epoll.unregister(fd)

    def forget(self, fd: int) -> None:
        """Take note that ``fd`` is about to be closed, which takes it out of the set as well."""
        self._callbacks.pop(fd, None)

    def close(self) -> None:
        """Leave the loop."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _ready(self) -> None:
        callbacks = self._callbacks
        for fd, events in self._epoll.poll(0, _AT_ONCE):
            callback = callbacks.get(fd)
            if callback is not None:  # else another callback of this round closed it
                callback(events)

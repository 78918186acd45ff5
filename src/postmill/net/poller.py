"""The event loop: asyncio's own, on top of a selector that serves the sockets of milters by itself.

What is watched here is called back from within ``select``, which hands over to asyncio only when asyncio has
something to do: a timer is due, a callback was scheduled, a descriptor of asyncio's own is ready. So a packet
costs one ``epoll_wait`` and one call. With uvloop, and an epoll set of ours hung into its own, it was two of
each, and a new connection woke every worker: EPOLLEXCLUSIVE holds only for the set that is waited on.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context
from functools import partial
from selectors import BaseSelector, EpollSelector, SelectorKey
from time import monotonic
from typing import Any, TypeVar, TypeVarTuple

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
ACCEPT = select.EPOLLIN | select.EPOLLEXCLUSIVE
"""For a listening socket: one of the processes that wait for it is woken, not all of them."""
_AT_ONCE = 256
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Poller(BaseSelector):
    """Calls back with the ready events of each watched file descriptor; the rest is for asyncio."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], object]] = {}
        self._of_asyncio = EpollSelector()
        self._epoll.register(self._of_asyncio.fileno(), READ)
        self._until: float | None = None
        """When asyncio wants its next turn whatever happens, by the monotonic clock; None: it does not."""
        self.stirred = False
        """Whether asyncio was given something to do, so that it must have its turn."""

    # -- for sockets ----------------------------------------------------------------------------------

    def watch(self, fd: int, events: int, callback: Callable[[int], object]) -> None:
        """Call ``callback(events)`` whenever ``fd`` is ready for one of ``events``, or in trouble."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Wait for other events; 0 waits for trouble only."""
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        """Wait for ``fd`` no more, which stays open."""
        del self._callbacks[fd]
        self._epoll.unregister(fd)

    def forget(self, fd: int) -> None:
        """Take note that ``fd`` is about to be closed, which takes it out of the set as well."""
        self._callbacks.pop(fd, None)

    # -- for asyncio ----------------------------------------------------------------------------------

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Serve sockets until asyncio has something to do, or for ``timeout`` seconds."""
        until = self._until = None if timeout is None else monotonic() + timeout
        self.stirred = False
        while True:
            if self._serve(timeout):
                return self._of_asyncio.select(0)
            if until is not None:
                timeout = until - monotonic()
            if self.stirred or (timeout is not None and timeout <= 0):
                return []

    def timer(self, when: float) -> None:
        """Take note of a new timer: one that is due before all others shortens the wait."""
        if self._until is None or when < self._until:
            self.stirred = True

    def _serve(self, timeout: float | None) -> bool:
        """Wait once, call back, and tell whether a descriptor of asyncio is ready."""
        callbacks = self._callbacks
        for_asyncio = False
        for fd, events in self._epoll.poll(timeout, _AT_ONCE):
            callback = callbacks.get(fd)
            if callback is not None:
                callback(events)
            elif fd == self._of_asyncio.fileno():
                for_asyncio = True
            # else another callback of this round closed it
        return for_asyncio

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        """Watch something for asyncio."""
        return self._of_asyncio.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> SelectorKey:
        """Watch it no more."""
        return self._of_asyncio.unregister(fileobj)

    def get_map(self) -> Mapping[Any, SelectorKey]:
        """Return what asyncio watches."""
        return self._of_asyncio.get_map()

    def close(self) -> None:
        """Give the descriptors back."""
        self._of_asyncio.close()
        self._epoll.close()


class Loop(asyncio.SelectorEventLoop):
    """An event loop with a ``Poller``, which it interrupts when it has something to do itself."""

    def __init__(self) -> None:
        """Be ready to run."""
        self.poller = Poller()
        self._first: list[Callable[[], object]] | None = None
        super().__init__(self.poller)
        self._unused = asyncio.Handle(partial(int), (), self)

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task and run it until it waits for something, or is done.

        It is what ``eager_start`` does, which asyncio has since Python 3.12: the next turn of the event loop
        is a system call, and most of what is begun here waits for nothing. Within another task that cannot
        be, and it begins in the next turn.
        """
        if asyncio.current_task(self) is not None:
            return self.create_task(work)
        return self._at_once(asyncio.Task[None], work)

    def _at_once(self, act: Callable[[*Ts], T], *args: *Ts) -> T:
        """Do something, and then what it schedules for the next turn of the event loop, in this one."""
        first = self._first = []
        try:
            done = act(*args)
        finally:
            self._first = None
        for step in first:
            step()
        return done

    async def sock_recv(self, sock: socket.socket, nbytes: int) -> bytes:
        """Receive, as asyncio does, without a turn of the event loop in between."""
        while True:
            try:
                return sock.recv(nbytes)
            except (BlockingIOError, InterruptedError):
                await self._until_readable(sock.fileno())

    async def _until_readable(self, fd: int) -> None:
        """Wait until there is something to read; whoever waits goes on within the poller's callback."""
        future: asyncio.Future[None] = self.create_future()

        def there(_events: int) -> None:
            if not future.done():
                self._at_once(future.set_result, None)

        self.poller.watch(fd, READ, there)
        try:
            await future
        finally:
            self.poller.unwatch(fd)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a callback for the next round."""
        if self._first is not None:
            assert context is not None  # tasks and futures give one
            self._first.append(partial(context.run, callback, *args))
            return self._unused  # which nobody looks at
        self.poller.stirred = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule a callback for a time; the time until the next one may be shorter now."""
        self.poller.timer(when)
        return super().call_at(when, callback, *args, context=context)

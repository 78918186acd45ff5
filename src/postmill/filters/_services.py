"""A network service with several addresses: one that did not answer is asked last for a while."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from time import monotonic
from typing import Any, TypeVar

from postmill.api import Endpoint

T = TypeVar("T")
Exchange = Callable[["Wire"], Awaitable[T]]

_SHUNNED_FOR = 30.0
"""Seconds for which an address that failed goes to the end of the row."""

_NEVER = float("-inf")
_MOMENT = 1.0
"""Seconds after which an address has failed that had not answered when the message was given up.

Nobody can shut a service out by giving up: all that comes of it is that another address is asked first.
"""

_TRY_AGAIN = 0.02
"""Seconds between two tries of a socket whose backlog is full."""


class RefusedError(OSError):
    """The service answered that it will not do this: it is well, and another try or server would not help."""


class Service:
    """The addresses of one service, for one milter in one process."""

    def __init__(
        self, name: str, addresses: Sequence[Endpoint], connect_timeout: float, timeout: float
    ) -> None:
        """Know the service by ``name``; time-outs are in seconds, the second for a whole exchange."""
        self._name = name
        self._addresses = tuple(addresses)
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._failed: dict[Endpoint, float] = {}
        self._down_since = self._last_down = _NEVER

    def longest(self, patience: float) -> float:
        """Return after how many seconds ``ask`` is over if no address answers."""
        return patience + len(self._addresses) * (self._connect_timeout + self._timeout)

    async def ask(self, exchange: Exchange[T], patience: float = 0.0) -> T:
        """Carry out an exchange with the first address that can do it.

        Where none can, all are tried again for ``patience`` seconds: a service that is being restarted is
        back soon. One that has been down for longer is tried once. Raises OSError with what each had to say.
        """
        began = monotonic()
        pause = 0.05
        while True:
            try:
                return await self._ask_each(exchange)
            except RefusedError:
                raise
            except OSError:
                if max(monotonic() - began, self._down_for()) + pause > patience:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def _ask_each(self, exchange: Exchange[T]) -> T:
        problems = []
        for address in self._row():
            asked = monotonic()
            try:
                answer = await self._ask_one(address, exchange)
            except RefusedError:
                raise
            except asyncio.CancelledError:  # the time of the filter is over before ours
                if monotonic() - asked > _MOMENT:
                    self._failed[address] = monotonic()
                raise
            except OSError as error:
                self._failed[address] = monotonic()
                problems.append(f"{address}: {error.strerror or error or type(error).__name__}")
            else:
                self._failed.pop(address, None)
                self._last_down = _NEVER
                return answer
        raise OSError(f"{self._name} cannot be asked: {'; '.join(problems)}")

    def _down_for(self) -> float:
        """Note that no address could do it; return for how many seconds that has been so."""
        now = monotonic()
        if now - self._last_down >= _SHUNNED_FOR:
            self._down_since = now
        self._last_down = now
        return now - self._down_since

    def _row(self) -> list[Endpoint]:
        now = monotonic()
        return sorted(
            self._addresses, key=lambda address: now - self._failed.get(address, _NEVER) < _SHUNNED_FOR
        )

    async def _ask_one(self, address: Endpoint, exchange: Exchange[T]) -> T:
        wire = await Wire.connect(address, self._connect_timeout)
        try:
            async with asyncio.timeout(self._timeout):
                return await exchange(wire)
        except TimeoutError:
            raise OSError(f"no answer within {self._timeout:g} s") from None
        except (EOFError, ValueError) as error:
            raise OSError(f"an answer that is none: {error}") from error
        finally:
            wire.close()


class Wire:
    """One connection: a socket that is asked first and waited for only if need be.

    Scanners answer one question a connection, so streams with their buffers and callbacks would cost more
    than what they carry.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Take a connected, non-blocking socket."""
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, address: Endpoint, within: float) -> Wire:
        """Connect in so many seconds; raises OSError."""
        local = address.kind == "unix"
        if local:
            with suppress(BlockingIOError):  # its backlog is full
                return cls._local(address.path)
        try:
            async with asyncio.timeout(within):
                return await (cls._patient(address.path) if local else cls._resolved(address))
        except TimeoutError:
            raise OSError(f"no connection within {within:g} s") from None

    @classmethod
    def _local(cls, path: str) -> Wire:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            sock.connect(path)
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    @classmethod
    async def _patient(cls, path: str) -> Wire:
        """Try until the service has taken others in: the system does not tell when."""
        while True:
            await asyncio.sleep(_TRY_AGAIN)
            with suppress(BlockingIOError):
                return cls._local(path)

    @classmethod
    async def _resolved(cls, address: Endpoint) -> Wire:
        host = address.host or ("::1" if address.kind == "inet6" else "127.0.0.1")
        with suppress(ValueError):  # an address needs no name server, and no thread to ask it
            family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
            return await cls._to(family, (host, address.port))
        found = await asyncio.get_running_loop().getaddrinfo(host, address.port, type=socket.SOCK_STREAM)
        for family, *_, where in found[:-1]:
            with suppress(OSError):
                return await cls._to(family, where)
        return await cls._to(found[-1][0], found[-1][4])

    @classmethod
    async def _to(cls, family: int, where: Any) -> Wire:
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await asyncio.get_running_loop().sock_connect(sock, where)
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            await self._loop.sock_sendall(self._sock, memoryview(data)[sent:])

    @property
    def passes_files(self) -> bool:
        """Whether it is a unix socket, through which an open file can be passed."""
        return self._sock.family == socket.AF_UNIX

    def pass_file(self, descriptor: int) -> None:
        """Send a byte and with it an open file, which may be closed then; not much may be on the way."""
        socket.send_fds(self._sock, [b"\0"], [descriptor])

    def end(self) -> None:
        """Say that nothing more will be sent."""
        with suppress(OSError):  # it is gone already, and may have said why
            self._sock.shutdown(socket.SHUT_WR)

    async def receive(self, until: bytes = b"", most: int = 1 << 24) -> bytes:
        """Return what comes up to the end of the connection, or to the first ``until``.

        Raises EOFError when it does not come, ValueError for more than ``most`` bytes.
        """
        data = b""
        while not (until and until in data):
            piece = await self._loop.sock_recv(self._sock, 1 << 18)
            if not piece:
                if until:
                    raise EOFError(f"the connection ended after {len(data)} bytes")
                return data
            data += piece
            if len(data) > most:
                raise ValueError(f"more than {most} bytes")
        return data

    def close(self) -> None:
        """End the connection."""
        self._sock.close()

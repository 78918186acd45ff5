"""A network service with several addresses: one that did not answer is asked last for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import TypeVar

from postmill.api import Endpoint

T = TypeVar("T")
Exchange = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[T]]

_SHUNNED_FOR = 30.0
"""Seconds for which an address that failed goes to the end of the row."""


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

    async def ask(self, exchange: Exchange[T], patience: float = 0.0) -> T:
        """Carry out an exchange with the first address that can do it.

        Where none can, all are tried again until ``patience`` seconds are over: a service that is being
        restarted is back soon. Raises OSError with what each of them had to say.
        """
        end = monotonic() + patience
        pause = 0.05
        while True:
            try:
                return await self._ask_each(exchange)
            except OSError:
                if monotonic() + pause > end:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def _ask_each(self, exchange: Exchange[T]) -> T:
        problems = []
        for address in self._row():
            try:
                answer = await self._ask_one(address, exchange)
            except OSError as error:
                self._failed[address] = monotonic()
                problems.append(f"{address}: {error.strerror or error or type(error).__name__}")
            else:
                self._failed.pop(address, None)
                return answer
        raise OSError(f"{self._name} cannot be asked: {'; '.join(problems)}")

    def _row(self) -> list[Endpoint]:
        now = monotonic()
        return sorted(
            self._addresses, key=lambda address: now - self._failed.get(address, -_SHUNNED_FOR) < _SHUNNED_FOR
        )

    async def _ask_one(self, address: Endpoint, exchange: Exchange[T]) -> T:
        try:
            async with asyncio.timeout(self._connect_timeout):
                reader, writer = await _connect(address)
        except TimeoutError:
            raise OSError(f"no connection within {self._connect_timeout:g} s") from None
        try:
            async with asyncio.timeout(self._timeout):
                return await exchange(reader, writer)
        except TimeoutError:
            raise OSError(f"no answer within {self._timeout:g} s") from None
        except (EOFError, ValueError) as error:
            raise OSError(f"an answer that is none: {error}") from error
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _connect(address: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.kind == "unix":
        return await asyncio.open_unix_connection(address.path)
    host = address.host or ("::1" if address.kind == "inet6" else "127.0.0.1")
    return await asyncio.open_connection(host, address.port)

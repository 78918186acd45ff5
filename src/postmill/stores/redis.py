"""``redis://host:6379/0``, ``redis+unix:/path``, ``rediss://``: a Redis or Valkey server, for several hosts.

What has to be atomic is a script that the server runs (EVAL); time is the server's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis.asyncio
from redis.exceptions import RedisError

from postmill.api.urls import without_password

T = TypeVar("T")

_PREFIX = "postmill:v:"
_COUNTER = "postmill:n:"
_WITHIN = 3.0
"""Seconds for a connection, and for each answer."""
_CONNECTIONS = 8
_SWAP = """
local now = redis.call('GET', KEYS[1])
if ARGV[1] == '0' then
  if now then return 0 end
elseif now ~= ARGV[2] then
  return 0
end
if ARGV[3] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
end
return 1
"""
_PUT_NEW = """
local now = redis.call('GET', KEYS[1])
if not now then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return now
"""
_ADD = """
redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
"""
"""The sum as text: a number of Lua has 53 bits."""


def from_url(url: str) -> RedisStore:
    """Return the store of a server; raises ValueError for what is no URL of one."""
    parts = urlsplit(url)
    if parts.scheme == "redis+unix":
        return RedisStore(f"unix://{parts.netloc}{parts.path}{'?' + parts.query if parts.query else ''}")
    return RedisStore(url.replace("valkey:", "redis:", 1))


class RedisStore:
    """See ``postmill.api.Store``."""

    def __init__(self, url: str) -> None:
        """Keep state on this server."""
        self._url = url
        self._client: redis.asyncio.Redis | None = None
        self._pool: redis.asyncio.ConnectionPool | None = None
        self._turn: asyncio.Semaphore | None = None
        try:  # a URL that is none, or with options that there are not, is told now; nothing is opened
            pool: Any = redis.asyncio.ConnectionPool.from_url(url)
            pool.make_connection()
        except TypeError as error:
            raise ValueError(f"no URL of Redis: {error}") from error

    async def get(self, key: str) -> bytes | None:
        """See ``Store``."""
        value = await self._do(lambda: self._server.get(_PREFIX + key))
        return None if value is None else bytes(value)

    async def put(self, key: str, value: bytes, lives: float) -> None:
        """See ``Store``."""
        await self._do(lambda: self._server.set(_PREFIX + key, value, px=_ms(lives)))

    async def put_many(self, entries: Mapping[str, tuple[bytes, float]]) -> None:
        """See ``Store``."""
        pipeline = self._server.pipeline(transaction=True)
        for key, (value, lives) in entries.items():
            pipeline.set(_PREFIX + key, value, px=_ms(lives))
        await self._do(pipeline.execute)

    async def put_new(self, key: str, value: bytes, lives: float) -> bytes | None:
        """See ``Store``."""
        known = await self._do(lambda: self._server.eval(_PUT_NEW, 1, _PREFIX + key, value, _ms(lives)))
        return None if known is None else bytes(known)

    async def swap(self, key: str, before: bytes | None, after: bytes | None, lives: float) -> bool:
        """See ``Store``."""
        arguments = (int(before is not None), before or b"", int(after is not None), after or b"", _ms(lives))
        return bool(await self._do(lambda: self._server.eval(_SWAP, 1, _PREFIX + key, *arguments)))

    async def add(self, key: str, amount: int, lives: float) -> int:
        """See ``Store``."""
        return int(await self._do(lambda: self._server.eval(_ADD, 1, _COUNTER + key, amount, _ms(lives))))

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """See ``Store``."""
        pattern = "".join(f"\\{one}" if one in "*?[]\\^-" else one for one in _PREFIX + prefix) + "*"
        cursor, seen = 0, set[bytes]()
        while True:
            cursor, keys = await self._do(partial(self._server.scan, cursor, pattern, count=500))
            new = [key for key in keys if key not in seen]
            seen.update(new)
            values = await self._do(partial(self._server.mget, new)) if new else []
            for key, value in zip(new, values, strict=True):
                if value is not None:
                    yield key.decode().removeprefix(_PREFIX), bytes(value)
            if not cursor:
                return

    async def close(self) -> None:
        """Close the connections."""
        pool, self._pool, self._client = self._pool, None, None
        if pool is not None:
            await pool.disconnect()

    @property
    def _server(self) -> Any:
        if self._client is None:
            pool = redis.asyncio.ConnectionPool.from_url(
                self._url, socket_connect_timeout=_WITHIN, socket_timeout=_WITHIN
            )
            self._pool = pool
            self._client = redis.asyncio.Redis(connection_pool=pool)
        return self._client

    async def _do(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do some work when it is its turn. A pool that blocks would let those wait for ever who wait."""
        if self._turn is None:
            self._turn = asyncio.Semaphore(_CONNECTIONS)
        try:
            async with asyncio.timeout(_WITHIN):
                await self._turn.acquire()
        except TimeoutError:
            raise OSError(f"Redis: no connection was free within {_WITHIN:g} s") from None
        try:
            return await work()
        except RedisError as error:
            raise OSError(f"Redis: {without_password(str(error), self._url)}") from None
        except AttributeError as error:
            # redis-py 4.3 trips over a time-out at a unix socket, after hanging up
            raise OSError("Redis did not answer") from error
        finally:
            self._turn.release()


def _ms(seconds: float) -> int:
    return max(int(seconds * 1000), 1)

"""``postgresql://user@host/db``: a table on a PostgreSQL server, for several mail hosts.

The tables are made at first use. Time is the server's, and each method is one transaction.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import psycopg

from postmill.api.urls import without_password

T = TypeVar("T")
Work = Callable[[psycopg.AsyncConnection[Any]], Awaitable[T]]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS postmill_entries (
  key text COLLATE "C" PRIMARY KEY, value bytea NOT NULL, until timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS postmill_entries_until ON postmill_entries (until);
CREATE TABLE IF NOT EXISTS postmill_counters (
  key text COLLATE "C" PRIMARY KEY, sum bigint NOT NULL, until timestamptz NOT NULL
);
"""
_IS_MADE = (
    "SELECT to_regclass('postmill_entries') IS NOT NULL AND to_regclass('postmill_counters') IS NOT NULL"
)
"""Who may use tables that somebody else made need not be allowed to make any."""
_LOCK = "SELECT pg_advisory_xact_lock(7065793)"
"""Two hosts that make the tables at the same time would trip over each other."""
_UNTIL = "clock_timestamp() + make_interval(secs => %(lives)s)"
_PUT = (
    f"INSERT INTO postmill_entries VALUES (%(key)s, %(value)s, {_UNTIL}) "  # noqa: S608
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until"
)
_MAKE = _PUT + " WHERE postmill_entries.until <= clock_timestamp()"
_PUT_NEW = f"""
WITH known AS (
  SELECT value FROM postmill_entries WHERE key = %(key)s AND until > clock_timestamp()
), made AS (
  INSERT INTO postmill_entries
  SELECT %(key)s, %(value)s::bytea, {_UNTIL} WHERE NOT EXISTS (SELECT 1 FROM known)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until
  WHERE postmill_entries.until <= clock_timestamp() RETURNING 1
) SELECT (SELECT value FROM known), EXISTS (SELECT 1 FROM made)
"""  # noqa: S608
"""A key that is known is only read: to lock its row would write, and wait for the disk.

Neither known nor made is one that somebody else made in this moment, whom the statement does not see yet.
"""
_CHANGE = (
    f"UPDATE postmill_entries SET value = %(value)s, until = {_UNTIL} "  # noqa: S608
    "WHERE key = %(key)s AND value = %(before)s AND until > clock_timestamp()"
)
_REMOVE = (
    "DELETE FROM postmill_entries WHERE key = %(key)s AND value = %(before)s AND until > clock_timestamp()"
)
_ADD = (
    f"INSERT INTO postmill_counters AS c VALUES (%(key)s, %(amount)s, {_UNTIL}) "  # noqa: S608
    "ON CONFLICT (key) DO UPDATE SET sum = CASE WHEN c.until > clock_timestamp() THEN c.sum + excluded.sum "
    "ELSE excluded.sum END, "
    "until = CASE WHEN c.until > clock_timestamp() THEN c.until ELSE excluded.until END RETURNING sum"
)
_SWEEP = (
    "DELETE FROM postmill_entries WHERE key IN (SELECT key FROM postmill_entries "
    "WHERE until <= clock_timestamp() LIMIT 2000 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM postmill_counters WHERE key IN (SELECT key FROM postmill_counters "
    "WHERE until <= clock_timestamp() LIMIT 2000 FOR UPDATE SKIP LOCKED)",
)
_PAGE_QUERY = (
    "SELECT key, value FROM postmill_entries WHERE starts_with(key, %s) AND key > %s "
    "AND until > clock_timestamp() ORDER BY key LIMIT 500"
)
_WITHIN = 5.0
"""Seconds for a connection, and for each method."""
_CONNECTIONS = 4
_SWEEP_AFTER = 1000
"""Changes between two looks for what is over; fewer than what one removes, so that it keeps up."""


def from_url(url: str) -> PostgresqlStore:
    """Return the store of a database; raises ValueError for what is no URL of one."""
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error as error:
        raise ValueError(f"no URL of PostgreSQL: {error}") from error
    return PostgresqlStore(url)


class PostgresqlStore:
    """See ``postmill.api.Store``."""

    def __init__(self, url: str) -> None:
        """Keep state in this database."""
        self._url = url
        self._idle: list[psycopg.AsyncConnection[Any]] = []
        self._turn: asyncio.Semaphore | None = None
        self._made = False
        self._changes = _SWEEP_AFTER  # a process that lives for few changes does its part, too
        self._abandoned: set[asyncio.Future[Any]] = set()

    async def get(self, key: str) -> bytes | None:
        """See ``Store``."""

        async def work(db: psycopg.AsyncConnection[Any]) -> bytes | None:
            query = "SELECT value FROM postmill_entries WHERE key = %s AND until > clock_timestamp()"
            row = await (await db.execute(query, (key,))).fetchone()
            return None if row is None else bytes(row[0])

        return await self._do(work)

    async def put(self, key: str, value: bytes, lives: float) -> None:
        """See ``Store``."""
        await self.put_many({key: (value, lives)})

    async def put_many(self, entries: Mapping[str, tuple[bytes, float]]) -> None:
        """See ``Store``."""
        rows = [
            {"key": key, "value": value, "lives": lives} for key, (value, lives) in sorted(entries.items())
        ]

        async def work(db: psycopg.AsyncConnection[Any]) -> None:
            async with db.cursor() as cursor:
                await cursor.executemany(_PUT, rows)

        await self._do(work, changes=len(rows), statements=len(rows))

    async def put_new(self, key: str, value: bytes, lives: float) -> bytes | None:
        """See ``Store``."""
        values = {"key": key, "value": value, "lives": lives}

        async def work(db: psycopg.AsyncConnection[Any]) -> bytes | None:
            while True:
                row = await (await db.execute(_PUT_NEW, values)).fetchone()
                assert row is not None
                if row[0] is not None or row[1]:
                    return None if row[0] is None else bytes(row[0])

        return await self._do(work, changes=1)

    async def swap(self, key: str, before: bytes | None, after: bytes | None, lives: float) -> bool:
        """See ``Store``."""
        values = {"key": key, "before": before, "value": after, "lives": lives}

        async def work(db: psycopg.AsyncConnection[Any]) -> bool:
            if before is None and after is None:
                query = "SELECT 1 FROM postmill_entries WHERE key = %(key)s AND until > clock_timestamp()"
                return (await (await db.execute(query, values)).fetchone()) is None
            query = _MAKE if before is None else _REMOVE if after is None else _CHANGE
            return (await db.execute(query, values)).rowcount == 1

        return await self._do(work, changes=1)

    async def add(self, key: str, amount: int, lives: float) -> int:
        """See ``Store``."""

        async def work(db: psycopg.AsyncConnection[Any]) -> int:
            row = await (await db.execute(_ADD, {"key": key, "amount": amount, "lives": lives})).fetchone()
            assert row is not None
            return int(row[0])

        return await self._do(work, changes=1)

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """See ``Store``."""
        after = ""
        while True:

            async def work(db: psycopg.AsyncConnection[Any], after: str = after) -> list[tuple[str, bytes]]:
                return await (await db.execute(_PAGE_QUERY, (prefix, after))).fetchall()

            rows = await self._do(work)
            for key, value in rows:
                yield key, bytes(value)
            if len(rows) < 500:
                return
            after = rows[-1][0]

    async def close(self) -> None:
        """Close the connections."""
        while self._idle:
            await self._idle.pop().close()

    async def _do(self, work: Work[T], changes: int = 0, *, statements: int = 1) -> T:
        """Do some work in one transaction; raises OSError when that fails or takes too long.

        Nothing is tried twice: whether a transaction whose answer was lost has happened, nobody knows.
        """
        task = asyncio.ensure_future(self._in_turn(work, changes, statements))
        try:
            done, _ = await asyncio.wait({task}, timeout=_WITHIN)
        except asyncio.CancelledError:
            self._abandon(task)
            raise
        if not done:
            self._abandon(task)
            raise OSError(f"PostgreSQL did not answer within {_WITHIN:g} s")
        try:
            return task.result()
        except psycopg.Error as error:
            words = without_password(" ".join(str(error).split()), self._url)
            raise OSError(f"PostgreSQL: {words or type(error).__name__}") from None

    def _abandon(self, task: asyncio.Future[Any]) -> None:
        """Give work up without waiting for it: to be told so may take a hanging server its time."""
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Future[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()

    async def _in_turn(self, work: Work[T], changes: int, statements: int) -> T:
        if self._turn is None:
            self._turn = asyncio.Semaphore(_CONNECTIONS)
        async with self._turn:
            db = await self._connection()
            try:
                if statements == 1:  # is a transaction by itself, and one round trip instead of three
                    result = await work(db)
                else:
                    async with db.transaction():
                        result = await work(db)
            except BaseException:
                await _close(db)
                raise
            await self._sweep(db, changes)
            return result

    async def _connection(self) -> psycopg.AsyncConnection[Any]:
        """Return an idle connection that is alive, or a new one."""
        while self._idle:
            db = self._idle.pop()
            # an idle server says nothing, unless it says goodbye
            if not db.closed and not _has_something(db.fileno()):
                return db
            await _close(db)
        return await self._connect()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        db = await psycopg.AsyncConnection.connect(self._url, autocommit=True, client_encoding="utf8")
        try:
            if not self._made:
                await self._make(db)
                self._made = True
        except BaseException:
            await _close(db)
            raise
        return db

    async def _make(self, db: psycopg.AsyncConnection[Any]) -> None:
        async with db.transaction():
            row = await (await db.execute(_IS_MADE)).fetchone()
            if row is None or not row[0]:
                await db.execute(_LOCK)
                await db.execute(_SCHEMA)

    async def _sweep(self, db: psycopg.AsyncConnection[Any], changes: int) -> None:
        """Keep the connection, and now and then remove what is over; what fails here has no consequence."""
        self._changes += changes
        if changes and self._changes >= _SWEEP_AFTER:
            self._changes = 0
            try:
                for query in _SWEEP:
                    await db.execute(query)
            except psycopg.Error:
                await _close(db)
                return
        self._idle.append(db)


async def _close(db: psycopg.AsyncConnection[Any]) -> None:
    with suppress(psycopg.Error):
        await db.close()


def _has_something(descriptor: int) -> bool:
    """Tell whether there is something to read; unlike select(2), poll(2) takes descriptors beyond 1,023."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(0))

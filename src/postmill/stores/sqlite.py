"""``sqlite:/path``: a file on this machine, for all its processes.

What one statement can do is done at once, on the event loop, unless another process is just writing: it is a
read of one page or a write to the log that SQLite keeps beside the file (WAL), without waiting for the disk,
and to hand it to a thread costs several times as much CPU. The rest, and what has to wait, does one thread
for each process. It is the store for a single mail host.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from postmill.stores import counted

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
  key TEXT PRIMARY KEY, value BLOB NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (
  key TEXT PRIMARY KEY, sum INTEGER NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
"""
_PUT = (
    "INSERT INTO entries VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until"
)
_MAKE = f"{_PUT} WHERE entries.until <= ?"
"""Make an entry, unless there is one."""
_REPLACE = "UPDATE entries SET value = ?, until = ? WHERE key = ? AND value = ? AND until > ?"
_REMOVE = "DELETE FROM entries WHERE key = ? AND value = ? AND until > ?"
_FIRST_PAGE = "SELECT key, value FROM entries WHERE key >= ? AND key < ? AND until > ? ORDER BY key LIMIT ?"
_NEXT_PAGE = _FIRST_PAGE.replace(">=", ">")
_PATIENCE = 5.0
"""Seconds to wait for another process that writes."""
_SWEEP_EVERY, _SWEEP_AFTER, _SWEEP_MOST = 60.0, 1000, 5000
"""Seconds, or changes, between two looks for what is over; and at how many entries one looks.

It goes through them key by key: an index by time would make each new entry half as dear again.
"""
_PAGE = 500
_REMEMBERED = 4096
"""How many keys are remembered to be there: who asks whether one is new reads those first."""


def from_url(url: str) -> SqliteStore:
    """Return the store in the file of ``sqlite:/path``; raises ValueError when there is no path in it."""
    parts = urlsplit(url)
    if not parts.path.startswith("/") or parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{url!r} has no absolute path: write sqlite:/path/to/file")
    return SqliteStore(parts.path)


class SqliteStore:
    """See ``postmill.api.Store``."""

    def __init__(self, path: str) -> None:
        """Keep state in this file."""
        self._path = path
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._here: sqlite3.Connection | None = None
        """For what is done at once, on the event loop."""
        self._swept = float("-inf")
        self._changes = 0
        self._swept_to = {"entries": "", "counters": ""}
        """In each table, the key behind which to go on looking."""
        self._there: set[int] = set()
        """Hashes of keys that turned out to be there. A wrong guess costs one statement more."""

    async def get(self, key: str) -> bytes | None:
        """See ``Store``."""
        return await self._statement(lambda db, now: _value(db, key, now), reads=True)

    async def put(self, key: str, value: bytes, lives: float) -> None:
        """See ``Store``."""

        def work(db: sqlite3.Connection, now: float) -> None:
            db.execute(_PUT, (key, value, now + lives))

        await self._statement(work)

    async def put_many(self, entries: Mapping[str, tuple[bytes, float]]) -> None:
        """See ``Store``."""

        def work(db: sqlite3.Connection, now: float) -> None:
            db.executemany(_PUT, [(key, value, now + lives) for key, (value, lives) in entries.items()])

        await self._do(work, changes=len(entries))

    async def put_new(self, key: str, value: bytes, lives: float) -> bytes | None:
        """See ``Store``. Mostly one statement: the value is put at once, or read if it was there before."""
        known = await self.get(key) if hash(key) in self._there else None
        while known is None:
            if await self.swap(key, None, value, lives):
                return None
            known = await self.get(key)
        if len(self._there) >= _REMEMBERED:
            self._there.clear()
        self._there.add(hash(key))
        return known

    async def swap(self, key: str, before: bytes | None, after: bytes | None, lives: float) -> bool:
        """See ``Store``."""

        def work(db: sqlite3.Connection, now: float) -> bool:
            if before is None and after is None:
                return _value(db, key, now) is None
            if before is None:
                done = db.execute(_MAKE, (key, after, now + lives, now))
            elif after is None:
                done = db.execute(_REMOVE, (key, before, now))
            else:
                done = db.execute(_REPLACE, (after, now + lives, key, before, now))
            return done.rowcount == 1

        return await self._statement(work)

    async def add(self, key: str, amount: int, lives: float) -> int:
        """See ``Store``."""

        def work(db: sqlite3.Connection, now: float) -> int:
            query = "SELECT sum, until FROM counters WHERE key = ? AND until > ?"
            so_far, until = db.execute(query, (key, now)).fetchone() or (0, now + lives)
            total = int(so_far) + amount
            db.execute("INSERT OR REPLACE INTO counters VALUES (?, ?, ?)", (key, counted(total), until))
            return total

        return await self._do(work)

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """See ``Store``."""
        query, after = _FIRST_PAGE, prefix
        while True:
            rows = await self._do(partial(_page, query, after, _behind(prefix)), reads=True)
            for key, value in rows:
                yield key, value
            if len(rows) < _PAGE:
                return
            query, after = _NEXT_PAGE, rows[-1][0]

    async def close(self) -> None:
        """Close the file."""
        self._close_here()
        if self._thread is None:
            return
        thread, self._thread = self._thread, None
        await asyncio.get_running_loop().run_in_executor(thread, self._close)
        thread.shutdown(wait=False)

    async def _statement(self, work: Callable[[sqlite3.Connection, float], T], *, reads: bool = False) -> T:
        """Carry out one statement, at once if that waits for nobody; raises OSError."""
        if self._here is not None:
            try:
                done = work(self._here, time.time())
            except (sqlite3.Error, OverflowError, UnicodeError) as error:
                if not _is_busy(error):
                    self._close_here()
                # the thread waits, or says what is wrong
            else:
                if not reads:
                    self._changed(1)
                return done
        done = await self._do(work, reads=reads)
        if self._here is None:
            self._open_here()
        return done

    async def _do(
        self, work: Callable[[sqlite3.Connection, float], T], *, reads: bool = False, changes: int = 1
    ) -> T:
        """Do some work in one transaction; raises OSError when that fails, or cannot begin in time."""
        job = partial(self._transact, work, time.monotonic() + _PATIENCE, reads)
        try:
            done = await self._in_thread(job)
        except OSError:
            self._close_here()  # the next one that works may open another file
            raise
        if not reads:
            self._changed(changes)
        return done

    def _in_thread(self, job: Callable[[], T]) -> asyncio.Future[T]:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "postmill-sqlite")
        return asyncio.get_running_loop().run_in_executor(self._thread, job)

    def _changed(self, changes: int) -> None:
        """Have the file tidied up now and then."""
        self._changes += changes
        now = time.monotonic()
        if self._changes >= _SWEEP_AFTER or now - self._swept >= _SWEEP_EVERY:
            self._swept, self._changes = now, 0
            tidying = self._in_thread(self._tidy)
            tidying.add_done_callback(
                lambda done: done.cancelled() or done.exception()
            )  # who asks next hears

    def _open_here(self) -> None:
        """Open the file, which the thread has set up; here nothing waits, for a lock or for the disk."""
        with suppress(sqlite3.Error):  # then the thread goes on doing everything
            self._here = sqlite3.connect(self._path, timeout=0, isolation_level=None)
            self._here.execute("PRAGMA synchronous = NORMAL")
            self._here.execute("PRAGMA wal_autocheckpoint = 0")

    def _close_here(self) -> None:
        db, self._here = self._here, None
        if db is not None:
            db.close()

    # in the thread

    def _transact(self, work: Callable[[sqlite3.Connection, float], T], until: float, reads: bool) -> T:
        patience = until - time.monotonic()
        if patience <= 0:
            raise OSError(f"{self._path}: busy for {_PATIENCE:g} s")
        try:
            db = self._connection or self._open()
            db.execute(f"PRAGMA busy_timeout = {int(patience * 1000) + 1}")
            db.execute("BEGIN" if reads else "BEGIN IMMEDIATE")
            try:
                result = work(db, time.time())
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            self._close()
            raise OSError(f"{self._path}: {error}") from error
        return result

    def _tidy(self) -> None:
        """Remove some of what is over, and bring what was written into the file itself."""
        self._transact(self._sweep, time.monotonic() + _PATIENCE, False)
        if self._connection is not None:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _sweep(self, db: sqlite3.Connection, now: float) -> None:
        for table, begin in self._swept_to.items():
            last = db.execute(
                f"SELECT key FROM {table} WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?",  # noqa: S608
                (begin, _SWEEP_MOST - 1),
            ).fetchone()
            end, values = ("", ()) if last is None else ("AND key <= ?", last)
            db.execute(
                f"DELETE FROM {table} WHERE until <= ? AND key > ? {end}",  # noqa: S608
                (now, begin, *values),
            )
            self._swept_to[table] = "" if last is None else last[0]

    def _open(self) -> sqlite3.Connection:
        try:
            _make(self._path)
        except OSError as error:
            raise OSError(error.errno, f"{self._path} cannot be opened: {error.strerror}") from error
        db = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        self._connection = db
        _set_up(db)
        return db

    def _close(self) -> None:
        db, self._connection = self._connection, None
        if db is not None:
            db.close()


def _is_busy(error: Exception) -> bool:
    """Whether another process, or our own thread, is writing."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the extended code is in the other bytes
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _value(db: sqlite3.Connection, key: str, now: float) -> bytes | None:
    row = db.execute("SELECT value FROM entries WHERE key = ? AND until > ?", (key, now)).fetchone()
    return None if row is None else bytes(row[0])


def _make(path: str) -> None:
    """Make the file, readable for its group whatever the umask, unless it is there.

    What root makes belongs to whom the directory belongs to, lest the service cannot open it; SQLite gives
    the files beside it to the same one.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        # Not opened: to close it again would take off all locks that this process has on it (POSIX).
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None
        return
    if os.geteuid() == 0:
        directory = os.stat(os.path.dirname(path))
        os.fchown(file, directory.st_uid, directory.st_gid)
    os.fchmod(file, 0o640)
    os.close(file)


def _set_up(db: sqlite3.Connection) -> None:
    """Make the tables; again where another process is at it, for SQLite does not wait to change to WAL."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def _behind(prefix: str) -> str | bytes:
    """Return what stands behind all text that begins so, in the order of code points, which is SQLite's."""
    text = prefix.rstrip("\U0010ffff")
    if not text:
        return b""  # to SQLite any text is less than any bytes
    following = ord(text[-1]) + 1
    return text[:-1] + chr(0xE000 if following == 0xD800 else following)  # surrogates are no characters


def _page(
    query: str, after: str, end: str | bytes, db: sqlite3.Connection, now: float
) -> list[tuple[str, bytes]]:
    return [(key, bytes(value)) for key, value in db.execute(query, (after, end, now, _PAGE))]

"""Where a history is: a SQLite file for one machine, a PostgreSQL server for several.

Both are used by one thread at a time, and say what went wrong as OSError.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from postmill.history.tables import VERSION, schema

if TYPE_CHECKING:
    import psycopg

Row = tuple[Any, ...]
_PATIENCE = 10.0
"""Seconds to wait for another process that writes, and for a server."""


class Database(Protocol):
    """One open history. Statements are SQL with ``?`` for values and ``{p}`` before the name of a table."""

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return what a statement finds."""
        ...

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Carry a statement out for each row of values."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, and nobody else writes meanwhile."""
        ...

    def size(self) -> int:
        """Return the bytes in use, without what is free for new rows."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


def open_database(url: str, *, writes: bool) -> Database:
    """Open the history that a URL names; who ``writes`` makes it, if it is not there yet.

    Raises ValueError for a URL that names none, OSError when it cannot be opened.
    """
    return check_url(url)(writes)


def check_url(url: str) -> Callable[[bool], Database]:
    """Return what opens the history of a URL, told whether to write; ValueError for one that names none."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        if not parts.path.startswith("/") or parts.netloc or parts.query or parts.fragment:
            raise ValueError(f"{url!r} has no absolute path: write sqlite:/path/to/file")
        return partial(_Sqlite, parts.path)
    if parts.scheme not in ("postgresql", "postgres"):
        shown = f"{parts.scheme}:" if parts.scheme else ""  # not the whole: there may be a password in it
        raise ValueError(f"{shown!r} names no history; there are sqlite: and postgresql:")
    try:
        import psycopg  # noqa: PLC0415  (an optional dependency)
    except ImportError as error:
        raise ValueError(f"{parts.scheme}: its Python library psycopg does not load: {error}") from error
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error as error:
        raise ValueError(f"no URL of PostgreSQL: {error}") from error
    return partial(_Postgresql, psycopg.connect, psycopg.Error, url)


def _check_version(found: Sequence[Row]) -> None:
    if found and int(bytes(found[0][0])) > VERSION:
        raise OSError(
            f"the history was written by a newer Postmill (version {int(bytes(found[0][0]))} of it)"
        )


class _Sqlite:
    def __init__(self, path: str, writes: bool) -> None:
        self._path = path
        with self._telling():
            if writes:
                _make(path)
                self._db = sqlite3.connect(
                    path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
                )
                self._set_up()
            else:
                self._db = sqlite3.connect(
                    f"file:{path.replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?mode=ro",
                    uri=True,
                    timeout=_PATIENCE,
                    isolation_level=None,
                    check_same_thread=False,
                )
                if not self.rows("SELECT 1 FROM sqlite_master WHERE name = 'facts'"):
                    raise OSError(f"{path}: there is no history in it yet")
                _check_version(self.rows("SELECT fact FROM {p}facts WHERE name = 'version'"))

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OSError(f"{self._path}: {error}") from error

    def _set_up(self) -> None:
        """Make the tables; again where another process is at it: SQLite does not wait to change to WAL."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.execute("PRAGMA wal_autocheckpoint = 4000")  # pages; a page changes often meanwhile
                self._db.execute("PRAGMA cache_size = -16384")
                for statement in schema("", "BLOB", " WITHOUT ROWID"):
                    self._db.execute(statement)
                self._db.execute("INSERT OR IGNORE INTO facts VALUES ('version', ?)", (b"%d" % VERSION,))
                self._db.execute("INSERT OR IGNORE INTO facts VALUES ('key', ?)", (os.urandom(32),))
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                _check_version(self.rows("SELECT fact FROM {p}facts WHERE name = 'version'"))
                return

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._telling():
            return self._db.execute(statement.replace("{p}", ""), values).fetchall()

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        with self._telling():
            self._db.executemany(statement.replace("{p}", ""), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._telling():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def size(self) -> int:
        ((pages, free, size),) = self.rows(
            "SELECT page_count, freelist_count, page_size "
            "FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        )
        return int((pages - free) * size)

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.close()


def _make(path: str) -> None:
    """Make the file, readable for its group whatever the umask, unless it is there."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise OSError(error.errno, f"{path} cannot be made: {error.strerror}") from error
    os.fchmod(file, 0o640)
    os.close(file)


class _Postgresql:
    """Sizes of tables that had rows removed are estimates: only VACUUM knows what is free."""

    _LOCK = "SELECT pg_advisory_xact_lock(7065794)"
    """Rows become visible in the order of their ids, and two hosts do not make the tables at once."""
    _TABLES = ("messages", "words", "counts")

    def __init__(
        self, connect: Callable[..., psycopg.Connection[Any]], error: type[Exception], url: str, writes: bool
    ) -> None:
        self._error = error
        with self._telling():
            self._db = connect(url, autocommit=True, connect_timeout=int(_PATIENCE), client_encoding="utf8")
            try:
                self._set_up(writes)
            except BaseException:
                self._db.close()
                raise

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise OSError(f"PostgreSQL: {' '.join(str(error).split()) or type(error).__name__}") from error

    def _set_up(self, writes: bool) -> None:
        self._db.execute(f"SET statement_timeout = '{int(_PATIENCE)}s'")
        ((made,),) = self.rows("SELECT to_regclass('postmill_history_facts') IS NOT NULL")
        if not made:
            if not writes:
                raise OSError("PostgreSQL: there is no history in this database yet")
            with self.transaction():
                for statement in schema("postmill_history_", "BYTEA", ""):
                    self.rows(statement)
                for name, fact in (("version", b"%d" % VERSION), ("key", os.urandom(32))):
                    self.rows("INSERT INTO {p}facts VALUES (?, ?) ON CONFLICT DO NOTHING", (name, fact))
        _check_version(self.rows("SELECT fact FROM {p}facts WHERE name = 'version'"))

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._telling():
            found = self._db.execute(self._translated(statement), values)
            return found.fetchall() if found.description else []

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        with self._telling(), self._db.cursor() as cursor:
            cursor.executemany(self._translated(statement), rows)

    @staticmethod
    def _translated(statement: str) -> Any:
        return statement.replace("%", "%%").replace("?", "%s").replace("{p}", "postmill_history_")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._telling(), self._db.transaction():
            self.rows(self._LOCK)
            yield

    def size(self) -> int:
        found = self.rows(
            "SELECT coalesce(sum(pg_total_relation_size(relid) * "
            "(n_live_tup + 1.0) / (n_live_tup + n_dead_tup + 1.0)), 0) FROM pg_stat_user_tables "
            "WHERE relname IN (?, ?, ?)",
            [f"postmill_history_{name}" for name in self._TABLES],
        )
        return int(found[0][0])

    def close(self) -> None:
        with contextlib.suppress(self._error):
            self._db.close()

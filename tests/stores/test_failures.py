"""What a store may not do when something goes wrong: do a thing twice, want more rights than it needs, tell secrets."""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import cast

import psycopg
import pytest

from postmill.stores import open_backend
from tests.filters.beside import a_box
from tests.stack import peers
from tests.stores.servers import PostgresServer, RedisServer

Server = PostgresServer | RedisServer


@pytest.fixture(scope="module", params=[RedisServer, PostgresServer])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    peers.require()
    with a_box("fails-") as box, request.param(box.directory.parent) as started:
        yield started


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    peers.require()
    with a_box("fails-") as box, PostgresServer(box.directory.parent) as started:
        yield started


@asynccontextmanager
async def relay(front: Path, back: Path, loses: Callable[[bytes], bool]) -> AsyncIterator[None]:
    """Stand before a server; when it ``loses`` the answer to a question, both sides are cut off."""
    serving: list[asyncio.Task[None]] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(cast("asyncio.Task[None]", asyncio.current_task()))
        from_server, to_server = await asyncio.open_unix_connection(back)
        asked = b""

        async def up() -> None:
            nonlocal asked
            while asked := await reader.read(65536):
                to_server.write(asked)
            to_server.close()

        async def down() -> None:
            while (data := await from_server.read(65536)) and not loses(asked):
                writer.write(data)
            writer.close()
            to_server.close()

        await asyncio.gather(up(), down(), return_exceptions=True)
        for side in (writer, to_server):
            with suppress(OSError):
                await side.wait_closed()

    async with await asyncio.start_unix_server(pass_on, front):
        yield
        await asyncio.gather(*serving)


@pytest.mark.interop
def test_what_may_have_been_done_is_not_done_again(server: Server) -> None:
    """The server did it, and its answer was lost on the way."""
    name, words = (
        (".s.PGSQL.5432", b"INSERT") if isinstance(server, PostgresServer) else ("redis.sock", b"EVAL")
    )
    front = server.directory / "front"
    front.mkdir(mode=0o755)
    url = server.url.replace(str(server.directory), str(front))
    lost: list[bool] = []

    def loses(asked: bytes) -> bool:
        return words in asked and bool(lost) and lost.pop()

    async def run() -> None:
        async with relay(front / name, server.directory / name, loses):
            backend = open_backend(url)
            assert await backend.add("once", 1, 600) == 1
            lost.append(True)
            with pytest.raises(OSError, match=r"."):
                await backend.add("once", 1, 600)
            assert not lost
            assert await backend.add("once", 0, 600) == 2
            lost.append(True)
            with pytest.raises(OSError, match=r"."):  # "another one has it" would be false
                await backend.swap("mine", None, b"me", 600)
            assert await backend.get("mine") == b"me"
            await backend.close()

    asyncio.run(run())


@pytest.mark.interop
def test_postgresql_needs_no_power(postgres: PostgresServer) -> None:
    """One user makes the tables, another may only use them; the database sorts as people do."""
    with psycopg.connect(postgres.url, autocommit=True) as db:
        for statement in (
            "CREATE ROLE maker LOGIN",
            "CREATE ROLE guest LOGIN",
            "CREATE DATABASE mail OWNER maker TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'und'",
        ):
            db.execute(statement)
    url = f"postgresql:///mail?host={postgres.directory}&user="
    wanted = {f"{first}{number}": b"1" for first in ("a", "B", "ä", "_") for number in range(700)}

    async def run() -> None:
        maker, guest = open_backend(url + "maker"), open_backend(url + "guest")
        await maker.put_many({key: (value, 60) for key, value in wanted.items()})
        with pytest.raises(OSError, match="permission denied for table postmill_entries"):
            await guest.get("a1")
        async with await psycopg.AsyncConnection.connect(url + "maker", autocommit=True) as db:
            await db.execute(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON postmill_entries, postmill_counters TO guest"
            )
        assert await guest.add("n", 1, 60) == 1
        assert {key: value async for key, value in guest.scan("")} == wanted
        for first in ("a", "B", "ä", "_"):
            assert len([key async for key, _ in guest.scan(first)]) == 700
        await maker.close()
        await guest.close()

    asyncio.run(run())


def test_two_that_make_a_file_at_the_same_time(tmp_path: Path) -> None:
    async def run() -> None:
        with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
            other.execute("CREATE TABLE something (x)")
            other.execute("BEGIN IMMEDIATE")
            other.execute("INSERT INTO something VALUES (1)")
            asyncio.get_running_loop().call_later(0.3, other.execute, "COMMIT")
            backend = open_backend(f"sqlite:{tmp_path}/state.db")
            await backend.put("k", b"1", 60)
            await backend.close()

    asyncio.run(run())


def test_who_waits_for_another_process_holds_up_nobody(tmp_path: Path) -> None:
    """What is written at once otherwise, waits in the thread while somebody else writes."""

    async def run() -> None:
        backend = open_backend(f"sqlite:{tmp_path}/state.db")
        await backend.put("k", b"1", 60)
        with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
            for act in (backend.put("k", b"2", 60), backend.swap("k", b"2", b"3", 60)):
                other.execute("BEGIN IMMEDIATE")
                waiting = asyncio.ensure_future(act)
                await asyncio.sleep(0.2)
                assert not waiting.done()
                assert await backend.get("other") is None
                other.execute("COMMIT")
                await waiting
        assert await backend.get("k") == b"3"
        await backend.close()

    asyncio.run(run())


def test_what_is_written_at_once_is_tidied_up_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postmill.stores.sqlite._SWEEP_AFTER", 5)
    monkeypatch.setattr("postmill.stores.sqlite._SWEEP_MOST", 20)  # several looks for all of them
    file = tmp_path / "state.db"

    async def run() -> None:
        backend = open_backend(f"sqlite:{file}")
        await backend.put("first", b"", 60)
        before = file.stat().st_size
        for number in range(49):
            assert await backend.swap(f"over {number}", None, b"x" * 500, 0.001)
        await asyncio.sleep(0.01)
        for number in range(50):
            await backend.put(f"kept {number}", b"x" * 500, 60)
        until = asyncio.get_running_loop().time() + 20
        while count(file) != 51 or file.stat().st_size == before:  # removed, and out of the log
            assert asyncio.get_running_loop().time() < until
            await asyncio.sleep(0.01)
        await backend.close()

    asyncio.run(run())


def count(file: Path) -> int:
    with closing(sqlite3.connect(file)) as db:
        return int(db.execute("SELECT count(*) FROM entries").fetchone()[0])


@pytest.mark.interop
def test_postgresql_of_any_encoding(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as db:
        db.execute("CREATE DATABASE plain TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")

    async def run() -> None:
        backend = open_backend(f"postgresql:///plain?host={postgres.directory}&user=postgres")
        await backend.put("ü:€", b"1", 60)
        assert [key async for key, _ in backend.scan("ü")] == ["ü:€"]
        await backend.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "postgresqlx://u:secret@h/d",
        "redis+unix:/no/such.sock?password=secret",
        "redis://:secret@127.0.0.1:1/0",
    ],
)
def test_a_password_is_not_told(url: str) -> None:
    with pytest.raises((OSError, ValueError)) as told:
        asyncio.run(open_backend(url).get("x"))
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_library_that_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ImportError("no pq wrapper available.\n- libpq library not found")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(
        ValueError, match=r"its Python library does not load: no pq wrapper available\. - libpq"
    ):
        open_backend("postgresql://h/d")

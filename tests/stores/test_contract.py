"""What every store promises (``postmill.api.Store``), on each of them, with real servers."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
import redis.asyncio

from postmill.api import Store
from postmill.stores import Backend, View, open_backend
from tests.daemon.running import ROOT, environment
from tests.filters.beside import a_box
from tests.stack import peers
from tests.stack.component import Component, descendants
from tests.stores.servers import PostgresServer, RedisServer

T = TypeVar("T")

KINDS = ("memory", "sqlite", "redis", "postgresql")
SERVERS: dict[str, type[RedisServer | PostgresServer]] = {"redis": RedisServer, "postgresql": PostgresServer}
SHARED = [kind for kind in KINDS if kind != "memory"]


@dataclass
class Place:
    """One kind of store, and its server if it has one."""

    url: str
    server: Component | None = None


def marked(kinds: list[str] | tuple[str, ...]) -> list[object]:
    return [pytest.param(kind, marks=[pytest.mark.interop] if kind in SERVERS else []) for kind in kinds]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Place]]:
    """Every kind of store, started when it is first asked for."""
    made = {
        "memory": Place("memory:"),
        "sqlite": Place(f"sqlite:{tmp_path_factory.mktemp('sqlite')}/state.db"),
    }
    with ExitStack() as stack:

        def place(kind: str) -> Place:
            if kind not in made:
                peers.require()
                box = stack.enter_context(a_box(f"{kind}-"))
                server = SERVERS[kind](box.directory.parent)
                stack.callback(server.stop)
                server.start()
                made[kind] = Place(server.url, server)
            return made[kind]

        yield place


def on(place: Place, name: str, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do some work on the keys of a milter, with a client of its own."""

    async def run() -> T:
        backend = open_backend(place.url)
        try:
            return await work(View(backend, name))
        finally:
            await backend.close()

    return asyncio.run(run())


async def all_of(store: Store, prefix: str = "") -> dict[str, bytes]:
    return {key: value async for key, value in store.scan(prefix)}


@pytest.mark.parametrize("kind", marked(KINDS))
class TestPromises:
    def test_values(self, kind: str, places: Callable[[str], Place]) -> None:
        async def work(store: Store) -> None:
            assert await store.get("none") is None
            for key, value in (("a", b""), ("b", bytes(range(256))), ("ü:€ %*?[x]\\", b"x" * 100_000)):
                await store.put(key, value, 60)
                assert await store.get(key) == value
            await store.put("a", b"second", 60)
            assert await store.get("a") == b"second"

        on(places(kind), "values", work)

    def test_life_times(self, kind: str, places: Callable[[str], Place]) -> None:
        async def work(store: Store) -> None:
            await store.put("short", b"1", 1)
            await store.put("long", b"1", 60)
            assert await store.add("count", 5, 1) == 5
            assert await store.get("short") == b"1"
            await asyncio.sleep(1.2)
            assert (await store.get("short"), await store.get("long")) == (None, b"1")
            assert await store.swap("short", b"1", b"2", 60) is False
            assert await store.swap("short", None, b"3", 60) is True
            assert await store.add("count", 1, 60) == 1
            assert await all_of(store) == {"short": b"3", "long": b"1"}

        on(places(kind), "life", work)

    def test_swap(self, kind: str, places: Callable[[str], Place]) -> None:
        async def work(store: Store) -> None:
            assert await store.swap("k", b"x", b"y", 60) is False
            assert await store.swap("k", None, None, 60) is True
            assert await store.swap("k", None, b"", 60) is True
            assert await store.swap("k", None, b"again", 60) is False
            assert await store.swap("k", b"", b"one", 60) is True
            assert await store.swap("k", None, None, 60) is False
            assert await store.swap("k", b"two", None, 60) is False
            assert await store.get("k") == b"one"
            assert await store.swap("k", b"one", None, 60) is True
            assert await store.get("k") is None

        on(places(kind), "swap", work)

    def test_put_new(self, kind: str, places: Callable[[str], Place]) -> None:
        async def work(store: Store) -> None:
            assert await store.put_new("k", b"", 60) is None
            assert await store.put_new("k", b"one", 60) == b""
            assert await store.put_new("k", b"two", 60) == b""
            assert await store.swap("k", b"", None, 60) is True
            assert await store.put_new("k", b"three", 1) is None
            assert await store.put_new("k", b"four", 60) == b"three"
            await asyncio.sleep(1.2)
            assert await store.put_new("k", b"five", 60) is None
            assert await all_of(store) == {"k": b"five"}

        on(places(kind), "new", work)

    def test_one_of_many_is_first(self, kind: str, places: Callable[[str], Place]) -> None:
        async def work(store: Store) -> None:
            for turn in range(5):
                found = await asyncio.gather(*(store.put_new(f"k{turn}", b"%d" % n, 60) for n in range(20)))
                first = b"%d" % found.index(None)
                assert sorted(found, key=repr) == sorted([None, *[first] * 19], key=repr)
                assert await store.get(f"k{turn}") == first

        on(places(kind), "first", work)

    def test_one_of_many_wins(self, kind: str, places: Callable[[str], Place]) -> None:
        async def work(store: Store) -> None:
            for turn in range(5):
                won = await asyncio.gather(*(store.swap(f"k{turn}", None, b"%d" % n, 60) for n in range(20)))
                assert sum(won) == 1
                assert await store.get(f"k{turn}") == b"%d" % won.index(True)

        on(places(kind), "race", work)

    def test_counters(self, kind: str, places: Callable[[str], Place]) -> None:
        async def work(store: Store) -> None:
            sums = await asyncio.gather(*(store.add("n", 1, 60) for _ in range(100)))
            assert sorted(sums) == [*range(1, 101)]
            assert await store.add("n", -100, 60) == 0
            assert await store.get("n") is None
            assert await all_of(store) == {}

        on(places(kind), "counters", work)

    def test_a_counter_has_64_bits(self, kind: str, places: Callable[[str], Place]) -> None:
        most = 2**63 - 1

        async def work(store: Store) -> None:
            assert await store.add("most", most, 60) == most
            assert await store.add("least", -most - 1, 60) == -most - 1
            for key, amount in (("most", 1), ("least", -1), ("new", most + 1), ("new", 10**30)):
                with pytest.raises(OSError, match=r"64 bits|out of range|overflow"):
                    await store.add(key, amount, 60)
            assert await store.add("most", -5, 60) == most - 5
            assert await store.add("least", 5, 60) == 4 - most
            assert await store.add("new", 1, 60) == 1

        on(places(kind), "wide", work)

    def test_scan_to_the_end_of_unicode(self, kind: str, places: Callable[[str], Place]) -> None:
        last = "\U0010ffff"
        prefixes = ("", last, last * 2, "a", f"a{last}", "\ud7ff", "\x7f")

        async def work(store: Store) -> None:
            keys = {prefix + rest for prefix in prefixes for rest in ("x", last, f"{last}x", "\ue000")}
            await store.put_many({key: (b"1", 60.0) for key in keys})
            for prefix in prefixes:
                assert set(await all_of(store, prefix)) == {key for key in keys if key.startswith(prefix)}

        on(places(kind), "last", work)

    def test_scan(self, kind: str, places: Callable[[str], Place]) -> None:
        async def work(store: Store) -> None:
            entries = {
                f"{first}{number}": (b"%d" % number, 60.0)
                for first in ("a*", "a", "b_", "b")
                for number in range(700)
            }
            await store.put_many(entries)
            await store.put_many({})
            wanted = {key: value for key, (value, _) in entries.items()}
            assert await all_of(store) == wanted
            for prefix in ("a*", "a", "b_", "b", "a*1", "none"):
                assert await all_of(store, prefix) == {
                    key: value for key, value in wanted.items() if key.startswith(prefix)
                }

        on(places(kind), "scan", work)

    def test_milters_do_not_see_each_other(self, kind: str, places: Callable[[str], Place]) -> None:
        async def run() -> None:
            backend: Backend = open_backend(places(kind).url)
            one, other = View(backend, "one"), View(backend, "one-more")
            await one.put("k", b"1", 60)
            assert await other.get("k") is None
            assert await other.add("k", 1, 60) == 1
            assert (await one.add("k", 1, 60), await all_of(one), await all_of(other)) == (1, {"k": b"1"}, {})
            await backend.close()

        asyncio.run(run())


@pytest.mark.parametrize("kind", marked(SHARED))
class TestShared:
    def test_another_client_sees_it_at_once(self, kind: str, places: Callable[[str], Place]) -> None:
        async def run() -> None:
            first, second = open_backend(places(kind).url), open_backend(places(kind).url)
            for number in range(50):
                await first.put(f"seen:{number}", b"1", 60)
                assert await second.swap(f"seen:{number}", b"1", b"2", 60)
                assert await first.get(f"seen:{number}") == b"2"
                assert await first.put_new(f"seen:{number}", b"3", 60) == b"2"
                assert await second.swap(f"seen:{number}", b"2", None, 60)
                assert await first.put_new(f"seen:{number}", b"3", 60) is None
                assert await second.get(f"seen:{number}") == b"3"
            await first.close()
            await second.close()

        asyncio.run(run())

    @pytest.mark.timeout(300)
    def test_twenty_writers_lose_and_double_nothing(self, kind: str, places: Callable[[str], Place]) -> None:
        """Four processes with five writers each make 50,000 keys, every one wanted by two of them."""
        place, entries = places(kind), 50_000
        writers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.stores.writer", place.url, str(number), "4", str(entries)],
                cwd=ROOT,
                env=environment(PYTHONPATH=f"{ROOT / 'src'}:{ROOT}"),
                stdout=subprocess.PIPE,
            )
            for number in range(4)
        ]
        made = [int(writer.communicate(timeout=280)[0]) for writer in writers]
        assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
        assert sum(made) == entries

        async def work(store: Store) -> tuple[int, int]:
            return len(await all_of(store)), await store.add("made", 0, 60)

        assert on(place, "writers", work) == (entries, entries)


@pytest.mark.parametrize("kind", marked([*SERVERS]))
def test_a_server_that_goes_away_and_comes_back(kind: str, places: Callable[[str], Place]) -> None:
    place = places(kind)
    server = place.server
    assert server is not None

    async def run() -> None:
        backend = open_backend(place.url)
        await backend.put("kept:a", b"1", 600)
        server.kill()
        with pytest.raises(OSError, match=r"."):
            await backend.get("kept:a")
        with pytest.raises(OSError, match=r"."):
            await backend.put("kept:b", b"2", 600)
        server.start()
        assert await backend.get("kept:a") == b"1"
        assert await backend.swap("kept:b", None, b"3", 600)
        await backend.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "'' names no store; there are memory:, postgresql:, redis:, sqlite:"),
        ("mysql://x", "'mysql:' names no store"),
        ("memory:x", "has no address"),
        ("sqlite:state.db", "has no absolute path: write sqlite:/path/to/file"),
        ("sqlite://host/state.db", "has no absolute path"),
        ("postgresql://x?nonsense=1", "no URL of PostgreSQL"),
        ("redis://x:port", "."),
        ("redis://x/0?nonsense=1", "no URL of Redis: .*nonsense"),
    ],
)
def test_urls_that_are_none(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_backend(url)


def test_a_file_that_cannot_be_had(tmp_path: Path) -> None:
    async def run(url: str) -> None:
        await open_backend(url).get("x")

    with pytest.raises(OSError, match=r"state\.db cannot be opened: No such file"):
        asyncio.run(run(f"sqlite:{tmp_path}/missing/state.db"))
    (tmp_path / "junk").write_bytes(b"no database" * 100)
    with pytest.raises(OSError, match="junk: file is not a database"):
        asyncio.run(run(f"sqlite:{tmp_path}/junk"))


def test_a_read_that_fails_is_told_and_the_next_one_works(tmp_path: Path) -> None:
    """Single keys are read on the event loop, and by the thread again when that fails."""

    async def run() -> None:
        backend = open_backend(f"sqlite:{tmp_path}/state.db")
        await backend.put("k", b"1", 60)
        for _ in range(2):
            assert await backend.get("k") == b"1"
            with pytest.raises(OSError, match="surrogates not allowed"):
                await backend.get("\ud800")
        assert await backend.get("k") == b"1"
        await backend.close()
        assert await backend.get("k") == b"1"
        await backend.close()

    asyncio.run(run())


def test_the_file_is_for_its_group(tmp_path: Path) -> None:
    """Under the umask of the service, too."""

    async def run() -> None:
        backend = open_backend(f"sqlite:{tmp_path}/state.db")
        await backend.put("k", b"1", 60)
        await backend.close()

    before = os.umask(0o077)
    try:
        asyncio.run(run())
    finally:
        os.umask(before)
    assert (tmp_path / "state.db").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kind", marked(SHARED))
def test_what_is_over_is_removed_as_fast_as_it_comes(
    kind: str, places: Callable[[str], Place], tmp_path: Path
) -> None:
    # What else there is in a file, SQLite looks through as well, a part at a time.
    url = f"sqlite:{tmp_path}/state.db" if kind == "sqlite" else places(kind).url

    async def run() -> int:
        backend = open_backend(url)
        for turn in range(6):
            await backend.put_many({f"over:{turn}-{number}": (b"1", 0.05) for number in range(1000)})
            await asyncio.sleep(0.1)
        left = await rows(kind, url)
        await backend.close()
        return left

    assert asyncio.run(run()) <= 1000


async def rows(kind: str, url: str) -> int:
    """How many of the entries that are over a store still has, its own way of counting aside."""
    if kind == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:"))) as db:
            count: int = db.execute("SELECT count(*) FROM entries WHERE key LIKE 'over:%'").fetchone()[0]
            return count
    if kind == "redis":
        client = redis.asyncio.Redis(unix_socket_path=url.removeprefix("redis+unix:"))
        await asyncio.sleep(1.0)  # it looks for what is over ten times a second
        found = [key async for key in client.scan_iter("postmill:v:over:*")]
        await client.connection_pool.disconnect()
        return len(found)
    async with await psycopg.AsyncConnection.connect(url) as db:
        row = await (
            await db.execute("SELECT count(*) FROM postmill_entries WHERE key LIKE 'over:%'")
        ).fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.parametrize("kind", marked([*SERVERS]))
def test_a_server_that_hangs(kind: str, places: Callable[[str], Place]) -> None:
    place = places(kind)
    assert place.server is not None
    server = place.server

    async def run() -> None:
        backend = open_backend(place.url)
        await backend.put("hang:a", b"1", 600)
        pids = descendants(server.pid)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            jobs = [backend.get("hang:a") for _ in range(12)]
            answers = await asyncio.wait_for(asyncio.gather(*jobs, return_exceptions=True), 15)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        assert [answer for answer in answers if not isinstance(answer, OSError)] == []
        assert await backend.get("hang:a") == b"1"
        await backend.close()

    asyncio.run(run())


@pytest.mark.parametrize("library", ["psycopg", "redis"])
def test_a_library_that_is_missing(library: str) -> None:
    url = {"psycopg": "postgresql://x/y", "redis": "redis://x"}[library]
    code = f"import sys; sys.modules[{library!r}] = None; from postmill.stores import open_backend; open_backend({url!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment()
    )
    assert f"needs the Python library {library}" in done.stderr

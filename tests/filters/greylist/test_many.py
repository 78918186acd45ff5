"""Many triplets from several hosts with one store: none lost, none doubled, and each host sees the others' at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from postmill.filters.greylist.keeping import exported
from postmill.filters.greylist.tuples import Entry
from postmill.stores import View, open_backend
from tests.daemon.running import ROOT, environment
from tests.filters.beside import a_box, started
from tests.filters.greylist.host import BEGIN
from tests.stack import peers
from tests.stores.servers import PostgresServer, RedisServer

TRIPLETS = 50_000
SERVERS: dict[str, type[RedisServer | PostgresServer]] = {"redis": RedisServer, "postgresql": PostgresServer}
DELAY, AUTOWHITE = 1800, 86400
Host = subprocess.Popen[str]


@pytest.fixture(params=["sqlite", *(pytest.param(name, marks=pytest.mark.interop) for name in SERVERS)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param not in SERVERS:
        yield f"sqlite:{tmp_path}/state.db"
        return
    peers.require()
    with a_box(f"{request.param}-") as box:
        server = SERVERS[request.param](box.directory.parent)
        with started(server):
            yield server.url


@contextmanager
def hosts(url: str, rules: str = "") -> Iterator[tuple[Host, Host]]:
    command = [sys.executable, "-m", "tests.filters.greylist.host", url, rules]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, cwd=ROOT, env=environment(), **pipes) for _ in range(2)]  # type: ignore[call-overload]
    try:
        yield both[0], both[1]
    finally:
        for host in both:
            host.communicate(timeout=30)
    assert [host.returncode for host in both] == [0, 0]


def tell(host: Host, later: int, last: int, least: int = 0, most: int = 20) -> None:
    assert host.stdin is not None
    host.stdin.write(f"{later} 0 {last} {least} {most}\n")
    host.stdin.flush()


def heard(host: Host) -> tuple[int, int]:
    assert host.stdout is not None
    refused, passed = map(int, host.stdout.readline().split())
    return refused, passed


def entries(url: str) -> list[Entry]:
    async def run() -> list[Entry]:
        backend = open_backend(url)
        try:
            return await exported(View(backend, "greylist"))
        finally:
            await backend.close()

    return asyncio.run(run())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_sessions_lose_and_double_nothing(url: str) -> None:
    """Two hosts with ten sessions each; every tenth triplet comes to both at about the same time."""
    with hosts(url) as (one, other):
        tell(one, 0, TRIPLETS, 0, 11)
        tell(other, 0, TRIPLETS, 9, 20)
        assert heard(one) == heard(other) == (TRIPLETS * 11 // 20, 0)
    found = entries(url)
    assert {one.recipient for one in found} == {f"<user{number}@example.org>" for number in range(TRIPLETS)}
    assert len(found) == TRIPLETS
    assert {(one.until, one.auto) for one in found} == {(int(BEGIN.timestamp()) + DELAY, False)}


def test_the_other_host_knows_at_once(url: str) -> None:
    with hosts(url) as (one, other):
        tell(other, 0, 0)
        assert heard(other) == (0, 0)
        for host, later, expected in (
            (one, 0, (200, 0)),
            (other, DELAY - 1, (200, 0)),
            (other, DELAY, (0, 200)),
            (one, DELAY, (0, 200)),
            (one, DELAY + AUTOWHITE, (0, 200)),
            (other, DELAY + 2 * AUTOWHITE + 1, (200, 0)),
        ):
            tell(host, later, 200)
            assert heard(host) == expected


def test_another_network_over_the_same_store(url: str) -> None:
    """What one of them has learnt before counts for all when they begin anew with another ``subnetmatch``."""
    for rules, later, expected in (
        ("", 0, (200, 0)),
        ("subnetmatch /24", DELAY, (0, 200)),
        ("lazyaw", 2 * DELAY, (0, 200)),
    ):
        with hosts(url, rules) as (one, other):
            tell(one, later, 200, 0, 20)
            tell(other, later, 200, 0, 20)
            assert heard(one) == heard(other) == expected
    assert len(entries(url)) == 200

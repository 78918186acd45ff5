"""Another ``subnetmatch`` or ``lazyaw`` over a store: who is known stays known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from postmill.api import Store
from postmill.filters.greylist import app, arranging
from postmill.filters.greylist.arranging import Arranging, arrange
from postmill.filters.greylist.facts import Facts
from postmill.filters.greylist.keeping import bring, exported, submit
from postmill.filters.greylist.parsing import parse
from postmill.filters.greylist.tuples import Entry
from postmill.filters.greylist.values import Actions, Config
from postmill.stores.memory import MemoryStore
from postmill.testing.pytest_plugin import Deliverer

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NOW = int(NOON.timestamp())
DUE = Entry("192.0.2.5", "<a@x.example>", "<b@y.example>", NOW - 60)
AUTO = Entry("192.0.2.5", "<auto@x.example>", "<b@y.example>", NOW + 600, auto=True)
SIXTH = Entry("2001:db8::5", "<a@x.example>", "<b@y.example>", NOW - 60)
ENTRIES = [DUE, AUTO, SIXTH]
MASKS = ["", "subnetmatch /24\nsubnetmatch6 /64", "subnetmatch /25", "subnetmatch6 /48\nlazyaw"]


def filled(config: Config, kind: Callable[[Callable[[], float]], MemoryStore] = MemoryStore) -> MemoryStore:
    """Return a store that has the entries as the filter with this configuration keeps them."""
    store = kind(NOON.timestamp)

    async def run() -> None:
        await arrange(store, config, NOW)
        await bring(store, ENTRIES, config, NOW)

    asyncio.run(run())
    return store


async def passes(store: Store, config: Config, entry: Entry) -> bool:
    facts = Facts(ip_address(entry.ip), "", "", entry.sender, (entry.recipient,), NOON)
    return (await submit(store, config, facts, entry.recipient, Actions())).passes


@pytest.mark.parametrize("after", MASKS)
@pytest.mark.parametrize("before", MASKS)
def test_who_is_known_stays_known(before: str, after: str) -> None:
    store, config = filled(parse(before)), parse(after)

    async def run() -> list[bool]:
        await arrange(store, config, NOW)
        assert await exported(store) == sorted(ENTRIES, key=lambda one: (one.ip, one.sender))
        return [await passes(store, config, one) for one in ENTRIES]

    assert asyncio.run(run()) == [True, True, True]


def test_two_hosts_that_disagree_lose_nothing() -> None:
    store, other = filled(Config()), Config(subnetmatch=24, subnetmatch6=64)

    async def run() -> list[bool]:
        for config in (other, Config(), other):
            await asyncio.gather(*(arrange(store, config, NOW) for _ in range(3)))
        assert await passes(store, other, DUE)
        return [await passes(store, Config(), one) for one in ENTRIES]

    assert asyncio.run(run()) == [True, True, True]


def test_it_is_looked_for_once_only() -> None:
    class Counting(MemoryStore):
        scans = 0

        def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
            self.scans += 1
            return super().scan(prefix)

    store = filled(Config(), Counting)
    assert isinstance(store, Counting)
    before = store.scans
    asyncio.run(arrange(store, Config(), NOW))
    assert store.scans == before


class Failing(MemoryStore):
    """Fails, or takes its time, when many are put."""

    fails, slow = False, False

    async def put_many(self, entries: Any) -> None:
        if self.fails:
            raise OSError("away")
        await asyncio.sleep(0.2 * self.slow)
        await super().put_many(entries)


def test_what_fails_is_done_again() -> None:
    store, other = filled(Config(), Failing), Config(subnetmatch=24)
    assert isinstance(store, Failing)

    async def run() -> None:
        one = Arranging()
        store.fails = True
        with pytest.raises(OSError, match="away"):
            await one.wait(store, other, NOW)
        assert not one.done
        store.fails = False
        await one.wait(store, other, NOW)
        assert one.done
        assert await passes(store, other, DUE)

    asyncio.run(run())


def test_no_mail_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arranging, "_PATIENCE", 0.001)
    store, other = filled(Config(), Failing), Config(subnetmatch=24)
    assert isinstance(store, Failing)
    store.slow = True

    async def run() -> None:
        one = Arranging()
        await one.wait(store, other, NOW)
        assert not one.done
        assert not await passes(store, other, DUE)
        while not one.done:
            await one.wait(store, other, NOW)
        assert await passes(store, other, DUE)

    asyncio.run(run())


def test_through_the_filter(postmill_deliver: Deliverer) -> None:
    store = MemoryStore(lambda: postmill_deliver.now().timestamp())

    def said(text: str, **more: Any) -> str:
        return postmill_deliver(
            app, settings={"rules": f"nospf\n{text}"}, ports={Store: store}, **more
        ).status

    assert said("subnetmatch /24") == "temporary-failure"
    postmill_deliver.wait(minutes=30)
    assert said("subnetmatch /25") == said("lazyaw") == "accept"
    assert said("lazyaw", sender="new@example.net") == "accept"
    assert said("subnetmatch /25", sender="other@example.net") == "temporary-failure"

"""Bringing a dump along: nothing lost, nothing doubled, nobody worse off than before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from postmill.filters.greylist.keeping import bring, exported
from postmill.filters.greylist.tuples import Entry
from postmill.filters.greylist.values import Config
from postmill.stores.memory import MemoryStore

NOW = 1_800_000_000
PENDING = Entry("192.0.2.5", "<a@x.example>", "<b@y.example>", NOW + 60)
SOONER = Entry("192.0.2.6", "<A@x.example>", "<b@y.example>", NOW - 60)
AUTO = Entry("192.0.2.7", "<a@x.example>", "<b@y.example>", NOW + 60, auto=True)
LONGER = Entry("192.0.2.8", "<a@x.example>", "<b@y.example>", NOW + 600, auto=True)
OTHER = Entry("198.51.100.1", "<>", "<b@y.example>", NOW - 1)
LATE = Entry("192.0.2.9", "<a@x.example>", "<c@y.example>", NOW - 864000)


def brought(*dumps: Sequence[Entry]) -> tuple[list[Entry], list[int]]:
    async def run() -> tuple[list[Entry], list[int]]:
        store = MemoryStore(lambda: float(NOW))
        late = [await bring(store, list(dump), Config(subnetmatch=24), NOW) for dump in dumps]
        return await exported(store), late

    return asyncio.run(run())


def test_of_one_tuple_the_better_entry_counts() -> None:
    for dump in ([PENDING, SOONER], [SOONER, PENDING]):
        assert brought(dump)[0] == [SOONER]
    for dump in ([PENDING, AUTO, LONGER, SOONER], [LONGER, AUTO, PENDING]):
        assert brought(dump)[0] == [LONGER]


def test_twice_is_as_once() -> None:
    once = brought([PENDING, OTHER, LATE])
    assert once == ([PENDING, OTHER], [1])
    assert brought([PENDING, OTHER, LATE], [PENDING, OTHER, LATE]) == ([PENDING, OTHER], [1, 1])


def test_what_the_store_knows_better_stays() -> None:
    assert brought([LONGER, OTHER], [PENDING, AUTO])[0] == [LONGER, OTHER]
    assert brought([PENDING], [LONGER])[0] == [LONGER]


def test_more_than_are_put_at_once() -> None:
    many = [Entry("192.0.2.5", f"<{one}@x.example>", "<b@y.example>", NOW) for one in range(2500)]
    assert len(brought(many)[0]) == 2500

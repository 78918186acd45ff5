"""Keeping tuples in the store: put a new one, else decide and swap, again if somebody else was faster."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address

from postmill.api.ports import Store
from postmill.filters.greylist.facts import Facts
from postmill.filters.greylist.tuples import (
    PREFIX,
    SLACK,
    Entry,
    Step,
    Visit,
    better,
    key_of,
    lifetime,
    network_of,
)
from postmill.filters.greylist.values import Actions, Config

_CLIENT = "client "
"""What keys for all tuples of a network begin with (``lazyaw``)."""
_BESIDE = "beside "
"""What keys begin with for tuples that wait although others let them pass (``autowhite 0``)."""
_TRIES = 50
_AT_ONCE = 1000


async def submit(store: Store, config: Config, facts: Facts, recipient: str, actions: Actions) -> Step:
    """Let a mail's tuple come once; return what becomes of it. Raises OSError where the store fails."""
    delay = config.delay if actions.delay is None else actions.delay
    visit = Visit(
        str(facts.ip),
        facts.sender,
        recipient,
        int(facts.now.timestamp()),
        delay,
        config.autowhite if actions.autowhite is None else actions.autowhite,
        config.timeout,
        max(config.longest, delay),
    )
    network = network_of(facts.ip, config)
    if config.lazyaw:
        found = await _as_client(store, lazy_key(network), visit)
        if found is not None:
            return found
    key, new = key_of(network, visit.sender, recipient), visit.meets(None)
    if not visit.autowhite:
        key = await _beside(store, key, visit.now)
    before = await store.put_new(key, new.after.encode(), new.lives)
    if before is None:
        return new
    found = await _meet(store, key, before, visit)
    if found is None:
        raise OSError("the entry of a tuple changes all the time")
    if config.lazyaw and found.after.auto and visit.autowhite:
        await store.put(lazy_key(network), found.after.encode(), found.lives)
    return found


def lazy_key(network: str) -> str:
    """Return the key for all tuples of a network that came back once (``lazyaw``)."""
    return _CLIENT + network


async def _as_client(store: Store, key: str, visit: Visit) -> Step | None:
    """Let pass whose client is known; the entry stays that of the tuple by which it became so."""
    before = await store.get(key)
    if before is None:
        return None
    known = Entry.decode(before)
    visit = replace(visit, ip=known.ip, sender=known.sender, recipient=known.recipient)
    return await _meet(store, key, before, visit, only_auto=True)


async def _beside(store: Store, key: str, now: int) -> str:
    """Return the key for a tuple that nobody is to know: another one if it is known by other rules."""
    beside = _BESIDE + key.removeprefix(PREFIX)
    if await store.get(beside) is not None:
        return beside
    before = await store.get(key)
    known = None if before is None else Entry.decode(before)
    return beside if known is not None and known.auto and known.until > now else key


async def _meet(
    store: Store, key: str, before: bytes | None, visit: Visit, only_auto: bool = False
) -> Step | None:
    """Let a mail come to an entry that was there ``before``, until nobody else changes it meanwhile."""
    for _ in range(_TRIES):
        known = None if before is None else Entry.decode(before)
        found = visit.meets(known)
        if only_auto and not found.auto:
            return None
        if found.after == known or await store.swap(key, before, found.after.encode(), found.lives):
            return found
        before = await store.get(key)
    return None


async def pass_now(store: Store, config: Config, facts: Facts, recipient: str, actions: Actions) -> None:
    """Know a tuple as one that came back: its client waited in the tarpit."""
    autowhite = config.autowhite if actions.autowhite is None else actions.autowhite
    until = int(facts.now.timestamp()) + autowhite
    entry = Entry(str(facts.ip), facts.sender, recipient, until, auto=True)
    key = key_of(network_of(facts.ip, config), facts.sender, recipient)
    if autowhite:
        await store.put(key, entry.encode(), autowhite)


async def forget(store: Store, config: Config, facts: Facts) -> None:
    """Forget all tuples that the client has come with (``flushaddr``), not those of its neighbours."""
    network = network_of(facts.ip, config)
    kinds = [f"{kind}{network} " for kind in (PREFIX, _BESIDE)]
    found = [key for kind in kinds async for key, _ in store.scan(kind)]
    for key in [*found, lazy_key(network)]:
        before = await store.get(key)
        if before is not None and Entry.decode(before).ip == str(facts.ip):
            await store.swap(key, before, None, 1)


def imported(entries: list[Entry], config: Config, now: int) -> dict[str, tuple[bytes, float]]:
    """Return these entries, as of a dump, for ``Store.put_many``; those out of date are left out.

    Of several of one tuple, as of two clients in one network, the better one is kept.
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        if lifetime(entry, now, config.timeout) > 0:
            network = network_of(ip_address(entry.ip), config)
            keys = [key_of(network, entry.sender, entry.recipient)]
            keys += [lazy_key(network)] if config.lazyaw and entry.auto else []
            for key in keys:
                found[key] = better(entry, found.get(key, entry))
    return {
        key: (entry.encode(), lifetime(entry, now, config.timeout) + SLACK) for key, entry in found.items()
    }


async def bring(store: Store, entries: list[Entry], config: Config, now: int) -> int:
    """Put entries, as of a dump, into the store, unless it knows better; return how many are out of date."""
    wanted = await asyncio.to_thread(imported, entries, config, now)  # mail goes on meanwhile
    async for key, value in store.scan(""):
        if key in wanted and better(Entry.decode(value), Entry.decode(wanted[key][0])).encode() == value:
            del wanted[key]
    pairs = list(wanted.items())
    for at in range(0, len(pairs), _AT_ONCE):
        await store.put_many(dict(pairs[at : at + _AT_ONCE]))
    return sum(lifetime(entry, now, config.timeout) <= 0 for entry in entries)


async def exported(store: Store) -> list[Entry]:
    """Return all entries of a store, by address, sender and recipient; of those of one tuple the better one.

    What lets a client pass with all its mail (``lazyaw``) is the entry of one tuple, as with milter-greylist.
    """
    found: dict[tuple[str, str, str], Entry] = {}
    for kind in (PREFIX, _CLIENT):
        async for _, value in store.scan(kind):
            entry = Entry.decode(value)
            same = entry.ip, entry.sender.lower(), entry.recipient.lower()
            found[same] = better(entry, found.get(same, entry))
    return sorted(found.values(), key=lambda entry: (entry.ip, entry.sender, entry.recipient))

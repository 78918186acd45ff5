"""The keys of entries depend on the configuration: bringing entries along when that changes.

milter-greylist looks through all it has with the masks of now. Here the network is a part of the key, so what
is known is put under its new keys, too, once for each store. What stands under the former ones is left: other
workers and hosts may still look there, and it ends by itself.
"""

from __future__ import annotations

import asyncio
import logging

from postmill.api.ports import Store
from postmill.filters.greylist.keeping import bring, exported
from postmill.filters.greylist.values import DAY, Config

log = logging.getLogger("postmill.filter.greylist")
_MARK = "arranged"
"""The key that says for which configuration the entries stand where they do."""
_LIVES = 3660.0 * DAY
_PATIENCE = 10.0
"""Seconds that a mail waits for it: few enough for an MTA, and enough for a hundred thousand entries."""


class Arranging:
    """Whether one process has seen to it that the entries of the store are found."""

    def __init__(self) -> None:
        self.done = False
        self._work: asyncio.Task[None] | None = None

    async def wait(self, store: Store, config: Config, now: int) -> None:
        """See to it, and wait for that as long as a mail can; raises OSError where the store fails.

        Who is not known yet when a mail does not wait any longer has to come again, and is known then.
        """
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(arrange(store, config, now))
        work = self._work
        await asyncio.wait([work], timeout=_PATIENCE)
        if work.done():
            work.result()
            self.done = True


async def arrange(store: Store, config: Config, now: int) -> None:
    """Put all entries under the keys of this configuration, unless they are there.

    Several may do so at the same time: of two entries of a tuple the better one stays, whoever comes last.
    """
    wanted = f"/{config.subnetmatch} /{config.subnetmatch6}{' lazyaw' * config.lazyaw}"
    before = await store.get(_MARK)
    if before == wanted.encode():
        return
    entries = await exported(store)
    await bring(store, entries, config, now)
    await store.put(_MARK, wanted.encode(), _LIVES)
    if before is not None:
        log.info("clients known by %s now, not %s: %d entries", wanted, before.decode(), len(entries))

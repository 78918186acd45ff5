"""One of several processes that write to a store at the same time; prints how many keys it was the one to make."""

from __future__ import annotations

import asyncio
import sys

from postmill.stores import View, open_backend

TASKS = 5


async def main(url: str, number: int, of: int, entries: int) -> int:
    """Make the keys of this process and those of the next one; count what was made."""
    backend = open_backend(url)
    store = View(backend, "writers")
    mine = [key for key in range(entries) if key % of in (number, (number + 1) % of)]

    async def write(task: int) -> int:
        made = 0
        for key in mine[task::TASKS]:
            name, value = f"{key:06d}", b"%d" % number
            if task % 2:
                made += await store.swap(name, None, value, 600)
            else:
                made += await store.put_new(name, value, 600) is None
        await store.add("made", made, 600)
        return made

    total = sum(await asyncio.gather(*map(write, range(TASKS))))
    await backend.close()
    return total


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:]))))

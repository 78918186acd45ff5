"""The row of filters: what stands in it on this machine, and what stands in for what is missing.

What each filter needs is told in its own file: `greylist`, `clamav` and `spamassassin` are Postmill's own
filters, `filters` has the small milters.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from postmill.demo import greylist
from postmill.demo.clamav import CLAMAV
from postmill.demo.filters import FILTERS
from postmill.demo.keeper import Keeper
from postmill.demo.processes import demo_filter
from postmill.demo.scanner import Scanner, find, private
from postmill.demo.spamassassin import SPAMASSASSIN
from postmill.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Member:
    """One filter: its name and table in the configuration, and what is told of it.

    `pid` is its own or its program's, 0 for none; `note` tells what it stands in for.
    """

    name: str
    table: str
    where: str
    what: str
    pid: int = 0
    note: str = ""

    @property
    def inside(self) -> bool:
        """Whether it runs inside Postmill."""
        return self.table.startswith("[[filter]]")


Row = dict[str, Member]
"""By duty (`newcomers`, `virus`, `spam`, `mark`), in the order in which Postmill asks them."""


@asynccontextmanager
async def kept_row(directory: Path, say: Callable[[str], None]) -> AsyncIterator[Row]:
    """Every filter of the demo, its processes kept running, their sockets and files in `directory`.

    `say` is told before what takes long, and of what ends and comes back.
    """
    slow = [each.program for each in (CLAMAV, SPAMASSASSIN) if find(each.program)]
    if slow:
        say(f"Starting {' and '.join(slow)}; that takes a few seconds.")
    async with Keeper(say) as keeper:
        virus, spam, mark = await asyncio.gather(
            _scanner(CLAMAV, "virus", directory, keeper),
            _scanner(SPAMASSASSIN, "spam", directory, keeper),
            _milter("tagger", directory, keeper),
        )
        newcomers = Member(greylist.NAME, greylist.TABLE, "inside Postmill", greylist.WHAT)
        row = {"newcomers": newcomers, "virus": virus, "spam": spam, "mark": mark}
        yield dict(sorted(row.items(), key=lambda item: not item[1].inside))  # as Postmill asks them


async def _scanner(scanner: Scanner, stand_in: str, directory: Path, keeper: Keeper) -> Member:
    """A filter of Postmill's own with its program; where that cannot be had, the small milter `stand_in`."""
    home = directory / scanner.program
    try:
        begin = private(scanner, home)
        pid = await keeper.start(
            scanner.program, begin, f"until then the filter {scanner.filter} waits for it"
        )
    except UnavailableError as error:
        return await _milter(
            stand_in, directory, keeper, f"{error}: the demo's own small milter {stand_in} stands in."
        )
    table = (
        f'[[filter]]\nuse = "{scanner.filter}"\n\n[filter.settings]\n'
        f'{scanner.program} = ["unix:{scanner.socket(home)}"]\n{scanner.settings}'
    )
    where = f"inside Postmill, asks {scanner.program} (process {pid})"
    return Member(scanner.filter, table, where, scanner.what, pid)


async def _milter(name: str, directory: Path, keeper: Keeper, note: str = "") -> Member:
    socket = directory / f"{name}.sock"
    pid = await keeper.start(name, lambda: demo_filter(name, socket), "until then its on_error decides")
    table = f'[milters.{name}]\nsocket = "unix:{socket}"\n'
    return Member(name, table, f"a milter at {socket.name}, process {pid}", FILTERS[name].what, pid, note)

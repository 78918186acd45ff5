"""One of several mail hosts that share a store: ten SMTP sessions at once, through the filter as it is served.

Run as ``host URL [RULES]``. Each line on standard input is ``SECONDS FIRST LAST LEAST MOST``: so much later, mail comes
for the triplets from FIRST to before LAST whose number modulo 20 is from LEAST to before MOST. It is answered
with how many were refused and how many passed.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from itertools import groupby

from postmill.api import Clock, Resolver, Store
from postmill.filtering import FilterSession, Served
from postmill.filters.greylist import app
from postmill.stores import View, open_backend
from postmill.testing.conditions import FixedClock, FixedResolver
from postmill.testing.settings import settings_of
from postmill.wire.codes import Command
from postmill.wire.framing import FrameReader, frame

BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)
SESSIONS = 10
OPENING = (
    frame(Command.OPTNEG, bytes([0, 0, 0, 6, 0, 0, 1, 0xFF, 0, 0x1F, 0xFF, 0xFF]))
    + frame(Command.CONNECT, b"mail.ext.example\x004\x9c\x59192.0.2.5\0")
    + frame(Command.HELO, b"mail.ext.example\0")
)
"""What an MTA says before the first message."""


def sender_of(number: int) -> int:
    """Return the number of a triplet's sender."""
    return number // 1000


def message(numbers: list[int]) -> bytes:
    """Return the envelope of a message to these triplets' recipients, which is then given up.

    Only recipients are answered: nobody wants to say anything about the sender.
    """
    data = frame(Command.MAIL, b"<sender%d@example.net>\0" % sender_of(numbers[0]))
    for number in numbers:
        data += frame(Command.RCPT, b"<user%d@example.org>\0" % number)
    return data + frame(Command.ABORT)


async def play(session: FilterSession, data: bytes) -> list[int]:
    """Say something; return the letters of the answers."""
    session.receive(data)
    while (work := session.advance()) is not None:
        await work
    return [letter for letter, _ in FrameReader().feed(session.output())]


async def deliver(served: Served, numbers: list[int]) -> list[int]:
    """Play one session with mail for these triplets, ten recipients each."""
    session = FilterSession(served)
    await play(session, OPENING)
    letters = []
    for _, group in groupby(numbers, sender_of):
        of_one = list(group)
        for at in range(0, len(of_one), 10):
            letters += await play(session, message(of_one[at : at + 10]))
    return letters


async def answer(served: Served, store: Store, line: str) -> str:
    """Let mail come as a line says."""
    later, first, last, least, most = map(int, line.split())
    clock, resolver = FixedClock(BEGIN + timedelta(seconds=later)), FixedResolver({})
    ready = served.with_ports({Store: lambda: store, Clock: lambda: clock, Resolver: lambda: resolver})
    wanted = [number for number in range(first, last) if least <= number % 20 < most]
    every = await asyncio.gather(*(deliver(ready, wanted[at::SESSIONS]) for at in range(SESSIONS)))
    letters = [letter for one in every for letter in one]
    return f"{letters.count(ord('y'))} {letters.count(ord('c'))}"


async def main(url: str, rules: str = "") -> None:
    """Answer line after line."""
    backend = open_backend(url)
    settings = settings_of(app, rules=f"nospf\n{rules}")
    served = Served(app, settings, app.make_of(settings))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(await answer(served, View(backend, "greylist"), line), flush=True)
    await backend.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

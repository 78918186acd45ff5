"""Seeds from the recorded packets, and small damage done to them."""

from __future__ import annotations

import random
from functools import cache

from tests.golden.vault import packets, sessions

WORDS = (
    b"\0", b"\0\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\r\n", b"\n", b"%", b"550 ", b"550-",
    b"unix:/", b"inet:", b"inet6:", b"@", b":", b"[::1]", b"25", b"O", b"E", b"c", b"y",
)  # fmt: skip
TEXTS = (
    b"550-5.7.1 one\r\n550 5.7.1 two\0",
    b"450 4.7.1 100%% later\0",
    b"unix:/run/x.sock",
    b"inet:8891@localhost",
    b"inet:[::1]:8891",
    b"inet6:25@fe80::1%eth0",
    b'define_milter("a") do |m|\n m.connection_spec = "unix:/a"\n m.enabled = false if x\nend\n',
)


@cache
def seeds(speaker: str) -> tuple[bytes, ...]:
    """Short packets (letter and payload) and whole conversations of one speaker."""
    single = [record.data for record in packets() if record.by == speaker and len(record.data) < 500]
    whole = [b"".join(p.data for p in s.packets if p.by == speaker) for s in sessions()[::10]]
    return tuple(single + [data[4:] for data in single] + [data for data in whole if len(data) < 5000])


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Return the bytes with one to eight small changes."""
    found = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        place = dice.randint(0, len(found))
        match dice.randrange(5):
            case 0:
                found[place:place] = dice.choice(WORDS)
            case 1:
                del found[place : place + dice.randint(1, 8)]
            case 2 if place < len(found):
                found[place] ^= 1 << dice.randrange(8)
            case 3:
                found[place:place] = found[: dice.randint(0, 20)]
            case _:
                found[place:place] = dice.randbytes(dice.randint(1, 4))
    return bytes(found)


def example(speaker: str, dice: random.Random) -> bytes:
    """Return the next input: a damaged recording, a damaged text, or noise."""
    kind = dice.randrange(10)
    if kind == 0:
        return dice.randbytes(dice.randint(0, 60))
    if kind <= 3 or not speaker:
        return mutated(dice.choice(TEXTS), dice)
    return mutated(dice.choice(seeds(speaker)), dice)

"""``memory:``: nothing outlives the process, and each process has its own. For trying things out."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping

from postmill.stores import counted

_SWEEP_EVERY = 60.0


def from_url(url: str) -> MemoryStore:
    """Return an empty store; raises ValueError when the URL says more than ``memory:``."""
    if url != "memory:":
        raise ValueError(f"{url!r}: a store in memory has no address; write memory:")
    return MemoryStore()


class MemoryStore:
    """See ``postmill.api.Store``."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """Be empty; life times count by ``now``, in seconds."""
        self._clock = now
        self._values: dict[str, tuple[bytes, float]] = {}
        self._counters: dict[str, tuple[int, float]] = {}
        self._swept = now()

    async def get(self, key: str) -> bytes | None:
        """See ``Store``."""
        return self._value(key)

    async def put(self, key: str, value: bytes, lives: float) -> None:
        """See ``Store``."""
        self._values[key] = value, self._now() + lives

    async def put_many(self, entries: Mapping[str, tuple[bytes, float]]) -> None:
        """See ``Store``."""
        for key, (value, lives) in entries.items():
            self._values[key] = value, self._now() + lives

    async def put_new(self, key: str, value: bytes, lives: float) -> bytes | None:
        """See ``Store``."""
        known = self._value(key)
        if known is None:
            self._values[key] = value, self._now() + lives
        return known

    async def swap(self, key: str, before: bytes | None, after: bytes | None, lives: float) -> bool:
        """See ``Store``."""
        if self._value(key) != before:
            return False
        if after is None:
            self._values.pop(key, None)
        else:
            self._values[key] = after, self._now() + lives
        return True

    async def add(self, key: str, amount: int, lives: float) -> int:
        """See ``Store``."""
        now = self._now()
        so_far, until = self._counters.get(key, (0, 0.0))
        if until <= now:
            so_far, until = 0, now + lives
        self._counters[key] = counted(so_far + amount), until
        return so_far + amount

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """See ``Store``."""
        for key in [key for key in self._values if key.startswith(prefix)]:
            value = self._value(key)
            if value is not None:
                yield key, value

    async def close(self) -> None:
        """There is nothing to give up."""

    def _value(self, key: str) -> bytes | None:
        value, until = self._values.get(key, (None, 0.0))
        return value if until > self._now() else None

    def _now(self) -> float:
        now = self._clock()
        if now - self._swept > _SWEEP_EVERY:
            self._swept = now
            self._values = {key: entry for key, entry in self._values.items() if entry[1] > now}
            self._counters = {key: entry for key, entry in self._counters.items() if entry[1] > now}
        return now

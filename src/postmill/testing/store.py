"""The port ``Store`` in memory, for tests: as long as the object lives, on whatever clock it is given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from postmill.api.ports import Clock


class MemoryStore:
    """See ``postmill.api.Store``."""

    def __init__(self, clock: Clock) -> None:
        """Be empty; life times count by ``clock``."""
        self._clock = clock
        self._values: dict[str, tuple[bytes, float]] = {}
        self._counters: dict[str, tuple[int, float]] = {}

    def _now(self) -> float:
        return self._clock.now().timestamp()

    async def get(self, key: str) -> bytes | None:
        """See ``Store``."""
        value, until = self._values.get(key, (None, 0.0))
        return value if until > self._now() else None

    async def put(self, key: str, value: bytes, lives: float) -> None:
        """See ``Store``."""
        self._values[key] = value, self._now() + lives

    async def swap(self, key: str, before: bytes | None, after: bytes | None, lives: float) -> bool:
        """See ``Store``."""
        if await self.get(key) != before:
            return False
        if after is None:
            self._values.pop(key, None)
        else:
            await self.put(key, after, lives)
        return True

    async def add(self, key: str, amount: int, lives: float) -> int:
        """See ``Store``."""
        so_far, until = self._counters.get(key, (0, 0.0))
        if until <= self._now():
            so_far, until = 0, self._now() + lives
        self._counters[key] = so_far + amount, until
        return so_far + amount

    async def put_many(self, entries: Mapping[str, tuple[bytes, float]]) -> None:
        """See ``Store``."""
        for key, (value, lives) in entries.items():
            await self.put(key, value, lives)

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """See ``Store``."""
        for key in [key for key in self._values if key.startswith(prefix)]:
            value = await self.get(key)
            if value is not None:
                yield key, value

"""The stores, a shelf: where milters keep state that outlives the process (``postmill.api.Store``).

A store is named by a URL, and its scheme is the name of the file here. Nothing is opened before it is used,
so that a configuration can be checked, and processes forked, without touching it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol
from urllib.parse import urlsplit

from postmill.api import Store
from postmill.api.urls import without_password

_ALIASES = {"postgres": "postgresql", "rediss": "redis", "redis+unix": "redis", "valkey": "redis"}


class Backend(Store, Protocol):
    """One store with the keys of all milters."""

    async def close(self) -> None:
        """Give up whatever is open; it may be used again."""
        ...


def names() -> tuple[str, ...]:
    """Return the schemes that there are."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def open_backend(url: str) -> Backend:
    """Return the store that a URL names, not yet opened.

    Raises ValueError for a URL that names none, or whose library is missing.
    """
    scheme = urlsplit(url).scheme
    name = _ALIASES.get(scheme, scheme)
    if name not in names():
        shown = f"{scheme}:" if scheme else ""  # not the whole: there may be a password in it
        raise ValueError(f"{shown!r} names no store; there are {', '.join(f'{one}:' for one in names())}")
    try:
        module = importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        library = (error.name or scheme).partition(".")[0]
        raise ValueError(f"{scheme}: needs the Python library {library}") from error
    except ImportError as error:  # it is there, and lacks a part of its own, as psycopg without libpq does
        raise ValueError(
            f"{scheme}: its Python library does not load: {' '.join(str(error).split())}"
        ) from error
    make: Callable[[str], Backend] = module.from_url
    try:
        return make(url)
    except ValueError as error:
        raise ValueError(without_password(str(error), url)) from None


def counted(total: int) -> int:
    """Return a sum that a counter can have; raises OSError where it takes more than 64 bits."""
    if not -(2**63) <= total < 2**63:
        raise OSError("a counter has 64 bits, and the sum would take more")
    return total


class View:
    """A store as one milter sees it: its own keys only."""

    def __init__(self, backend: Store, name: str) -> None:
        """Show the keys of the milter of this name."""
        self._backend = backend
        self._prefix = f"{name}:"

    async def get(self, key: str) -> bytes | None:
        """See ``Store``."""
        return await self._backend.get(self._prefix + key)

    async def put(self, key: str, value: bytes, lives: float) -> None:
        """See ``Store``."""
        await self._backend.put(self._prefix + key, value, lives)

    async def put_new(self, key: str, value: bytes, lives: float) -> bytes | None:
        """See ``Store``."""
        return await self._backend.put_new(self._prefix + key, value, lives)

    async def swap(self, key: str, before: bytes | None, after: bytes | None, lives: float) -> bool:
        """See ``Store``."""
        return await self._backend.swap(self._prefix + key, before, after, lives)

    async def add(self, key: str, amount: int, lives: float) -> int:
        """See ``Store``."""
        return await self._backend.add(self._prefix + key, amount, lives)

    async def put_many(self, entries: Mapping[str, tuple[bytes, float]]) -> None:
        """See ``Store``."""
        await self._backend.put_many({self._prefix + key: entry for key, entry in entries.items()})

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """See ``Store``."""
        async for key, value in self._backend.scan(self._prefix + prefix):
            yield key.removeprefix(self._prefix), value

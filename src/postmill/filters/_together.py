"""Asking several at once, which nearly always is one: without a task for it, and a turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all of them at the same time; their results, in order."""
    several = list(works)
    return [await several[0]] if len(several) == 1 else await asyncio.gather(*several)

"""Asking a condition in a test: settings as the configuration would have them, ports as fixed values.

``nouns`` makes the mail. What becomes of a whole message behind several milters is not asked here.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from postmill.api.conditions import Answer, Condition
from postmill.api.nouns import Noun
from postmill.daemon.policies import load_policies
from postmill.testing.settings import settings_of


def policies(directory: str | Path) -> Mapping[str, Condition]:
    """Return the conditions of a ``policy.d``, by name, as the daemon loads them; raises ConfigError."""
    return load_policies(Path(directory), {})


def decide(
    condition: Condition, noun: Noun, ports: Mapping[type[Any], Any] | None = None, /, **settings: Any
) -> Answer:
    """Ask a condition about one noun and return its answer, waiting for it if that is needed.

    ``ports`` holds, by its type, each port that the condition wants; ``settings`` are written as in TOML.
    """
    answer = condition.ask(noun, settings_of(condition, **settings), ports or {})
    return asyncio.run(_wait(answer)) if inspect.isawaitable(answer) else answer


async def _wait(answer: Any) -> Answer:
    return await answer  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class FixedClock:
    """The port ``Clock`` at one moment."""

    moment: datetime

    def now(self) -> datetime:
        """See ``Clock``."""
        return self.moment


@dataclass(slots=True)
class FixedResolver:
    """The port ``Resolver`` with the answers of a mapping; one that is an OSError is raised.

    An answer under ``KIND name``, ``MX example.org`` or ``TXT example.org`` say, goes before the one under
    ``name``, which is that for every kind. Other names do not exist.
    """

    answers: Mapping[str, Sequence[str] | OSError]
    asked: list[tuple[str, tuple[str, ...], float]] = field(default_factory=list)
    """Each question: name, servers, seconds."""

    async def addresses(self, name: str, servers: Sequence[str] = (), within: float = 5.0) -> tuple[str, ...]:
        """See ``Resolver``."""
        return await self.records(name, "A", servers, within)

    async def texts(self, name: str, servers: Sequence[str] = (), within: float = 5.0) -> tuple[str, ...]:
        """See ``Resolver``."""
        return await self.records(name, "TXT", servers, within)

    async def records(
        self, name: str, kind: str, servers: Sequence[str] = (), within: float = 5.0
    ) -> tuple[str, ...]:
        """See ``Resolver``."""
        self.asked.append((name, tuple(servers), within))
        known = {_plain(one): answer for one, answer in self.answers.items()}
        answer = known.get(f"{kind.lower()} {_plain(name)}", known.get(_plain(name), ()))
        if isinstance(answer, OSError):
            raise answer
        return tuple(answer)


def _plain(name: str) -> str:
    return name.rstrip(".").lower()

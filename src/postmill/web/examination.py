"""What detection and the doctor find on this machine: looked for when asked, in a thread, and kept."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Callable
from dataclasses import dataclass

from postmill.api.host import Finding
from postmill.daemon.machine import Machine
from postmill.detectors import detect
from postmill.errors import PostmillError
from postmill.host.diagnosis import Diagnosis
from postmill.host.gathering import examine, gather


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found, when (in seconds of the wall clock), and as which user."""

    at: float
    user: str
    milters: tuple[Finding, ...]
    platform: str
    diagnoses: tuple[Diagnosis, ...]
    problem: str = ""
    """Why something could not be looked at."""


class Examination:
    """The last findings, and whether somebody is looking."""

    def __init__(self, config_file: str, now: Callable[[], float]) -> None:
        self.last: Findings | None = None
        self._config_file = config_file
        self._now = now
        self._task: asyncio.Task[None] | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether somebody is looking now."""
        return self._task is not None and not self._task.done()

    def begin(self) -> None:
        """Look, unless somebody does."""
        if not self.is_under_way:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        self.last = await asyncio.to_thread(self._look)

    def _look(self) -> Findings:
        milters: tuple[Finding, ...] = ()
        diagnoses: tuple[Diagnosis, ...] = ()
        platform = problem = ""
        try:
            found = detect(Machine())
            milters, platform = found.findings, str(found.platform)
            diagnoses = tuple(examine(gather(self._config_file)))
        except (PostmillError, OSError) as error:
            problem = str(error)
        return Findings(self._now(), getpass.getuser(), milters, platform, diagnoses, problem)

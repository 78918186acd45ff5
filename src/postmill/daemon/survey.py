"""Asking all workers at once how they stand, without waiting for one that hangs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from postmill.daemon.crew import Crew
from postmill.daemon.lines import Message

WITHIN = 2.0
"""Seconds in which a worker must answer; one that does not is named in the status."""

Reports = Mapping[int, Mapping[str, Any]]
"""Process id of a worker to what it said."""


@dataclass(slots=True)
class Survey:
    """One question at a time; who asks while it is under way gets its answers, too."""

    crew: Crew
    _number: int = 0
    _then: list[Callable[[Reports], None]] = field(default_factory=list)
    _asked: set[int] = field(default_factory=set)
    _reports: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    _deadline: float = math.inf

    def ask(self, then: Callable[[Reports], None]) -> None:
        """Ask; ``then`` is given what came within the time, from a later call of ``hear`` or ``sweep``."""
        self._then.append(then)
        if len(self._then) > 1:
            return
        self._number += 1
        self._asked, self._reports = set(), {}
        self._deadline = time.monotonic() + WITHIN
        self._put_question()

    def _put_question(self) -> None:
        for one in self.crew.all:  # there may be new ones since
            if one.pid not in self._asked:
                self._asked.add(one.pid)
                one.tell({"do": "report", "number": self._number})

    def hear(self, pid: int, message: Message) -> None:
        """Take the answer of a worker."""
        if self._then and message["number"] == self._number:
            self._reports[pid] = message["report"]

    def forget(self, pid: int) -> None:
        """Drop what a worker said before it came to its end."""
        self._reports.pop(pid, None)

    def sweep(self) -> None:
        """Hand out the answers when all are there, or the time is over."""
        if not self._then:
            return
        self._put_question()
        missing = {one.pid for one in self.crew.all} - self._reports.keys()
        if not missing or time.monotonic() >= self._deadline:
            waiting, self._then = self._then, []
            for then in waiting:
                then(self._reports)

    @property
    def pause(self) -> float:
        """Seconds until ``sweep`` wants to be called at the latest."""
        return max(0.0, self._deadline - time.monotonic()) if self._then else math.inf

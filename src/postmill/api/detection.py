"""Detectors: how one milter is found on a machine, written as a function of the machine.

    @detector("opendkim", order=800)
    def opendkim(host: Host, platform: Platform) -> Iterator[Finding]:
        \"\"\"OpenDKIM: verifies DKIM signatures, and signs.\"\"\"
        ...

It yields a finding for each instance there is, also for one that is not in use, with the reason; nothing
where there is no trace of it. ``@detector`` makes a value; nothing is registered anywhere.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from postmill.api.host import Finding, Host, Platform, State
from postmill.errors import UnavailableError

Look = Callable[[Host, Platform], Iterable[Finding]]
_LONGEST = 1000
"""Characters of a text that a person is to read."""
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Detector:
    """A detector as a value."""

    name: str
    """The milter's name in the configuration; instances begin with it."""
    order: int
    """Its usual place in the row of milters."""
    when: tuple[str, ...]
    """The conditions under which it is usually asked."""
    platforms: tuple[Platform, ...]
    look: Look

    @property
    def doc(self) -> str:
        """What the milter does, in the author's words."""
        return inspect.cleandoc(self.look.__doc__ or "")

    def find(self, host: Host, platform: Platform) -> tuple[Finding, ...]:
        """Look at a machine. Never raises: what cannot be told, or goes wrong, is a finding too."""
        try:
            return self.ask(host, platform)
        except UnavailableError as error:
            problem = str(error)
        except Exception as error:
            # A mistake in one detector must not take the others, nor the daemon, with it.
            problem = f"its detector failed, please report it: {type(error).__name__}: {error}"
        return (self._complete(Finding(self.name, True, State.UNKNOWN, problem=problem)),)

    def ask(self, host: Host, platform: Platform) -> tuple[Finding, ...]:
        """Look at a machine; raises UnavailableError where a file that decides may not be read."""
        if platform not in self.platforms:
            return ()
        return tuple(self._complete(finding) for finding in self.look(host, platform))

    def _complete(self, finding: Finding) -> Finding:
        """Put in what holds for this milter wherever it is found; make what files say fit for a terminal."""
        return dataclasses.replace(
            finding,
            when=finding.when or self.when,
            order=finding.order or self.order,
            source=dataclasses.replace(
                finding.source, file=printable(finding.source.file), words=printable(finding.source.words)
            ),
            description=printable(finding.description),
            problem=printable(finding.problem),
            notes=tuple(map(printable, finding.notes)),
        )


def printable(text: str) -> str:
    """Return a text on one line, without control characters and not endless."""
    return "".join(char if char.isprintable() else " " for char in text[:_LONGEST])


def detector(
    name: str,
    *,
    order: int,
    when: tuple[str, ...] = (),
    platforms: tuple[Platform, ...] = tuple(Platform),
) -> Callable[[Look], Detector]:
    """Make a detector of a function. Raises TypeError when the name is none for a milter."""
    if not _NAME.fullmatch(name):
        raise TypeError(f"{name!r} is no name for a milter: lower-case words joined by '-' or '_'")

    def make(look: Look) -> Detector:
        return Detector(name, order, when, platforms, look)

    return make

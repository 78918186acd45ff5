"""Counting mail in logs, minute by minute, into a database of its own beside those of RRDtool.

What was counted and which lines that were is stored in one transaction, so an import that breaks off can be
repeated. Minutes that the databases of RRDtool have passed already make them be built anew.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import chain

from postmill.errors import UnavailableError
from postmill.graphs.databases import STEP
from postmill.graphs.log_lines import Logged, logged, opened
from postmill.graphs.manager_lines import counter_of
from postmill.graphs.marks import Marks, Stretch
from postmill.graphs.own_lines import record_of
from postmill.graphs.store import Store
from postmill.graphs.updating import FOREIGN, OWN
from postmill.history import open_database
from postmill.history.databases import Database
from postmill.history.tables import pack
from postmill.record import Tally

_MINUTES = 2000
"""Minutes counted before they are stored."""
_AHEAD = 3600
"""Seconds that a line may be ahead of the clock."""
_FACT = "lines"
Source = tuple[str, str]
"""Program and host."""


@dataclass(slots=True)
class Imported:
    """How an import went."""

    lines: int = 0
    """Lines of our two programs."""
    counted: int = 0
    known: int = 0
    """Lines that were counted before."""
    problems: list[str] = field(default_factory=list)
    earliest: float = 0.0
    """Beginning of the first minute to which something was added."""


def import_logs(place: Store, files: Sequence[str], now: float) -> Imported:
    """Count what logs say, the oldest first; raises UnavailableError when that cannot be stored."""
    imported = Imported()
    with ExitStack() as stack:
        logs = [log for name in files if (log := _begun(stack, name, imported)) is not None]
        for log in sorted(logs, key=lambda log: log.first.time):
            _Import(place, imported).take(log, now)
    if imported.counted and imported.earliest < place.until:
        place.forget()
    return imported


@dataclass(slots=True)
class _Log:
    name: str
    first: Logged
    rest: Iterator[Logged]


def _begun(stack: ExitStack, name: str, imported: Imported) -> _Log | None:
    """Open a log and read its first line, by which logs are put in order."""
    try:
        file, newest = stack.enter_context(opened(name))
        lines = logged(file, newest)
        first = next(lines, None)
    except (OSError, EOFError) as error:
        imported.problems.append(f"{name}: {getattr(error, 'strerror', None) or error}")
        return None
    if first is None:
        imported.problems.append(f"{name}: no lines of Postmill or milter-manager")
        return None
    return _Log(name, first, lines)


class _Import:
    """The import of one log."""

    def __init__(self, place: Store, imported: Imported) -> None:
        self._place = place
        self._imported = imported
        self._marks: dict[Source, Marks] = {}
        self._tallies: dict[Source, dict[int, Tally]] = {}
        self._host = _short(socket.gethostname())

    def take(self, log: _Log, now: float) -> None:
        """Count the lines that were not counted before."""
        try:
            for line in chain((log.first,), log.rest):
                self._imported.lines += 1
                if line.time <= now + _AHEAD:
                    self._line(line)
        except (OSError, EOFError, ValueError) as error:  # a packed file that is cut off
            self._imported.problems.append(f"{log.name}: ends early: {error}")
        self._store()

    def _line(self, line: Logged) -> None:
        counter = _counter_of(line)
        if counter is None:
            return
        source = (line.program, _short(line.host) or self._host)
        if source not in self._marks:
            self._marks[source] = Marks(self._known(source))
        if not self._marks[source].is_new(line.time):
            self._imported.known += 1
            return
        self._imported.counted += 1
        minute = int(line.time) // STEP * STEP
        self._imported.earliest = min(self._imported.earliest or minute, minute)
        minutes = self._tallies.setdefault(source, {})
        counter(minutes.setdefault(minute, Tally()))
        if len(minutes) > _MINUTES:
            self._store()

    def _known(self, source: Source) -> list[Stretch]:
        program, host = source
        with self._database(program) as database:
            return [Stretch(one[0], one[1], *map(int, one[2:])) for one in _stretches(database).get(host, ())]

    def _store(self) -> None:
        for source, marks in self._marks.items():
            program, host = source
            minutes = self._tallies.pop(source, {})
            rows = [(minute, STEP, host, pack(tally.as_dict())) for minute, tally in minutes.items()]
            with self._database(program) as database, database.transaction():
                stretches = {**_stretches(database), host: marks.after()}
                fact = json.dumps(stretches).encode()
                database.rows("DELETE FROM {p}facts WHERE name = ?", (_FACT,))
                database.rows("INSERT INTO {p}facts VALUES (?, ?)", (_FACT, fact))
                database.many("INSERT INTO {p}counts VALUES (?, ?, ?, ?)", rows)

    def _database(self, program: str) -> closing[Database]:
        assert program in (OWN, FOREIGN)
        try:
            return closing(open_database(f"sqlite:{self._place.imported(program)}", writes=True))
        except OSError as error:
            raise UnavailableError(f"what is imported cannot be stored: {error}") from error


def _counter_of(line: Logged) -> Callable[[Tally], None] | None:
    """Return what counts a line into a tally; None when it is about no mail."""
    if line.program == FOREIGN:
        return counter_of(line.text)
    record = record_of(line.text)
    return None if record is None else lambda tally: tally.add(record, line.time)


def _stretches(database: Database) -> Mapping[str, Sequence[Sequence[float]]]:
    found = database.rows("SELECT fact FROM {p}facts WHERE name = ?", (_FACT,))
    stretches: dict[str, list[list[float]]] = json.loads(bytes(found[0][0])) if found else {}
    return stretches


def _short(host: str) -> str:
    """Return a host's name without its domain, as only some logs have it."""
    return host.lower().partition(".")[0]

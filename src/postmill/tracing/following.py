"""Sends what comes into a history to a collector, in its order, and remembers how far it got.

What was sent and not yet remembered is sent again after a restart, as the same spans. While the collector or
the history is away, nothing is lost that the history keeps.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from postmill.errors import UnavailableError
from postmill.history import History, Selection
from postmill.history.tables import MICROSECONDS
from postmill.tracing.choosing import chosen
from postmill.tracing.collector import Collector

log = logging.getLogger("postmill.tracing")

BATCH = 100
"""Messages sent together."""
_AT_ONCE = 5000
"""Messages among which is chosen; the seconds in which more come are cut."""
_EVERY = 5.0
"""Seconds between two looks at the history: each reads, sends and syncs, whatever it finds."""
_LONGEST_PAUSE = 60.0
_BETWEEN_WORDS = 60.0
"""Seconds between two words about messages that were left out."""


class Place:
    """The row of the history up to which all was sent, in a file: a time, too (``history.tables``)."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> int | None:
        """Return the row; None when there was none yet. Raises UnavailableError."""
        try:
            return int(self._file.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise UnavailableError(f"{self._file}: cannot read how far traces were sent: {error}") from error

    def write(self, row: int) -> None:
        """Remember a row; raises UnavailableError."""
        new = self._file.with_name(f"{self._file.name}.new")
        try:
            with new.open("w", encoding="ascii") as file:
                file.write(f"{row}\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self._file)
        except OSError as error:
            raise UnavailableError(
                f"{self._file}: cannot keep how far traces were sent: {error.strerror}"
            ) from error


class Follower:
    """Goes through a history from where it was left."""

    def __init__(
        self,
        reach: Callable[[], History],
        collector: Collector,
        place: Place,
        addresses: bool,
        most: int,
    ) -> None:
        """Read what ``reach`` opens, which raises OSError while it cannot be opened.

        ``most`` is how many messages of each second are sent; 0: all.
        """
        self._most = most
        self.left_out = 0
        """Messages that were not sent because there were more than that."""
        self._reach = reach
        self._collector = collector
        self._place = place
        self._addresses = addresses
        self._history: History | None = None
        self._trouble = ""
        self._next_word = 0.0

    def catch_up(self) -> int:
        """Send all that has come since; return how many messages.

        The first time of all, that is what comes from now on. Raises OSError when the history cannot be read,
        UnavailableError when the collector takes nothing or the place is not kept.
        """
        row = self._place.read()
        if row is None:  # also where there is no history yet: its first message is to be sent
            row = int(time.time() * MICROSECONDS)
            self._place.write(row)
        history = self._history = self._history or self._reach()
        sent = 0
        while marks := history.marks(row, _AT_ONCE):
            rows = chosen(marks, self._most)
            for at in range(0, len(rows), BATCH):
                part = rows[at : at + BATCH]
                entries = history.those(part)
                if entries and not self._collector.take(entries, self._addresses):
                    raise UnavailableError(self._collector.trouble)
                self._place.write(part[-1])
            row = marks[-1].row
            if rows[-1:] != [row]:
                self._place.write(row)
            sent += len(rows)
            self.left_out += len(marks) - len(rows)
        return sent

    def send(self, text: str) -> int:
        """Send the newest messages that a text finds (``Selection.text``), sent before or not; say how many.

        Raises OSError and UnavailableError like ``catch_up``, UnavailableError also where there are none.
        """
        history = self._history = self._history or self._reach()
        entries = history.latest(Selection(text=text), BATCH)
        if not entries:
            raise UnavailableError(f"the history has no message {text}")
        if not self._collector.take(entries, self._addresses):
            raise UnavailableError(self._collector.trouble)
        return len(entries)

    def close(self) -> None:
        """Close the history, and connections to the collector."""
        self._leave_history()
        self._collector.close()

    def _leave_history(self) -> None:
        if self._history is not None:
            self._history.close()
            self._history = None

    def follow(self) -> None:
        """Send what comes, for ever; troubles are logged and waited for."""
        pause = _EVERY
        while True:
            try:
                self.catch_up()
            except (OSError, UnavailableError) as error:
                if isinstance(error, OSError):
                    self._leave_history()
                self._say(str(error))
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._say("")
                self._say_left_out()
                pause = _EVERY
            time.sleep(pause)

    def _say_left_out(self) -> None:
        if self.left_out and time.monotonic() >= self._next_word:
            log.info("%d messages left out: more than %d came in a second", self.left_out, self._most)
            self.left_out = 0
            self._next_word = time.monotonic() + _BETWEEN_WORDS

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("%s; messages wait in the history", trouble)
        elif self._trouble and not trouble:
            log.info("traces are sent again")
        self._trouble = trouble

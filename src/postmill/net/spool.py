"""Where the body of a message is kept while it is here: in memory, above a threshold in a temporary file."""

from __future__ import annotations

from tempfile import TemporaryFile

from postmill.mail.body import Body, Spool


class BodyFactory:
    """Makes empty bodies; the file of a large one has no name and goes with the body."""

    def __init__(self, threshold: int, directory: str | None) -> None:
        """Keep up to ``threshold`` bytes in memory, the rest in ``directory`` (None: the system's own)."""
        self._threshold = threshold
        self._directory = directory or None

    def __call__(self) -> Body:
        """Return an empty body."""
        return Body(self._file, self._threshold)

    def _file(self) -> Spool:
        return TemporaryFile(dir=self._directory)

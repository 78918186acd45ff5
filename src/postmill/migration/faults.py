"""The one error of reading the predecessor's language: its text is not whole, with line and column."""

from __future__ import annotations

from postmill.errors import ConfigError


class Unreadable(Exception):  # noqa: N818 - it is about a place in a text
    """A place in the text and what is wrong there; ``as_error`` adds the file."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column

    def as_error(self, file: str) -> ConfigError:
        """Make the error that a person sees."""
        return ConfigError(f"{self.message} at column {self.column}", file=file, line=self.line)

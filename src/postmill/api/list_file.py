"""Lists in files of their own: a setting names the file, each line of it is an element.

The one place of ``api`` that opens a file, and that only while a configuration is loaded: a kind turns what
is written into a value, and here the rest of it is written elsewhere. A reload reads it anew; no mail ever
waits for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from postmill.api.kinds import Kind, quoted

_COMMENT = re.compile(r"(^|\s)#.*")


@dataclass(frozen=True, slots=True)
class Lines:
    """What a file held; ``file`` is empty where none was named."""

    file: str = ""
    entries: frozenset[Any] = frozenset()


@dataclass(frozen=True, slots=True)
class ListFile:
    """The path of a file with one element on each line; ``#`` begins a comment."""

    item: Kind

    @property
    def allowed(self) -> str:
        """See ``Kind``."""
        return f'the absolute path of a file, or "" for none; each line {self.item.allowed}'

    def parse(self, raw: Any) -> Lines:
        """See ``Kind``; reads the file. The text of a ``ValueError`` says which line is wrong."""
        if not isinstance(raw, str) or (raw and not raw.startswith("/")) or "\0" in raw:
            raise ValueError
        return Lines(raw, frozenset(self._read(raw))) if raw else Lines()

    def _read(self, path: str) -> list[Any]:
        try:
            with open(path, encoding="utf-8-sig") as file:
                lines = file.read().split("\n")
        except UnicodeDecodeError:
            raise ValueError(f"{path} is not text in UTF-8") from None
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror}") from None
        texts = ((number, _COMMENT.sub("", line).strip()) for number, line in enumerate(lines, 1))
        return [self._element(path, number, text) for number, text in texts if text]

    def _element(self, path: str, number: int, text: str) -> Any:
        try:
            return self.item.parse(text)
        except ValueError as error:
            reason = str(error) or f"must be {self.item.allowed}, not {quoted(text)}"
            raise ValueError(f"{path}:{number}: {reason}") from None

    def show(self, value: Lines) -> str:
        """See ``Kind``."""
        return quoted(value.file)

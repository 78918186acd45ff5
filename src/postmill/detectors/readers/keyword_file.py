"""Configuration files of one keyword and its value on a line, as many milters have them.

They look alike and differ in what counts when a keyword is there twice, in case, in comments, in
``Include``. That is what a ``Dialect`` says; each was tried with the program itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from postmill.api.host import Host, Source
from postmill.detectors.readers.values import Value

_DEEPEST = 5


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a program reads such a file."""

    ignores_case: bool = True
    comments_anywhere: bool = True
    """Whether ``#`` begins a comment behind a value too."""
    includes: str = ""
    """The keyword, in lower case, that brings in another file."""
    first_counts: bool = False
    separator: str = r"[ \t]+"


TRUSTED_DOMAIN = Dialect(includes="include")
"""OpenDKIM, and OpenARC after it (config.c of the Trusted Domain Project)."""
CLAMAV = Dialect(ignores_case=False, comments_anywhere=False, first_counts=True)
PYTHON_MILTER = Dialect(ignores_case=False)
"""dkimpy-milter."""
PYTHON_POLICY = Dialect(ignores_case=False, separator=r"\s*=\s*")
"""pyspf-milter."""
DOTTED = Dialect(separator=r":\s*")
"""ENMA: ``milter.socket: inet:10025@127.0.0.1``."""


@dataclass(slots=True)
class Keywords:
    """What a file says."""

    file: str
    is_there: bool
    values: dict[str, Value] = field(default_factory=dict)
    dialect: Dialect = Dialect()

    def get(self, keyword: str) -> Value | None:
        """Return the value of a keyword, as the program would take it."""
        return self.values.get(keyword.lower() if self.dialect.ignores_case else keyword)


def read_keywords(host: Host, path: str, dialect: Dialect) -> Keywords:
    """Read a file; without values where there is none."""
    text = host.read(path)
    keywords = Keywords(path, text is not None, dialect=dialect)
    for keyword, value in _assignments(host, path, text or "", dialect):
        if not (dialect.first_counts and keyword in keywords.values):
            keywords.values[keyword] = value
    return keywords


def _assignments(
    host: Host, path: str, text: str, dialect: Dialect, depth: int = 0
) -> Iterator[tuple[str, Value]]:
    for number, line in enumerate(text.split("\n"), 1):
        row = (line.partition("#")[0] if dialect.comments_anywhere else line).strip()
        if not row or row.startswith("#"):
            continue
        keyword, *rest = re.split(dialect.separator, row, maxsplit=1)
        keyword = keyword.lower() if dialect.ignores_case else keyword
        value = Value(_unquoted(rest[0].strip()) if rest else "", Source(path, number))
        if dialect.includes and keyword == dialect.includes:
            if depth < _DEEPEST:
                inner = host.read(value.text) or ""
                yield from _assignments(host, value.text, inner, dialect, depth + 1)
            continue
        yield keyword, value


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text

"""Finds what the tree cites of docs/protocol.md, and what is there to be cited."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROTOCOL = ROOT / "docs" / "protocol.md"
SEARCHED = ("src", "tests", "docs", "bench")
SUFFIXES = {".py", ".md", ".toml"}

_HEADING = re.compile(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", re.MULTILINE)
_CITATION = re.compile(r"(?<![\w.])(RFC \d+,? (?:section )?)?§ ?(\d+(?:\.\d+)*)")


@dataclass(frozen=True)
class Citation:
    file: str
    line: int
    paragraph: str


def headings(text: str) -> list[str]:
    """The numbers of all paragraphs of the protocol document, in their order."""
    return _HEADING.findall(text)


def citations(file: str, text: str) -> Iterator[Citation]:
    """Every paragraph sign of a text that is not one of an RFC."""
    for found in _CITATION.finditer(text):
        if not found[1]:
            yield Citation(file, text.count("\n", 0, found.start()) + 1, found[2])


def dead(cited: Iterator[Citation], there: list[str]) -> list[Citation]:
    known = set(there)
    return [citation for citation in cited if citation.paragraph not in known]


def tree() -> Iterator[Citation]:
    """All citations in the project."""
    for folder in SEARCHED:
        for path in sorted((ROOT / folder).rglob("*")):
            if (
                path.suffix in SUFFIXES
                and path.name != "test_citations.py"
                and "__pycache__" not in path.parts
            ):
                yield from citations(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))

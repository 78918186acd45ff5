"""On which line each key of a TOML document stands: ``tomllib`` reads documents but keeps no positions.

Only documents that ``tomllib`` has accepted come here, so this reader tells tokens apart and checks nothing.
It follows TOML 1.0 (toml.io/en/v1.0.0): tables, arrays of tables, dotted and quoted keys, inline tables,
arrays over several lines, the four kinds of strings, comments.
"""

from __future__ import annotations

import re
import tomllib

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\r\n]+")


def key_lines(text: str) -> dict[Path, int]:
    """Give the line, from 1, of each table, key and list element of a valid TOML document.

    A table has the line of its own header, or else that of the first key or header that implied it.
    """
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.line_counted_to = 0
        self.lines: dict[Path, int] = {}
        self.lengths: dict[Path, int] = {}  # of arrays of tables

    def read(self) -> dict[Path, int]:
        table: Path = ()
        while self.skip(_BLANK) < len(self.text):
            if self.text.startswith("[", self.at):
                table = self.header()
            else:
                self.pair(table)
        return self.lines

    def skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def accept(self, mark: str) -> bool:
        self.skip(_BLANK)
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def header(self) -> Path:
        line = self.current_line()
        is_array = self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        names = self.dotted()
        self.at += 2 if is_array else 1
        path: Path = ()
        for name in names[:-1]:
            path = self.last_of((*path, name))
            self.lines.setdefault(path, line)
        path = (*path, names[-1])
        if is_array:
            self.lines.setdefault(path, line)
            self.lengths[path] = self.lengths.get(path, 0) + 1
            path = self.last_of(path)
        self.lines[path] = line
        return path

    def last_of(self, path: Path) -> Path:
        """Step into the newest element where ``path`` is an array of tables."""
        return (*path, self.lengths[path] - 1) if path in self.lengths else path

    def pair(self, table: Path) -> None:
        self.skip(_BLANK)
        line = self.current_line()
        path = table
        for name in self.dotted():
            path = (*path, name)
            self.lines.setdefault(path, line)
        self.accept("=")
        self.value(path)

    def dotted(self) -> list[str]:
        names = [self.name()]
        while self.text.startswith(".", self.skip(_SPACE)):
            self.at += 1
            names.append(self.name())
        return names

    def name(self) -> str:
        start = self.skip(_SPACE)
        if not self.text.startswith(('"', "'"), start):
            return self.text[start : self.skip(_BARE_KEY)]
        word: str = tomllib.loads(f"key = {self.text[start : self.skip(_STRING)]}")["key"]
        return word

    def value(self, path: Path) -> None:
        if self.accept("["):
            self.array(path)
        elif self.accept("{"):
            while not self.accept("}"):
                self.pair(path)
                self.accept(",")
        elif self.text.startswith(('"', "'"), self.at):
            self.skip(_STRING)
        else:
            self.skip(_SCALAR)

    def array(self, path: Path) -> None:
        index = 0
        while not self.accept("]"):
            self.lines[(*path, index)] = self.current_line()
            self.value((*path, index))
            self.accept(",")
            index += 1

    def current_line(self) -> int:
        self.line += self.text.count("\n", self.line_counted_to, self.at)
        self.line_counted_to = self.at
        return self.line

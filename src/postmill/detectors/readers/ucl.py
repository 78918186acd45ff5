"""UCL, rspamd's configuration language, as far as its workers need it: sections, includes, priorities.

Of two values for one key the one of the higher priority counts, and those of the same priority are a list
(libucl, "Automatic arrays creation"); tried against ``rspamadm configdump``. Includes are followed only
where the caller wants to know: other sections may keep passwords in files that nobody but rspamd may read.
"""

from __future__ import annotations

import contextlib
import fnmatch
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from postmill.api.host import Host, Source
from postmill.detectors.readers.values import UNKNOWN, Value

_MOST_FILES = 500
_BLANK = re.compile(r"(?:\s|#[^\n]*)+")
_KEY = re.compile(r'"((?:[^"\\]|\\.)*)"|([A-Za-z][^\s=:{}\[\];,"]*)')
_NAME = re.compile(r""""((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s=:{}\[\];,#"']+)""")
_STRING = re.compile(r""""((?:[^"\\]|\\.)*)"?|'((?:[^'\\]|\\.)*)'?""", re.DOTALL)
_DOCUMENT = re.compile(r"<<([A-Z]+)\n(.*?)\n\1(?=[\n;,}]|$)", re.DOTALL)
_BARE = re.compile(r"[^;,\n}\]#]*")
_MACRO = re.compile(r"""\.(\w+)\s*(?:\(([^)]*)\))?\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^;\n]*));?""")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_TEMPLATE = re.compile(r"\{%.*?%\}", re.DOTALL)
_INCLUDES = {"include", "includes", "try_include"}


@dataclass(slots=True)
class Section:
    """A table: for each key what counts, in its order."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)

    def add(self, key: str, entry: Entry) -> None:
        """Add a value by the rule of priorities."""
        there = self.entries.get(key, [])
        if there and there[0].priority > entry.priority:
            return
        same = bool(there) and there[0].priority == entry.priority
        self.entries[key] = [*there, entry] if same else [entry]

    def values(self, key: str) -> tuple[Value, ...]:
        """Return the texts of a key."""
        return tuple(one.content for one in self.entries.get(key, ()) if isinstance(one.content, Value))

    def sections(self, key: str) -> tuple[Section, ...]:
        """Return the sections of a key."""
        return tuple(one.content for one in self.entries.get(key, ()) if isinstance(one.content, Section))


@dataclass(frozen=True, slots=True)
class Entry:
    """One value and its priority."""

    content: Value | Section
    priority: int


Wanted = Callable[[tuple[str, ...]], bool]


def read_ucl(host: Host, path: str, variables: Mapping[str, str], wanted: Wanted) -> Section | None:
    """Read a file; None where there is none. ``wanted`` tells in which sections includes are followed."""
    text = host.read(path)
    if text is None:
        return None
    root = Section()
    with contextlib.suppress(RecursionError):  # sections without end in each other: what came before counts
        _Reader(_Reading(host, variables, wanted), path, text).fill(root, ())
    return root


@dataclass(slots=True)
class _Reading:
    """What the readers of a file and of those it includes have in common."""

    host: Host
    variables: Mapping[str, str]
    wanted: Wanted
    files_left: int = _MOST_FILES


class _Reader:
    """Reads one file into a section."""

    def __init__(self, common: _Reading, path: str, text: str, priority: int = 0) -> None:
        self.common = common
        self.path = path
        self.text = _TEMPLATE.sub(lambda found: "\n" * found[0].count("\n"), text)
        self.priority = priority
        self.at = 0
        self.line = 1
        self.counted_to = 0

    def source(self) -> Source:
        self.line += self.text.count("\n", self.counted_to, self.at)
        self.counted_to = self.at
        return Source(self.path, self.line)

    def skip(self) -> str:
        """Skip blanks and comments; return the next character."""
        while self.at < len(self.text):
            if found := _BLANK.match(self.text, self.at):
                self.at = found.end()
            elif self.text.startswith("/*", self.at):
                self.skip_comment()
            else:
                return self.text[self.at]
        return ""

    def skip_comment(self) -> None:
        depth = 0
        for found in re.finditer(r"/\*|\*/", self.text[self.at :]):
            depth += 1 if found[0] == "/*" else -1
            if depth == 0:
                self.at += found.end()
                return
        self.at = len(self.text)

    def fill(self, section: Section, place: tuple[str, ...]) -> None:
        """Read pairs up to the end of the section."""
        while (char := self.skip()) not in {"", "}"}:
            if char == ".":
                self.macro(section, place)
            elif found := _KEY.match(self.text, self.at):
                self.at = found.end()
                self.pair(section, (*place, found[1] or found[2]))
            else:
                self.at += 1
        self.at += 1

    def pair(self, section: Section, place: tuple[str, ...]) -> None:
        """Read what follows a key: more names of a section, then its value."""
        while (char := self.skip()) and char not in "=:{[":
            name = _NAME.match(self.text, self.at)
            if name is None:
                return
            self.at = name.end()
            inner = Section()
            section.add(place[-1], Entry(inner, self.priority))
            section, place = inner, (*place, name[1] or name[2] or name[3])
        if char and char in "=:":
            self.at += 1
            self.skip()
        self.value(section, place)

    def value(self, section: Section, place: tuple[str, ...]) -> None:
        source = self.source()
        if self.text.startswith("{", self.at):
            self.at += 1
            inner = Section()
            section.add(place[-1], Entry(inner, self.priority))
            self.fill(inner, place)
        elif self.text.startswith("[", self.at):
            self.at += 1
            self.array(section, place)
        else:
            section.add(place[-1], Entry(Value(self.scalar(), source), self.priority))

    def array(self, section: Section, place: tuple[str, ...]) -> None:
        while (char := self.skip()) not in {"", "]"}:
            before = self.at
            if char not in ",;":
                self.value(section, place)
            if self.at == before:
                self.at += 1
        self.at += 1

    def scalar(self) -> str:
        if found := _STRING.match(self.text, self.at):
            self.at = found.end()
            quoted = found[1] if found[1] is not None else found[2]
            return self.expanded(re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
        found = _DOCUMENT.match(self.text, self.at) or _BARE.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return self.expanded(found[2] if found.lastindex else found[0].strip())

    def expanded(self, text: str) -> str:
        return _VARIABLE.sub(lambda found: self.common.variables.get(found[1] or found[2], UNKNOWN), text)

    def macro(self, section: Section, place: tuple[str, ...]) -> None:
        found = _MACRO.match(self.text, self.at)
        if found is None:
            self.at += 1
            return
        self.at = found.end()
        if found[1] in _INCLUDES and self.common.wanted(place):
            arguments = dict(re.findall(r"(\w+)\s*=\s*(\w+)", found[2] or ""))
            priority = arguments.get("priority", "")
            path = self.expanded(found[3] or found[4] or (found[5] or "").strip())
            self.include(section, place, path, int(priority[:3]) if priority.isdigit() else self.priority)

    def include(self, section: Section, place: tuple[str, ...], path: str, priority: int) -> None:
        folder, name = posixpath.split(path)
        names = [name]
        if any(char in name for char in "*?["):
            names = [one for one in self.common.host.names(folder) if fnmatch.fnmatchcase(one, name)]
        for one in names:
            self.common.files_left -= 1
            text = self.common.host.read(f"{folder}/{one}") if self.common.files_left > 0 else None
            if text is not None:
                _Reader(self.common, f"{folder}/{one}", text, priority).fill(section, place)

"""Units of systemd as its manager loads them: a file, and drop-ins over it (systemd.unit(5)).

Which of them are started is ``enablement``; what a service runs is ``unit_commands``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from postmill.api.host import Host, Source
from postmill.detectors.readers.values import Value

DIRECTORIES = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""Where units are looked for, the strongest first. What is generated from init scripts comes last."""
NOWHERE = "/dev/null"


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment of a unit."""

    section: str
    key: str
    value: Value


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit with its drop-ins."""

    name: str
    file: str
    is_masked: bool
    entries: tuple[Entry, ...] = ()

    def all(self, section: str, key: str) -> tuple[Value, ...]:
        """Return what is assigned to a key that takes a list; an empty assignment clears it."""
        values: list[Value] = []
        for entry in self.entries:
            if (entry.section, entry.key) == (section, key):
                values = [*values, entry.value] if entry.value.text else []
        return tuple(values)

    def last(self, section: str, key: str) -> Value | None:
        """Return what is assigned to a key that takes one value."""
        values = self.all(section, key)
        return values[-1] if values else None

    @property
    def can_be_enabled(self) -> bool:
        """Whether it says by whom it is to be started."""
        return any(entry.section == "Install" for entry in self.entries)

    @property
    def description(self) -> str:
        """What it calls itself."""
        found = self.last("Unit", "Description")
        return found.text if found else ""


def load_unit(host: Host, name: str) -> Unit | None:
    """Return a unit; None where no directory has one of this name."""
    for candidate in (name, _template(name)):
        for directory in DIRECTORIES if candidate else ():
            path = f"{directory}/{candidate}"
            text, target = host.read(path), host.link(path)
            if text is None and target is None:
                continue
            if target == NOWHERE or text == "":
                return Unit(name, path, is_masked=True)
            if text is not None:
                return Unit(name, path, False, (*_entries(text, path), *_drop_ins(host, name)))
    return None


def _template(name: str) -> str:
    stem, at, rest = name.partition("@")
    return f"{stem}@.{rest.rpartition('.')[2]}" if at and not rest.startswith(".") else ""


def _drop_ins(host: Host, name: str) -> Iterator[Entry]:
    """Read the drop-ins in the order of their names; of two with one name the stronger directory's counts."""
    chosen: dict[str, str] = {}
    for folder in _drop_in_folders(name):
        for directory in DIRECTORIES:
            for file in host.names(f"{directory}/{folder}"):
                if file.endswith(".conf"):
                    chosen.setdefault(file, f"{directory}/{folder}/{file}")
    for _, path in sorted(chosen.items()):
        if host.link(path) != NOWHERE:
            yield from _entries(host.read(path) or "", path)


def _drop_in_folders(name: str) -> Iterator[str]:
    """Give the folders, the most particular first: ``a-b.service.d``, ``a-.service.d``, ``service.d``."""
    yield f"{name}.d"
    if template := _template(name):
        yield f"{template}.d"
    stem, _, kind = name.rpartition(".")
    parts = stem.split("-")
    for count in range(len(parts) - 1, 0, -1):
        yield f"{'-'.join(parts[:count])}-.{kind}.d"
    yield f"{kind}.d"


def _entries(text: str, path: str) -> Iterator[Entry]:
    section = ""
    for number, row in logical_rows(text):
        if found := re.fullmatch(r"\[([^\[\]]+)\]", row):
            section = found[1]
        elif "=" in row:
            key, _, value = row.partition("=")
            yield Entry(section, key.strip(), Value(value.strip(), Source(path, number)))


def logical_rows(text: str) -> Iterator[tuple[int, str]]:
    """Give rows with the line each begins in: without comments, and continued after a backslash."""
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        row = line.strip()
        if row.startswith(("#", ";")):  # also between the parts of a row
            continue
        begun = begun if parts else number
        if row.endswith("\\"):
            parts.append(row[:-1])
            continue
        parts.append(row)
        whole, parts = " ".join(parts).strip(), []
        if whole:
            yield begun, whole
    if parts:
        yield begun, " ".join(parts).strip()

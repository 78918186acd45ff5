"""The environment of a unit's programs: ``Environment=``, ``EnvironmentFile=`` and so on (systemd.exec(5)).

An environment file looks like one for sh and is none: nothing in it is expanded, so that ``$RUNDIR`` is
those seven characters.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from postmill.api.host import Host, Source
from postmill.detectors.readers.systemd.quoting import words_of
from postmill.detectors.readers.systemd.specifiers import specified
from postmill.detectors.readers.systemd.units import Unit
from postmill.detectors.readers.values import Value

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED = re.compile(r"""[ \t]*(?:'([^']*)'?|"((?:[^"\\]|\\.)*)"?)""", re.DOTALL)
_BARE = re.compile(r"[ \t]*((?:[^\n\\]|\\.)*)", re.DOTALL)


@dataclass(slots=True)
class Environment:
    """Variables by name, and the file that is missing although it must be there."""

    variables: dict[str, Value] = field(default_factory=dict)
    missing: str = ""


def environment_of(host: Host, unit: Unit) -> Environment:
    """Return what the unit's programs have in their environment."""
    environment = Environment()
    for assignment in unit.all("Service", "Environment"):
        for word in words_of(specified(assignment.text, unit.name)):
            _assign(environment.variables, word, assignment.source)
    for mention in unit.all("Service", "EnvironmentFile"):
        path = specified(mention.text, unit.name)
        if not _read_files(host, path.removeprefix("-"), environment.variables) and path[:1] != "-":
            environment.missing = f"{path} of {mention.source} is missing"
    for removal in unit.all("Service", "UnsetEnvironment"):
        for word in words_of(specified(removal.text, unit.name)):
            environment.variables.pop(word.partition("=")[0], None)
    return environment


def _assign(variables: dict[str, Value], word: str, source: Source) -> None:
    name, equals, text = word.partition("=")
    if equals and _NAME.fullmatch(name):
        variables[name] = Value(text, source)


def _read_files(host: Host, path: str, variables: dict[str, Value]) -> bool:
    """Read the files that a path means, which may be a pattern; tell whether there is one."""
    folder, name = posixpath.split(path)
    if any(char in name for char in "*?["):
        paths = [f"{folder}/{one}" for one in host.names(folder) if fnmatch.fnmatchcase(one, name)]
    else:
        paths = [path]
    texts = [(one, text) for one in paths if (text := host.read(one)) is not None]
    for one, text in texts:
        variables.update(environment_file(text, one))
    return bool(texts)


def environment_file(text: str, path: str) -> Mapping[str, Value]:
    """Read the text of an environment file."""
    variables: dict[str, Value] = {}
    at, line = 0, 1
    while at < len(text):
        end = _line_end(text, at)
        name, equals, _ = text[at:end].partition("=")
        if equals and _NAME.fullmatch(name.strip()):
            value, end = _value(text, at + len(name) + 1)
            variables[name.strip()] = Value(value, Source(path, line))
        line += text.count("\n", at, end + 1)
        at = end + 1
    return variables


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return end if end >= 0 else len(text)


def _value(text: str, at: int) -> tuple[str, int]:
    """Read quoted parts, then one that is not; a backslash or a quote carries it over the end of a line."""
    written = ""
    while quoted := _QUOTED.match(text, at):
        written += quoted[1] or re.sub(r"""\\([\\"`$])|\\\n""", r"\1", quoted[2] or "")
        at = quoted.end()
    bare = _BARE.match(text, at)
    if bare is not None:
        written += re.sub(r"\\(.)", r"\1", bare[1].replace("\\\n", "")).rstrip()
        at = bare.end()
    return written, _line_end(text, at)

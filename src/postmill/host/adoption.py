"""Taking a milter over from the MTA's configuration into postmill.toml, as a text that is put at its end.

What the administrator wrote there stays as it is. ``check`` reads the result as Postmill itself will.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from postmill.api.kinds import Duration, quoted
from postmill.config import ConfigErrors, Loaded
from postmill.daemon.configuration import parse_configuration
from postmill.errors import ConfigError
from postmill.host.known import Place, place
from postmill.wire.endpoint import Endpoint

_ACTIONS = ("accept", "tempfail", "reject", "quarantine", "shutdown")
_NAMELESS = {"milter", "sock", "socket", "ctl", "filter"}


@dataclass(frozen=True, slots=True)
class Adoption:
    """A milter as the MTA has it."""

    written: str
    """How the MTA's configuration spells it."""
    name: str
    socket: Endpoint
    on_error: str = "tempfail"
    timeouts: Mapping[str, float] = field(default_factory=dict)
    """Seconds for ``connect``, ``command``, ``content``, where they shall differ from Postmill's defaults."""


def adopt(text: str, adoptions: Iterable[Adoption]) -> str:
    """Put a table for each milter at the end of a postmill.toml."""
    tables = "\n".join(_table(adoption) for adoption in adoptions)
    if not tables:
        return text
    gap = "\n" if text.endswith("\n") or not text else "\n\n"
    return f"{text}{gap if text else ''}{tables}"


def _table(adoption: Adoption) -> str:
    lines = [f"[milters.{adoption.name}]", f"socket = {quoted(str(adoption.socket))}"]
    if adoption.on_error in _ACTIONS and adoption.on_error != "tempfail":
        lines.append(f"on_error = {quoted(adoption.on_error)}")
    if adoption.timeouts:
        kind = Duration()
        times = (f"{name} = {kind.show(seconds)}" for name, seconds in adoption.timeouts.items())
        lines.append(f"timeouts = {{ {', '.join(times)} }}")
    return "\n".join(lines) + "\n"


def named(found: Mapping[str, Adoption], taken: Collection[str]) -> dict[str, Adoption]:
    """Name each milter after its socket; two spellings of one socket become one milter."""
    names, by_place = set(taken), dict[Place, Adoption]()
    for adoption in found.values():
        if place(adoption.socket) not in by_place:
            name = adoption.name or _name(adoption.socket)
            free = next(each for each in numbered(name) if each not in names)
            names.add(free)
            by_place[place(adoption.socket)] = replace(adoption, name=free)
    return {text: by_place[place(adoption.socket)] for text, adoption in found.items()}


def _name(endpoint: Endpoint) -> str:
    """Make up a name from a socket: its file's, else its directory's, else its port's."""
    directory, file = posixpath.split(endpoint.path)
    words = [file.partition(".")[0], posixpath.basename(directory)]
    bare = (re.sub(r"[^A-Za-z0-9_-]+", "-", word).strip("-_") for word in words)
    return next((word for word in bare if word and word not in _NAMELESS), f"milter-{endpoint.port or 1}")


def numbered(name: str) -> Iterator[str]:
    """Count on from a name: ``name``, ``name-2``, ``name-3`` …"""
    yield name
    for number in itertools.count(2):
        yield f"{name}-{number}"


def check(loaded: Loaded, text: str, names: Collection[str]) -> None:
    """Read the new text as Postmill will; ConfigError when it is not the old one and the new milters."""
    try:
        settings = parse_configuration(loaded.file, text).settings
    except ConfigErrors as error:
        raise _refused(loaded, names, str(error).replace(f"{loaded.file}:", "line ")) from error
    others = tuple(milter for milter in settings.milters if milter.name not in names)
    added = {milter.name for milter in settings.milters} - {milter.name for milter in others}
    if replace(settings, milters=others) != loaded.settings or added != set(names):
        raise _refused(loaded, names, "it would not be read as meant")


def _refused(loaded: Loaded, names: Collection[str], reason: str) -> ConfigError:
    tables = ", ".join(f"[milters.{name}]" for name in names)
    return ConfigError(
        f"{tables} cannot be put at the end of this file: {reason}",
        file=loaded.file,
        hint="write the milters into it by hand and leave out --adopt",
    )

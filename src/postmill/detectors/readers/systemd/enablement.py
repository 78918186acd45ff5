"""Whether systemd starts a unit at boot, read from links as systemctl(1) ``is-enabled`` reads them.

Presets and what a distribution's packaging remembers say nothing about it and are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postmill.api.host import Host, State
from postmill.detectors.readers.systemd.units import DIRECTORIES, NOWHERE, Unit, load_unit

_PULLS = (".wants", ".requires", ".upholds")
_DEEPEST = 5


@dataclass(frozen=True, slots=True)
class Enablement:
    """A state and the file that shows it."""

    state: State
    because: str


def unit_state(host: Host, unit: Unit) -> Enablement:
    """Tell whether a unit is started."""
    if unit.is_masked:
        how = "leads to /dev/null" if host.link(unit.file) else "is empty"
        return Enablement(State.MASKED, f"masked: {unit.file} {how} (systemctl unmask {unit.name})")
    if link := next(_pulling_links(host, unit.name), ""):
        return Enablement(State.ENABLED, f"enabled: {link}")
    if not unit.can_be_enabled:
        return Enablement(State.DISABLED, f"static: {unit.file} has no [Install], and nothing wants it")
    because = f"disabled: no .wants directory has {unit.name} (systemctl enable {unit.name})"
    return Enablement(State.DISABLED, because)


def _pulling_links(host: Host, name: str, depth: int = 0) -> Iterator[str]:
    """Give the links by which something that is started itself pulls a unit in."""
    for directory in DIRECTORIES:
        for folder in host.names(directory):
            owner, dot, kind = folder.rpartition(".")
            if f"{dot}{kind}" not in _PULLS or name not in host.names(f"{directory}/{folder}"):
                continue
            path = f"{directory}/{folder}/{name}"
            if host.link(path) != NOWHERE and _is_reached(host, owner, depth):
                yield path


def _is_reached(host: Host, owner: str, depth: int) -> bool:
    """Tell whether the unit that wants another is started: targets are taken to be."""
    if owner.endswith(".target"):
        return True
    unit = load_unit(host, owner) if depth < _DEEPEST else None
    if unit is None or unit.is_masked:
        return False
    return next(_pulling_links(host, owner, depth + 1), "") != ""

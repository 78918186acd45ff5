"""What each key means, in words, read off the schema: for ``config describe`` and the reference page."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, replace
from types import MappingProxyType
from typing import Any

from postmill.api.kinds import ListOf
from postmill.api.milter import Milter
from postmill.api.settings import Section, Table, keys_of
from postmill.config.conditions import NO_CONDITIONS, Shelf
from postmill.config.observing import (
    GraphsSettings,
    HistorySettings,
    MetricsSettings,
    TracingSettings,
    WebSettings,
)
from postmill.config.settings import (
    ControlSettings,
    FilterSettings,
    LogSettings,
    ManagerSettings,
    MilterSettings,
    StoreSettings,
)
from postmill.errors import ConfigError

_OWN = "filter.settings."
"""Before the key of a setting that is a filter's own."""
NO_FILTERS: Mapping[str, Milter] = MappingProxyType({})
TABLES: tuple[tuple[str, type[Any], str], ...] = (
    ("manager", ManagerSettings, "How Postmill itself listens, runs and answers the MTA."),
    ("log", LogSettings, "What Postmill writes about its work, and where."),
    (
        "control",
        ControlSettings,
        "Where the running daemon is asked and told things, and who may tell it: see `docs/control.md`.",
    ),
    (
        "store",
        StoreSettings,
        "Where filters keep what they have to remember, shared by all workers: see `docs/stores.md`.",
    ),
    (
        "history",
        HistorySettings,
        "What is kept of each message, for those who ask later: see `docs/history.md`.",
    ),
    ("metrics", MetricsSettings, "Where numbers are told to monitoring: see `docs/metrics.md`."),
    ("tracing", TracingSettings, "Where traces of messages are sent: see `docs/tracing.md`."),
    (
        "graphs",
        GraphsSettings,
        "Where `postmill graph` keeps its databases and draws its pages: see `docs/graphs.md`.",
    ),
    (
        "web",
        WebSettings,
        "The dashboard: where browsers reach it, and who may log in: see `docs/dashboard.md`.",
    ),
    (
        "milters.NAME",
        MilterSettings,
        "One milter. They are asked in the order of the file, unless `order` says otherwise. NAME is yours "
        "to choose; it appears in the log.",
    ),
    (
        "filter",
        FilterSettings,
        "One milter that runs inside Postmill, in a table `[[filter]]`: see `docs/filters.md`. `name` is the "
        "one it has in the log, if not its own. The milter's own settings stand in `[filter.settings]`.",
    ),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One key: its dotted name, what it may be, its default as TOML ("" when required), and its meaning."""

    key: str
    allowed: str
    default: str
    doc: str
    use: str = ""
    """For a filter's own setting: which filter's."""

    @property
    def default_text(self) -> str:
        """The default, or that there is none."""
        return f"default: {self.default}" if self.default else "required"

    def is_called(self, wanted: str) -> bool:
        """Tell whether a person may mean this by a key or a part of one."""
        own = self.key.removeprefix(_OWN)
        names = (self.key, f"{self.use}.{own}", f"{self.use}.settings.{own}") if self.use else (self.key,)
        return any(f".{wanted}." in f".{name}." for name in names)


def entries(
    within: str = "", shelf: Shelf = NO_CONDITIONS, filters: Mapping[str, Milter] = NO_FILTERS
) -> tuple[Entry, ...]:
    """Every key of the schema in its order, then of conditions, then of filters; or of one of ``TABLES``."""
    chosen = [(name, of) for name, of, _ in TABLES if within in {"", name}]
    if not within:
        chosen += [(f"conditions.{name}", one.settings) for name, one in shelf.items() if one.settings]
    found = [entry for name, of in chosen for entry in entries_of(of, f"{name}.")]
    for use, milter in () if within else filters.items():
        of_filter = entries_of(milter.settings, _OWN) if milter.settings else ()
        found += [replace(entry, use=use) for entry in of_filter]
    return tuple(found)


def entries_of(of: type[Any], prefix: str = "") -> Iterator[Entry]:
    """Every key that a class of settings declares, such as that of a condition."""
    for declared in keys_of(of):
        kind, name = declared.metadata["kind"], f"{prefix}{declared.name}"
        if isinstance(kind, Section):
            yield from entries_of(kind.of, f"{name}.")
        else:
            yield Entry(name, kind.allowed, _default(declared), declared.metadata["doc"])
            if isinstance(kind, ListOf) and isinstance(kind.item, Table):
                yield from entries_of(kind.item.of, f"{name}[].")


def _default(declared: Field[Any]) -> str:
    if declared.metadata["when_absent"]:
        return str(declared.metadata["when_absent"])
    if declared.default_factory is not MISSING:
        return str(declared.metadata["kind"].show(declared.default_factory()))
    return "" if declared.default is MISSING else str(declared.metadata["kind"].show(declared.default))


def find(
    key: str, shelf: Shelf = NO_CONDITIONS, filters: Mapping[str, Milter] = NO_FILTERS
) -> tuple[Entry, ...]:
    """The entries a person means by a key or a part of one: ``manager``, ``timeouts.connect``, ``on_error``.

    A milter's own name may stand for NAME, a filter's before its settings: ``clamav.file``.
    Raises ConfigError, with the nearest spelling, when there is none.
    """
    wanted, known = _general(key), entries(shelf=shelf, filters=filters)
    found = tuple(entry for entry in known if entry.is_called(wanted))
    if not found:
        words = {part for entry in known for part in (entry.key, entry.key.rpartition(".")[2], entry.use)}
        near = difflib.get_close_matches(wanted, sorted(words), 1)
        raise ConfigError(f"there is no key {key}", hint=f"did you mean {near[0]}?" if near else "")
    return found


def _general(key: str) -> str:
    """Put NAME in the place of a milter's name."""
    return re.sub(r"^milters\.[^.]+", "milters.NAME", key.strip().strip("[]"))

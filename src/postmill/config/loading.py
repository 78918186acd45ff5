"""From a file to ``Loaded``: read it, let ``tomllib`` parse it, let ``reading`` and ``checks`` judge it."""

from __future__ import annotations

import dataclasses
import os
from typing import TypeVar, cast

from postmill.config.checks import check
from postmill.config.conditions import NO_CONDITIONS, Shelf
from postmill.config.detected import Detect, Merged, is_wanted, merge
from postmill.config.documents import parse_document, read_text
from postmill.config.filters import FindFilter, no_filters
from postmill.config.observing import HistorySettings, MetricsSettings, TracingSettings
from postmill.config.origins import Loaded
from postmill.config.positions import key_lines
from postmill.config.problems import ConfigErrors
from postmill.config.reading import read_settings
from postmill.config.settings import ControlSettings, LogSettings
from postmill.config.tables import Reader, read_table

T = TypeVar("T")


def load(
    path: str | os.PathLike[str],
    conditions: Shelf = NO_CONDITIONS,
    detect: Detect | None = None,
    find_filter: FindFilter = no_filters,
) -> Loaded:
    """Read and check a configuration file that may name these ``conditions``.

    ``detect`` looks for milters on this machine; it is called when the file sets ``manager.detect``.
    ``find_filter`` knows which milter a ``[[filter]]`` uses.

    Raises ConfigErrors, which lists every problem: a file that cannot be read, faulty TOML, an unknown key, a
    value of the wrong kind, settings that contradict each other.
    """
    file = os.fspath(path)
    return parse(file, read_text(file), conditions, detect, find_filter)


def parse(
    file: str,
    text: str,
    conditions: Shelf = NO_CONDITIONS,
    detect: Detect | None = None,
    find_filter: FindFilter = no_filters,
) -> Loaded:
    """Read and check the text of a configuration; ``file`` names it in problems. Raises ConfigErrors."""
    document = parse_document(file, text)
    reader = Reader(file, key_lines(text))
    merged = merge(reader, document, detect) if is_wanted(document) else Merged(document)
    settings = read_settings(reader, merged.document, conditions, find_filter)
    warnings = merged.warnings
    if settings is not None:
        used = tuple(milter for milter in settings.milters if milter.name not in merged.left_out)
        settings = dataclasses.replace(settings, milters=used)
        warnings += check(settings, reader)
    if settings is None or reader.problems:
        raise ConfigErrors(reader.problems)
    return Loaded(file, settings, reader.origins, tuple(warnings))


def load_control(path: str | os.PathLike[str]) -> ControlSettings:
    """Read only how to reach the daemon, so that mistakes elsewhere keep nobody from asking and stopping it.

    Raises ConfigErrors when that cannot be told.
    """
    return _load_table(path, "control", ControlSettings)


def load_history(path: str | os.PathLike[str]) -> HistorySettings:
    """Read only where the history is, as ``load_control`` does."""
    return _load_table(path, "history", HistorySettings)


def load_log(path: str | os.PathLike[str]) -> LogSettings:
    """Read only how to log, as ``load_control`` does."""
    return _load_table(path, "log", LogSettings)


def load_metrics(path: str | os.PathLike[str]) -> MetricsSettings:
    """Read only where numbers are told, as ``load_control`` does."""
    return _load_table(path, "metrics", MetricsSettings)


def load_tracing(path: str | os.PathLike[str]) -> TracingSettings:
    """Read only where traces are sent, as ``load_control`` does."""
    return _load_table(path, "tracing", TracingSettings)


def _load_table(path: str | os.PathLike[str], name: str, of: type[T]) -> T:
    file = os.fspath(path)
    text = read_text(file)
    document = parse_document(file, text)
    reader = Reader(file, key_lines(text))
    settings = read_table(reader, of, (name,), document.get(name, {}))
    if settings is None:
        raise ConfigErrors(reader.problems)
    return cast("T", settings)

"""From a file to ``Loaded``: read it, let ``tomllib`` parse it, let ``reading`` and ``checks`` judge it."""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from pathlib import Path
from typing import Any, cast

from postmill.config.checks import check
from postmill.config.conditions import NO_CONDITIONS, Shelf
from postmill.config.detected import Detect, Merged, is_wanted, merge
from postmill.config.filters import FindFilter, no_filters
from postmill.config.origins import Loaded
from postmill.config.positions import key_lines
from postmill.config.problems import ConfigErrors
from postmill.config.reading import read_settings
from postmill.config.settings import ControlSettings
from postmill.config.tables import Reader, read_table
from postmill.errors import ConfigError

DEFAULT_FILE = "/etc/postmill/postmill.toml"


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
    return parse(file, _text(file), conditions, detect, find_filter)


def parse(
    file: str,
    text: str,
    conditions: Shelf = NO_CONDITIONS,
    detect: Detect | None = None,
    find_filter: FindFilter = no_filters,
) -> Loaded:
    """Read and check the text of a configuration; ``file`` names it in problems. Raises ConfigErrors."""
    document = _parse(file, text)
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
    file = os.fspath(path)
    text = _text(file)
    document = _parse(file, text)
    reader = Reader(file, key_lines(text))
    control = read_table(reader, ControlSettings, ("control",), document.get("control", {}))
    if control is None:
        raise ConfigErrors(reader.problems)
    return cast("ControlSettings", control)


def _text(file: str) -> str:
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        hint = f"write one, or name another with --config; the default is {DEFAULT_FILE}"
        missing = isinstance(error, FileNotFoundError)
        problem = ConfigError(f"cannot be read: {error.strerror}", file=file, hint=hint if missing else "")
        raise ConfigErrors([problem]) from error
    try:
        # TOML knows LF and CRLF; ``tomllib`` reads both, and lines must count the same here.
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = ConfigError(f"byte 0x{data[error.start]:02x} is not UTF-8", file=file, line=line)
        raise ConfigErrors([problem]) from error


def _parse(file: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigErrors([_syntax_problem(file, text, str(error))]) from error
    except RecursionError as error:
        raise ConfigErrors([ConfigError("tables or lists are nested too deeply", file=file)]) from error


def _syntax_problem(file: str, text: str, message: str) -> ConfigError:
    """Take the position out of ``tomllib``'s message and put it where ours stands."""
    what, _, where = message.rpartition(" (at ")
    found = re.fullmatch(r"line (\d+), column (\d+)\)", where)
    line = int(found[1]) if found else text.count("\n") + 1
    column = f"column {found[2]}" if found else "end of the file"
    return ConfigError(f"no valid TOML: {what or message} at {column}", file=file, line=line)

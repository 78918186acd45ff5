"""From a file to a TOML document, or to a problem with its place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from postmill.config.problems import ConfigErrors
from postmill.errors import ConfigError

DEFAULT_FILE = "/etc/postmill/postmill.toml"


def read_text(file: str) -> str:
    """Return the text of a file with LF as line ends; raises ConfigErrors."""
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


def parse_document(file: str, text: str) -> dict[str, Any]:
    """Return the document that a TOML text is; raises ConfigErrors with line and column."""
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

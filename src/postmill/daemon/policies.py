"""The administrator's own conditions: Python files in ``policy.d`` beside the configuration file.

Each file is executed anew whenever the configuration is loaded, and the conditions it defines are taken;
nothing is registered anywhere. It runs with the rights of whoever loads it, so one that others may write is
refused.
"""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from postmill.api.conditions import Condition
from postmill.config.own_code import OWN_FAILURES, failure, place
from postmill.errors import ConfigError

DIRECTORY = "policy.d"


def directory_of(config_file: str) -> Path:
    """Return where the policies of a configuration file stand."""
    return Path(config_file).absolute().parent / DIRECTORY


def load_policies(directory: Path, taken: Mapping[str, Condition]) -> Mapping[str, Condition]:
    """Return the conditions of all files, by name; none when there is no such directory.

    ``taken`` are those there are already. Raises ConfigError with file and line: a file that cannot be read
    or executed, that others may write, or a name given twice.
    """
    found: dict[str, Condition] = {}
    origin: dict[str, Path] = {}
    for file in _files(directory):
        for value in _conditions(execute(file, "postmill_policy")):
            if value.name in taken:
                raise _problem(file, f"condition {value.name} is built in; choose another name", value)
            if value.name in found:
                raise _problem(file, f"condition {value.name} stands in {origin[value.name]} already", value)
            found[value.name], origin[value.name] = value, file
    return found


def _files(directory: Path) -> list[Path]:
    try:
        return sorted(entry for entry in directory.iterdir() if entry.suffix == ".py")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(directory)) from error


def execute(file: Path, prefix: str) -> ModuleType:
    """Execute a file of the administrator's as a module; its name is the prefix and that of the file.

    Raises ConfigError with file and line: a file that cannot be read or executed, or that others may write.
    """
    _refuse_foreign(file)
    name = f"{prefix}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        exec(compile(file.read_bytes(), file, "exec"), vars(module))  # noqa: S102 - never a stale byte code file
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from error
    except SyntaxError as error:
        line = error.lineno or 0 if error.filename == str(file) else 0
        raise ConfigError(f"SyntaxError: {error.msg}", file=str(file), line=line) from error
    except OWN_FAILURES as error:
        raise ConfigError(failure(error), file=str(file), line=place(error, str(file))[1]) from error
    return module


def _refuse_foreign(file: Path) -> None:
    """Do not execute what somebody else than root and whoever we are could have written."""
    try:
        status = file.stat()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from error
    if stat.S_IMODE(status.st_mode) & stat.S_IWOTH:
        raise ConfigError("may be written by anybody", file=str(file), hint=f"chmod o-w {file}")
    if os.geteuid() == 0 and status.st_uid != 0:
        hint = f"chown root {file}"
        raise ConfigError("belongs to another user, and would be executed as root", file=str(file), hint=hint)


def _conditions(module: ModuleType) -> Iterator[Condition]:
    """Yield the conditions that a file defines; those it imported belong to somebody else."""
    for value in vars(module).values():
        if isinstance(value, Condition) and value.function.__module__ == module.__name__:
            yield value


def _problem(file: Path, message: str, condition: Condition) -> ConfigError:
    return ConfigError(message, file=str(file), line=condition.function.__code__.co_firstlineno)

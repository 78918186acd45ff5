"""The cases beside a configuration: played by ``postmill policy test``, and before every reload."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from postmill.config import ConfigErrors, Loaded
from postmill.errors import ConfigError
from postmill.testing.policy_cases import Placed, load_cases
from postmill.testing.policy_playing import Result, play_case


def case_files(config_file: str) -> list[Path]:
    """Return the files of cases of a configuration."""
    from postmill.daemon.policies import directory_of  # noqa: PLC0415

    return sorted(directory_of(config_file).glob("*.toml"))


def play_cases(config_file: str, cases: Iterable[Placed]) -> list[Result]:
    """Play cases through the chain of a configuration; raises ConfigErrors."""
    from postmill.daemon.configuration import load_configuration  # noqa: PLC0415

    return _play(load_configuration(config_file), cases)


def _play(loaded: Loaded, cases: Iterable[Placed]) -> list[Result]:
    from postmill.daemon.composition import plan_of  # noqa: PLC0415

    plan = plan_of(loaded.settings)
    return [play_case(plan, placed) for placed in cases]


def rehearsed(loaded: Loaded) -> Loaded:
    """Return the configuration if all its cases come out as expected; raises ConfigErrors if not."""
    placed = [one for path in case_files(loaded.file) for one in load_cases(path)]
    problems = [
        ConfigError(
            f"case {result.placed.case.name!r}: {complaint}", file=result.placed.file, line=result.placed.line
        )
        for result in _play(loaded, placed)
        for complaint in result.complaints
    ]
    if problems:
        raise ConfigErrors(problems)
    return loaded

"""All that is wrong with a configuration, told at once."""

from __future__ import annotations

from collections.abc import Sequence

from postmill.errors import ConfigError


class ConfigErrors(ConfigError):  # noqa: N818 - it is several of them
    """Everything that is wrong with a configuration: ``problems``, in the order of the file."""

    def __init__(self, problems: Sequence[ConfigError]) -> None:
        ordered = sorted(problems, key=lambda problem: problem.line)
        first = ordered[0]
        super().__init__(first.message, file=first.file, line=first.line, key=first.key, hint=first.hint)
        self.problems = tuple(ordered)

    def __str__(self) -> str:
        """One line for each problem."""
        return "\n".join(str(problem) for problem in self.problems)

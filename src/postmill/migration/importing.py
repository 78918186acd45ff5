"""The whole way from texts of the predecessor to a text of ours, with a last look by our own reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postmill.config import ConfigErrors, parse
from postmill.config.conditions import Shelf
from postmill.errors import ConfigError
from postmill.migration.carrying import carry
from postmill.migration.document import Table
from postmill.migration.interpreting import Declared, interpret
from postmill.migration.remarks import Remark, Remarks


@dataclass(frozen=True, slots=True)
class Imported:
    """Our TOML, and what there is to say about it, in the order of the files and their lines."""

    toml: str
    remarks: tuple[Remark, ...]

    @property
    def is_complete(self) -> bool:
        """Whether nothing was lost."""
        return all(remark.severity == "note" for remark in self.remarks)


def import_texts(texts: Mapping[str, str], shelf: Shelf) -> Imported:
    """Translate the texts of files, by their names; they are read one after another, as one configuration.

    Raises ConfigError, with line and column, for a text that is not whole.
    """
    remarks = Remarks()
    declared = interpret(texts, remarks)
    while True:
        said = Remarks([*remarks.found])
        tables = carry(declared, shelf, said)
        toml = _written(tables)
        problems = _problems(toml, shelf)
        if not problems:
            break
        _leave_out(declared, tables, problems, remarks)
    order = {file: number for number, file in enumerate(texts)}
    found = sorted(said.found, key=lambda remark: (order[remark.place.file], remark.place.line))
    return Imported(toml, tuple(found))


def _written(tables: list[Table]) -> str:
    blocks = ["\n".join(lines) for table in tables if (lines := table.lines())]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _problems(toml: str, shelf: Shelf) -> Sequence[ConfigError]:
    try:
        parse("", toml, shelf)
    except ConfigErrors as errors:
        return errors.problems
    return ()


def _leave_out(
    declared: Declared, tables: list[Table], problems: Sequence[ConfigError], remarks: Remarks
) -> None:
    """Forget the milters that our reader refuses: such a one contradicts something else."""
    refused = {".".join(problem.key.split(".")[:2]): problem for problem in problems}
    for table in tables:
        if table.milter and (problem := refused.pop(table.name, None)):
            milter = declared.milters.pop(table.milter)
            remarks.lost(milter.place, f"{problem.key}: {problem.message}", problem.hint)
    if refused:
        raise ConfigErrors(list(refused.values()))

"""The whole way from texts of the predecessor to a text of ours, with a last look by our own reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from postmill.config import ConfigErrors, parse
from postmill.config.conditions import Shelf
from postmill.migration.carrying import Carrier
from postmill.migration.document import Table
from postmill.migration.interpreting import Interpreter
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
    declared = Interpreter(texts, remarks).run()
    tables = Carrier(declared, shelf, remarks).tables()
    places = {table.name: milter.place for table, milter in _pairs(tables, declared.milters)}
    toml = _written(tables)
    while problems := _problems(toml, shelf):
        for problem in problems:
            name = ".".join(problem.key.split(".")[:2])
            remarks.lost(places[name], f"{problem.key}: {problem.message}")
            tables = [table for table in tables if table.name != name]
        toml = _written(tables)
    order = {file: number for number, file in enumerate(texts)}
    found = sorted(remarks.found, key=lambda remark: (order[remark.place.file], remark.place.line))
    return Imported(toml, tuple(found))


def _written(tables: list[Table]) -> str:
    blocks = ["\n".join(lines) for table in tables if (lines := table.lines())]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _problems(toml: str, shelf: Shelf):
    try:
        parse("imported.toml", toml, shelf)
    except ConfigErrors as errors:
        return errors.problems
    return ()

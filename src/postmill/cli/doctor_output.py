"""What ``postmill doctor`` prints: findings by checkup, tables, commands; or that as JSON."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence

import click

from postmill.host.diagnosis import Diagnosis, Level, Table, worst
from postmill.host.mending import Mended, fixes

_COLOURS = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.ERROR: "red"}
_WIDTH = max(len(level.word) for level in Level) + 2
_MARGIN = " " * (_WIDTH + 2)


def show(diagnoses: Sequence[Diagnosis], *, quiet: bool) -> None:
    """Print all findings, or only what is wrong, and a line that sums them up."""
    shown = [one for one in diagnoses if one.level >= Level.WARNING or not quiet]
    for check, found in itertools.groupby(shown, lambda one: one.check):
        click.echo(click.style(check, bold=True))
        for one in found:
            _finding(one)
    if shown:
        click.echo(_summary(diagnoses))


def _finding(one: Diagnosis) -> None:
    word = click.style(f"{one.level.word:<{_WIDTH}}", fg=_COLOURS[one.level])
    click.echo(f"  {word}{one.text}")
    if one.table is not None:
        _table(one.table)
    if one.advice:
        click.echo(f"{_MARGIN}{one.advice}")
    if one.command:
        click.echo(f"{_MARGIN}{click.style(f'$ {one.shell}', bold=True)}")


def _table(table: Table) -> None:
    widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    for number, row in enumerate((table.columns, *table.rows)):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo(_MARGIN + click.style("  ".join(cells).rstrip(), dim=number == 0))


def _summary(diagnoses: Sequence[Diagnosis]) -> str:
    counts = {level: sum(one.level == level for one in diagnoses) for level in (Level.ERROR, Level.WARNING)}
    words = [_counted(number, level.word) for level, number in counts.items() if number]
    safe = len(fixes(diagnoses))
    offer = f"; --fix runs {_counted(safe, 'safe command')}" if safe else ""
    return f"{', '.join(words) or 'all is well'}{offer}"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def show_plan(plan: Iterable[Diagnosis]) -> None:
    """Print the commands that --fix would run."""
    for fix in plan:
        click.echo(f"would run: {fix.shell}")
    click.echo("dry run: nothing was changed")


def show_fix(fix: Diagnosis) -> None:
    """Print a command before it is run, and why."""
    click.echo(f"{fix.check}: {fix.text}")
    click.echo(click.style(f"$ {fix.shell}", bold=True))


def show_mended(done: Mended) -> None:
    """Print what a command said, and its exit status where it failed."""
    for line in done.output.splitlines():
        click.echo(f"  {line}")
    if done.status:
        click.echo(click.style(f"  exit status {done.status}", fg="red"))


def print_json(diagnoses: Sequence[Diagnosis], mended: Sequence[Mended]) -> None:
    """Print everything as one JSON object."""
    ran = [{"command": one.shell, "status": one.status, "output": one.output} for one in mended]
    values = {
        "level": worst(diagnoses).word,
        "diagnoses": [one.as_values() for one in diagnoses],
        "ran": ran,
    }
    click.echo(json.dumps(values, indent=2, ensure_ascii=False))

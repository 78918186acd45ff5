"""``postmill policy``: list the conditions that a configuration may name, and play its cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from postmill.cli.options import config_file
from postmill.cli.rehearsing import case_files, play_cases
from postmill.testing.policy_cases import load_cases
from postmill.testing.policy_playing import Result


@click.group()
def command() -> None:
    """Try out which milters are asked about which mail, and why."""


@command.command("list")
@config_file
def list_conditions(config_file: str) -> None:
    """List the conditions that `when` may name, built in or from policy.d, each with its first sentence."""
    from postmill.daemon.configuration import conditions_for  # noqa: PLC0415 - only this command needs it

    conditions = conditions_for(config_file)
    width = max(map(len, conditions), default=0)
    for name, condition in sorted(conditions.items()):
        stages = " or ".join(noun.__name__.lower() for noun in condition.nouns)
        click.echo(f"{name:<{width}}  {condition.doc.partition(chr(10))[0]} [{stages}]")


@command.command()
@config_file
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Print for every case who was asked, and why not.")
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False))
@click.pass_context
def test(ctx: click.Context, config_file: str, as_json: bool, verbose: bool, files: tuple[str, ...]) -> None:
    """Play the cases in FILES (policy.d/*.toml beside the configuration) through the configured chain.

    Milters are played from the answers in the case, DNS, time and load as it says; nothing is connected to.
    Exit status 0 when everything is as expected, 1 when not, 78 for a mistake in a file.
    """
    paths = [Path(file) for file in files] or case_files(config_file)
    placed = [one for path in paths for one in load_cases(path)]
    results = play_cases(config_file, placed)
    if as_json:
        click.echo(json.dumps([_as_values(result) for result in results], indent=2, ensure_ascii=False))
    else:
        for result in results:
            _print(result, verbose)
        click.echo(_summary(results))
    ctx.exit(any(result.complaints for result in results))


def _as_values(result: Result) -> dict[str, Any]:
    placed = result.placed
    return {
        "name": placed.case.name,
        "file": placed.file,
        "line": placed.line,
        "complaints": list(result.complaints),
        "record": result.record.as_dict(),
    }


def _print(result: Result, verbose: bool) -> None:
    word = click.style("FAIL", fg="red") if result.complaints else click.style("ok", fg="green")
    if result.complaints or verbose:
        click.echo(f"{word:<4} {result.placed.file}:{result.placed.line}: {result.placed.case.name}")
    for complaint in result.complaints:
        click.echo(f"     {complaint}")
    if not verbose:
        return
    for child in result.record.children.values():
        skipped = child.skipped
        why = f" ({skipped.name}: {skipped.because})" if skipped is not None else ""
        click.echo(f"     {child.name}: {child.verdict}{why}")


def _summary(results: list[Result]) -> str:
    if not results:
        return "no cases"
    failed = sum(bool(result.complaints) for result in results)
    cases = "1 case" if len(results) == 1 else f"{len(results)} cases"
    return f"{cases}, {failed} not as expected" if failed else f"{cases}, all as expected"

"""``postmill detect``: which milters a machine has, where they listen, and whether they can be used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from postmill.api.host import Finding, Platform
from postmill.daemon.machine import Machine
from postmill.detectors import Detection, detect


@click.command("detect")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False),
    default="/",
    show_default=True,
    help="Look at the machine whose files are below this directory.",
)
@click.option(
    "--platform",
    type=click.Choice([platform.value for platform in Platform]),
    help="What kind of machine it is, where it does not say so itself.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(root: str, platform: str | None, as_json: bool) -> None:
    """Find the milters installed on this machine.

    Prints each in the order in which they are asked, with its socket, where that is said, and the conditions
    under which it is usually asked; for one that cannot be used, why not. With `detect = true` in the
    configuration, those that can are used. Nothing is changed, and nothing is connected to.
    """
    detection = detect(Machine(root), Platform(platform) if platform else None)
    if as_json:
        click.echo(json.dumps(values(detection), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(detection)))


def values(detection: Detection) -> dict[str, Any]:
    """Return what was found as JSON has it."""
    return {"platform": detection.platform, "milters": [_values(one) for one in detection.findings]}


def _values(finding: Finding) -> dict[str, Any]:
    source = finding.source
    return {
        "name": finding.name,
        "usable": finding.usable,
        "package": "installed" if finding.installed else "removed",
        "state": finding.state,
        "socket": str(finding.socket) if finding.socket else None,
        "source": {"file": source.file, "line": source.line, "words": source.words},
        "when": list(finding.when),
        "order": finding.order,
        "settings": dict(finding.settings),
        "description": finding.description,
        "problem": finding.problem,
        "notes": list(finding.notes),
    }


def _lines(detection: Detection) -> Iterator[str]:
    findings = detection.findings
    usable = sum(finding.usable for finding in findings)
    if not findings:
        yield f"No milter that Postmill knows is installed here ({detection.platform})."
        return
    rows = [("order", "milter", "state", "socket", "said in"), *map(_row, findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    yield _aligned(rows[0], widths)
    for finding, row in zip(findings, rows[1:], strict=True):
        yield _aligned(row, widths)
        yield from _details(finding)
    yield f"{detection.platform}: {usable} of {len(findings)} can be used."


def _row(finding: Finding) -> tuple[str, str, str, str, str]:
    state = finding.state.value if finding.installed else "removed"
    socket = str(finding.socket) if finding.socket else "-"
    return str(finding.order), finding.name, state, socket, str(finding.source) or "-"


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
    return "  ".join([*cells, row[-1]])


def _details(finding: Finding) -> Iterator[str]:
    if finding.problem:
        yield f"       not used: {finding.problem}"
    if finding.when:
        yield f"       when {', '.join(finding.when)}"
    yield from (f"       {note}" for note in finding.notes)

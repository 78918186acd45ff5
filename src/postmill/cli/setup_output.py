"""What ``postmill setup`` prints: diffs, what was decided and why, what is left to do; or that as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import click

from postmill.cli import remark
from postmill.host.plan import Change, Plan


@dataclass(slots=True)
class Report:
    """What is known at the end of a run."""

    changes: tuple[Change, ...]
    dry_run: bool
    undone: bool = False
    address: str = ""
    removed: tuple[tuple[str, str], ...] = ()
    adopted: tuple[tuple[str, str], ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    conflicts: tuple[Change, ...] = ()
    layer: str = ""
    backup: str = ""
    built: str = ""
    commands: list[str] = field(default_factory=list)
    """What is left to do by hand."""

    @classmethod
    def of(cls, plan: Plan, dry_run: bool) -> Report:
        """Begin with a plan."""
        return cls(
            plan.changes,
            dry_run,
            address=plan.address,
            removed=plan.removed,
            adopted=plan.adopted,
            kept=plan.kept,
            notes=plan.notes,
            warnings=plan.warnings,
        )

    def touches(self, ending: str) -> bool:
        """Tell whether a file with this ending is among the changes."""
        return any(change.path.endswith(ending) for change in self.changes)


def show(report: Report, as_json: bool) -> None:
    """Print what would change and why, before anybody is asked."""
    if as_json:
        return
    for change in report.changes:
        _diff(change.diff())
    for change in report.conflicts:
        click.echo(f"changed since setup wrote {change.path}:")
        _diff(change.diff())
    for written, name in report.removed:
        click.echo(f"out: {written} (Postmill asks it: {name})")
    for written, name in report.adopted:
        click.echo(f"adopted: {written} (now [milters.{name}])")
    for written, why in report.kept:
        click.echo(f"stays: {written} ({why})")
    for note in report.notes:
        click.echo(f"note: {note}")
    for warning in report.warnings:
        remark("postmill", "warning", warning)


def finish(report: Report, as_json: bool) -> None:
    """Print what was done and what is left to do."""
    if as_json:
        click.echo(json.dumps(_as_values(report), indent=2, ensure_ascii=False))
        return
    if not report.changes and not report.built:
        click.echo(_nothing(report))
        return
    if report.dry_run:
        click.echo("dry run: nothing was changed")
        return
    paths = ", ".join(change.path for change in report.changes)
    if paths:
        click.echo(f"{'restored' if report.undone else 'changed'}: {paths}")
    if report.backup:
        click.echo(f"as it was: {report.backup}; back to it with --undo")
    if report.built:
        click.echo(f"made: {report.built}")
    for command in report.commands:
        click.echo(f"now: {command}")


def _nothing(report: Report) -> str:
    if report.undone:
        return "nothing to undo"
    return f"nothing to do: Postmill is in place, {report.address}"


def _diff(text: str) -> None:
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in _text(text).removesuffix("\n").split("\n"):
        click.echo(click.style(line, fg=colours.get(line[:1])))


def _as_values(report: Report) -> dict[str, Any]:
    return {
        "changed": bool(report.changes) and not report.dry_run,
        "dry_run": report.dry_run,
        "undone": report.undone,
        "address": report.address,
        "files": [{"path": change.path, "diff": _text(change.diff())} for change in report.changes],
        "backup": report.backup,
        "built": report.built,
        "removed": _pairs(report.removed, "name"),
        "adopted": _pairs(report.adopted, "name"),
        "kept": _pairs(report.kept, "why"),
        "notes": list(report.notes),
        "warnings": list(report.warnings),
        "commands": report.commands,
    }


def _pairs(pairs: Iterable[tuple[str, str]], second: str) -> list[dict[str, str]]:
    return [{"written": written, second: value} for written, value in pairs]


def _text(text: str) -> str:
    """Bytes that are no UTF-8, as the diff carries them, cannot be printed as they are."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

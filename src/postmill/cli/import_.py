"""``postmill import``: the configuration of another milter manager, as one of ours."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from postmill.cli import remark
from postmill.conditions import shelf
from postmill.errors import ConfigError, UnavailableError
from postmill.migration.importing import import_texts

INCOMPLETE = 1
"""Exit status: the TOML was written, but it does not say everything that the other configuration said."""
_STDIN = "-"


@click.group()
def command() -> None:
    """Carry the configuration of another milter manager over."""


@command.command("milter-manager")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--output", "-o", metavar="FILE", help="Write the TOML there instead of to the standard output."
)
@click.pass_context
def milter_manager(context: click.Context, files: tuple[str, ...], output: str | None) -> None:
    """Turn a configuration of milter-manager into one of Postmill.

    FILE is what `milter-manager --show-config` printed, or a milter-manager.conf; - is the standard input.
    Several files are read as one configuration, and one that another one loads is read at that place. Ruby
    code is never run. What was not carried over is named with its line on the standard error output, with
    advice.

    Exit status 0 when everything was carried over, 1 when something was not (the TOML is written all the
    same), 78 when a file is no whole configuration (nothing is written).
    """
    imported = import_texts({_name(file): _text(file) for file in files}, shelf())
    for one in imported.remarks:
        remark("postmill", one.severity, str(one))
    _write(imported.toml, output)
    context.exit(0 if imported.is_complete else INCOMPLETE)


def _name(file: str) -> str:
    return "standard input" if file == _STDIN else file


def _text(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == _STDIN else Path(file).read_bytes()
    except (OSError, ValueError) as error:
        raise UnavailableError(f"{file}: cannot be read: {getattr(error, 'strerror', error)}") from error
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        what = f"byte 0x{data[error.start]:02x} is not UTF-8 at column {column}"
        raise ConfigError(what, file=_name(file), line=line, hint="convert it with iconv(1)") from error


def _write(toml: str, output: str | None) -> None:
    if output is None:
        click.echo(toml, nl=False)
        return
    try:
        Path(output).write_text(toml)
    except (OSError, ValueError) as error:
        raise UnavailableError(f"{output}: cannot be written: {getattr(error, 'strerror', error)}") from error

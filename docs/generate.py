"""Writes the reference pages from the code: ``make docs``. A test fails when a page here is stale.

What stands in a reference page is said once, in the code: settings in their fields, commands in their
options, errors in their docstrings. What belongs in prose stands in the pages beside ``reference/``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

import postmill
from postmill.api import Condition, Resolver
from postmill.api.nouns import Client, Envelope, Greeting, Head, Message, Noun, Recipient, Sender
from postmill.cli import postmill as program
from postmill.conditions import shelf as conditions_shelf
from postmill.config.describing import TABLES, Entry, entries, entries_of
from postmill.detectors import shelf as detectors_shelf
from postmill.errors import PostmillError
from postmill.filters import shelf as filters_shelf
from postmill.metrics import CATALOGUE, LABELS

REFERENCE = Path(__file__).parent / "reference"
NOTICE = "<!-- Written by `make docs` from the code: change it there. -->\n"
SYSEXITS = {
    64: "EX_USAGE",
    69: "EX_UNAVAILABLE",
    70: "EX_SOFTWARE",
    74: "EX_IOERR",
    76: "EX_PROTOCOL",
    77: "EX_NOPERM",
    78: "EX_CONFIG",
}
PROGRAMS = ("milter-test-server", "milter-test-client")
"""Programs besides ``postmill``; each is a file in ``cli`` with an object ``command``."""

CONFIGURATION = """\
# Configuration

Postmill reads one TOML file, `/etc/postmill/postmill.toml` unless `--config` or the environment variable
`POSTMILL_CONFIG` names another. Only the socket of each milter has to be written. An unknown key or a wrong
value is an error that names file, line and key. `postmill config check` lists all of them at once, `postmill
config show` prints every value in effect and where it came from, `postmill config describe KEY` prints what
stands here.

Times are strings with a unit (`500ms`, `5s`, `2m`, `1h30m`, `1d`) or numbers of seconds. Sizes are strings
with a unit (`64KB`, `1MB`, `2GB`, powers of 1024) or numbers of bytes. Sockets are written as libmilter or as
Postfix writes them: `unix:/path`, `inet:port@host`, `inet6:port@host`, `inet:host:port`; without a host, the
loopback address is meant."""

COMMANDS = """\
# Commands

Every command explains itself with `--help`. `postmill send` and `postmill milter` are the tools for trying
milters and managers; `milter-test-server` and `milter-test-client` are the same under the names and options
that scripts may know."""

CONDITIONS = """\
# Conditions

The built-in conditions, for `when` in `[milters.NAME]`; how they work, and how to write one, is told in
[conditions](../conditions.md). Settings stand in `[conditions.NAME]`, or beside the name in `when`."""

FILTERS = """\
# Built-in filters

For `use` in `[[filter]]`; how they work is told in [filters](../filters.md). Settings stand in
`[filter.settings]`."""

STAGES: dict[type[Noun], str] = {
    Client: "when the client connects",
    Greeting: "at HELO",
    Sender: "at MAIL",
    Recipient: "at each RCPT",
    Envelope: "when all recipients are known",
    Head: "with the message's headers",
    Message: "with the whole message",
}
"""When each noun becomes known, in words."""

DETECTORS = """\
# Detectors

The milters that [detection](../detection.md) knows, in the row in which they are asked: those who follow see
what those before them did. `order` and `when` in `[milters.NAME]` change that."""

METRICS = """\
# Metrics

What `postmill metrics` tells Prometheus; how to read it there is told in [metrics](../metrics.md). Counters
begin with the daemon's start and never go down while it runs; they hold what all its workers have counted,
also those that are no more."""

ERRORS = """\
# Errors and exit statuses

A command ends with 0 when it did its work, with 2 when it was called wrongly, with 130 when it was
interrupted, and else with the status of the error that it prints as `postmill: error: …`. The statuses are
those of sysexits(3). Commands that report a verdict have statuses of their own for it: see
[commands](cli.md)."""

ERRORS_END = """\
An indented error is a special case of the one above it. A traceback instead of such a line is a mistake in
Postmill; please report it."""


def pages() -> dict[str, str]:
    """Give the text of each reference page by its file name."""
    made = {
        "configuration.md": configuration(),
        "conditions.md": conditions(),
        "cli.md": command_line(),
        "detectors.md": detectors(),
        "filters.md": filters(),
        "errors.md": errors(),
        "metrics.md": metrics(),
    }
    return {name: NOTICE + "\n" + text.rstrip() + "\n" for name, text in made.items()}


def configuration() -> str:
    """Describe every key of the configuration file."""
    parts = [CONFIGURATION]
    for table, _, doc in TABLES:
        parts += [f"## `[{table}]`", doc]
        for entry in entries(table):
            parts += [f"### `{entry.key.removeprefix(f'{table}.')}`", entry.doc, allowed(entry)]
    return "\n\n".join(parts)


def allowed(entry: Entry) -> str:
    """Say what a key may be, and its default."""
    default = f"Default: {code(entry.default)}." if entry.default else "Required."
    return f"{upper(entry.allowed)}. {default}"


def conditions() -> str:
    """Describe every condition on the shelf and its settings."""
    parts = [CONDITIONS]
    for name, one in sorted(conditions_shelf().items()):
        parts += [f"## `{name}`", prose(one.doc), decided(one)]
        settings = [] if one.settings is None else list(entries_of(one.settings))
        parts += ["\n".join(f"- `{entry.key}`: {entry.doc} {allowed(entry)}" for entry in settings)]
    return "\n\n".join(filter(None, parts))


def filters() -> str:
    """Describe every built-in filter and its settings."""
    parts = [FILTERS]
    for name, one in sorted(filters_shelf().items()):
        stages = dict.fromkeys(STAGES[handler.noun] for handler in one.handlers)
        parts += [f"## `{name}`", prose(one.doc), f"Asked {', '.join(stages)}."]
        settings = [] if one.settings is None else list(entries_of(one.settings))
        parts += ["\n".join(f"- `{entry.key}`: {entry.doc} {allowed(entry)}" for entry in settings)]
    return "\n\n".join(filter(None, parts))


def decided(one: Condition) -> str:
    """Say when a condition decides, and if it has to wait."""
    first, *more = (STAGES[noun] for noun in one.nouns)
    late = f", at the latest {more[-1]}" if more else ""
    waits = " Asks DNS." if Resolver in one.ports.values() else ""
    return f"Decides {first}{late}.{waits}"


def command_line() -> str:
    """Describe every command and its options."""
    parts = [COMMANDS, *described(program, "postmill")]
    for name in PROGRAMS:
        command = importlib.import_module(f"postmill.cli.{name.replace('-', '_')}").command
        parts += described(command, name)
    return "\n\n".join(parts)


def described(
    command: click.Command, name: str, level: int = 2, above: click.Context | None = None
) -> Iterator[str]:
    """Describe a command, then those below it."""
    context = click.Context(command, parent=above, info_name=name, **command.context_settings)
    usage = " ".join([name, *usage_pieces(command, context)])
    yield f"{'#' * level} `{name}`"
    yield f"    {usage}"
    yield prose(command.help or "")
    sections: dict[str, list[str]] = {}
    for parameter in command.get_params(context):
        if row := option_row(parameter):
            sections.setdefault(getattr(parameter, "section", ""), []).append(row)
    for title, rows in sections.items():
        yield "\n".join([f"| {title or 'option'} | meaning |", "|---|---|", *rows])
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from described(found, f"{name} {below}", min(level + 1, 4), context)


def usage_pieces(command: click.Command, context: click.Context) -> Iterator[str]:
    """Give what follows the name of a command."""
    parameters = command.get_params(context)
    if any(isinstance(parameter, click.Option) for parameter in parameters):
        yield "[OPTIONS]"
    for parameter in parameters:
        if isinstance(parameter, click.Argument):
            word = (parameter.metavar or parameter.name or "").upper().strip("[].")
            word += "..." if parameter.nargs != 1 else ""
            yield word if parameter.required else f"[{word}]"
    if isinstance(command, click.Group):
        yield "COMMAND [ARGS]..."


def option_row(parameter: click.Parameter) -> str:
    """Give the row of an option in the table; empty for arguments, --help and hidden options."""
    if not isinstance(parameter, click.Option) or parameter.hidden or "--help" in parameter.opts:
        return ""
    spelling = ", ".join([*parameter.opts, *parameter.secondary_opts])
    value = "" if parameter.is_flag or parameter.count else f" {metavar(parameter)}"
    notes = [*default_note(parameter), *environment_note(parameter)]
    text = f"{parameter.help or ''} {' '.join(notes)}".strip()
    cells = (f"`{spelling}{value}`", text)
    return "| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"


def metavar(parameter: click.Option) -> str:
    """Name the value of an option."""
    if parameter.metavar:
        return parameter.metavar
    if isinstance(parameter.type, click.Choice):
        return "/".join(str(choice) for choice in parameter.type.choices)
    return parameter.type.name.upper().split()[0]


def default_note(parameter: click.Option) -> Iterator[str]:
    """Say the default of an option where its help does."""
    if parameter.show_default and isinstance(parameter.default, str | int | float):
        yield f"Default: {code(str(parameter.default))}."


def environment_note(parameter: click.Option) -> Iterator[str]:
    """Say the environment variable of an option where its help does."""
    if parameter.show_envvar and parameter.envvar:
        yield f"Environment: {code(str(parameter.envvar))}."


def detectors() -> str:
    """Describe every milter that can be found, in the order in which they are asked."""
    found = sorted(detectors_shelf().values(), key=lambda one: one.order)
    rows = [
        f"| {one.order} | [{one.name}](#{one.name}) | {', '.join(one.when) or 'always'} |" for one in found
    ]
    parts = [DETECTORS, "\n".join(["| order | milter | usually asked under |", "|---|---|---|", *rows])]
    for one in found:
        module = inspect.getmodule(one.look)
        found_by = (inspect.getdoc(module) or "").partition(". ")[2]
        parts += [f"## {one.name}", prose(one.doc), prose(found_by)]
    return "\n\n".join(parts)


def metrics() -> str:
    """Describe every metric, then every label."""
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.meaning} |"
        for one in CATALOGUE
    ]
    table = "\n".join(["| metric | kind | labels | meaning |", "|---|---|---|---|", *rows])
    labels = "\n".join(
        ["| label | its values |", "|---|---|", *(f"| `{k}` | {v} |" for k, v in LABELS.items())]
    )
    return "\n\n".join([METRICS, table, "## Labels", labels])


def errors() -> str:
    """Describe every error and its exit status."""
    for module in pkgutil.walk_packages(postmill.__path__, "postmill."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    rows = ["| error | exit status | meaning |", "|---|---|---|", *error_rows(PostmillError)]
    return "\n\n".join([ERRORS, "\n".join(rows), ERRORS_END])


def error_rows(error: type[PostmillError], depth: int = 0) -> Iterator[str]:
    """Give the rows of an error and of its special cases."""
    status = f"{error.exit_status} {SYSEXITS[error.exit_status]}"
    meaning = (inspect.getdoc(error) or "").partition("\n\n")[0]
    yield f"| {'&emsp;' * depth}`{error.__name__}` | {status} | {prose(meaning).replace(chr(10), ' ')} |"
    for below in sorted(error.__subclasses__(), key=lambda one: one.__name__):
        yield from error_rows(below, depth + 1)


def prose(text: str) -> str:
    """Turn a docstring into Markdown; what click is told not to wrap, by a line with BS, becomes code."""
    paragraphs = inspect.cleandoc(text).replace("``", "`").split("\n\n")
    return "\n\n".join(indented(part[2:]) if part.startswith("\b\n") else part for part in paragraphs)


def indented(text: str) -> str:
    """Set lines as a block of code."""
    return "\n".join(f"    {line}".rstrip() for line in textwrap.dedent(text).splitlines())


def code(text: str) -> str:
    """Set a value in code, or leave a phrase as it is."""
    return text if " from " in text else f"`{text}`"


def upper(text: str) -> str:
    """Begin a sentence."""
    return text[0].upper() + text[1:]


def main() -> None:
    """Write every page that has changed."""
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        file = REFERENCE / name
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            print(f"wrote {file.relative_to(REFERENCE.parents[1])}")


if __name__ == "__main__":
    main()

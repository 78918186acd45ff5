"""The command line, top floor: one command per file; each parses its options, calls a room below, and prints.

``main`` starts ``postmill``. A command named ``x-y`` is the object ``command`` in ``cli/x_y.py``
(``cli/x_.py`` for a word that Python keeps to itself) and is imported only when it is used, so that start-up
stays quick. ``launch`` runs any click command the way all of them are run here: errors raised on purpose
become one line each and their exit status, never a traceback.
"""

from __future__ import annotations

import importlib
import keyword
import os
import sys
from typing import NoReturn

import click

from postmill import __version__
from postmill.errors import PostmillError

COMMANDS = (
    *("run", "status", "reload", "drain", "stop", "enable", "disable", "mode", "log-level"),
    *("explain", "tail", "report", "top"),
    *("metrics", "trace", "graph"),
    *(
        "config",
        "detect",
        "policy",
        "setup",
        "doctor",
        "import",
        "greylist",
        "web",
        "serve",
        "send",
        "milter",
        "demo",
    ),
)
"""The commands in the order of ``postmill --help``."""

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class Commands(click.Group):
    """A group that finds its commands by their file's name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands that are there."""
        return [name for name in COMMANDS if self.get_command(ctx, name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None when there is no such file."""
        if cmd_name not in COMMANDS:
            return None
        module = cmd_name.replace("-", "_") + "_" * keyword.iskeyword(cmd_name)
        module_name = f"{__name__}.{module}"
        try:
            command = importlib.import_module(module_name).command
        except ModuleNotFoundError as error:
            if error.name != module_name:
                raise
            return None
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="postmill %(version)s")
def postmill() -> None:
    """Postmill: one milter to the MTA, one MTA to the milters."""


def main() -> NoReturn:
    """Run ``postmill`` with the arguments of the process."""
    launch(postmill, "postmill")


def launch(command: click.Command, program: str) -> NoReturn:
    """Run a command and end the process with its exit status.

    The status is what the command gave to ``ctx.exit``, else that of the error it raised, else 0.
    """
    try:
        status = command.main(prog_name=program, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PostmillError as error:
        remark(program, "error", str(error))
        sys.exit(error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(_INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def remark(program: str, severity: str, text: str) -> None:
    """Print each line of a text to the standard error output as ``program: severity: line``."""
    colour = {"error": "red", "warning": "yellow", "note": "cyan"}[severity]
    plain = "NO_COLOR" in os.environ
    for line in text.splitlines() or [""]:
        label = severity if plain else click.style(severity, fg=colour, bold=True)
        click.echo(f"{program}: {label}: {line}", err=True)

"""``postmill web``: the dashboard, and the hash of a password for it."""

from __future__ import annotations

import sys

import click

from postmill.cli.beside_daemon import beside_daemon
from postmill.cli.options import config_file
from postmill.errors import UnavailableError


@click.group(invoke_without_command=True)
@config_file
@beside_daemon
@click.pass_context
def command(ctx: click.Context, config_file: str, beside_daemon: bool) -> None:
    """Serve the dashboard until stopped, where `web.listen` says.

    The daemon does that by itself when `web.listen` is set; this is for another user than the daemon's, or
    to read a history without a daemon. It reads the history and asks the daemon over its control socket; to
    change something there, it must run as one of `control.operators`.
    """
    if ctx.invoked_subcommand is not None:
        return
    from postmill.daemon.configuration import load_configuration  # noqa: PLC0415 - not for `password`

    loaded = load_configuration(config_file)
    if not loaded.settings.web.listen:
        raise UnavailableError(f"web.listen is empty in {config_file}: it says where browsers find it")
    try:
        from postmill.web.serving import serve  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UnavailableError(
            f"a Python library of the dashboard does not load: {error}; pip install 'postmill[web]'"
        ) from error
    serve(loaded, beside_daemon=beside_daemon)


@command.command()
def password() -> None:
    """Ask for a password, and print its hash for `[[web.user]]`.

    It is asked for twice on a terminal, or read as one line from the standard input.
    """
    from postmill.web.passwords import hash_password  # noqa: PLC0415 - wanted by this command only

    if sys.stdin.isatty():
        text = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise click.UsageError("there is no password")
    click.echo(hash_password(text))

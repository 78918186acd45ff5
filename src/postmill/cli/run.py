"""``postmill run``: the daemon in the foreground."""

from __future__ import annotations

import dataclasses
from functools import partial

import click

from postmill.cli import remark
from postmill.cli.options import config_file
from postmill.cli.rehearsing import rehearsed
from postmill.config import Loaded
from postmill.daemon.configuration import load_configuration
from postmill.errors import ConfigError


@click.command("run")
@config_file
@click.option("--user", default="", help="Become this user once the sockets are open.")
@click.option("--group", default="", help="Become this group once the sockets are open.")
@click.option("--pid-file", default="", type=click.Path(dir_okay=False), help="Write the process id here.")
def command(config_file: str, user: str, group: str, pid_file: str) -> None:
    """Serve MTAs until stopped.

    SIGHUP (or `postmill reload`) swaps in the changed configuration; SIGTERM and SIGINT stop
    once the sessions under way are finished. A reload is refused when a case in policy.d/*.toml beside the
    configuration does not come out as it expects; at the start that is only a warning.
    """
    from postmill.daemon.parent import Parent  # noqa: PLC0415 - the network side is wanted by this command only

    overrides = {"user": user, "group": group, "pid_file": pid_file}
    reading = partial(_load, config_file, {key: value for key, value in overrides.items() if value})
    loaded = reading()
    try:
        rehearsed(loaded)
    except ConfigError as error:  # mail must not wait for a case to be mended; a reload does
        remark("postmill", "warning", str(error))
    Parent(lambda: rehearsed(reading()), loaded).run()


def _load(path: str, overrides: dict[str, str]) -> Loaded:
    loaded = load_configuration(path)
    manager = dataclasses.replace(loaded.settings.manager, **overrides)  # type: ignore[arg-type]
    return dataclasses.replace(loaded, settings=dataclasses.replace(loaded.settings, manager=manager))

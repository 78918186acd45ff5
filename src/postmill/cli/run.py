"""``postmill run``: the daemon in the foreground."""

from __future__ import annotations

import dataclasses
from functools import partial

import click

from postmill.cli.options import config_file
from postmill.config import Loaded, load


@click.command("run")
@config_file
@click.option("--user", default="", help="Become this user once the sockets are open.")
@click.option("--group", default="", help="Become this group once the sockets are open.")
@click.option("--pid-file", default="", type=click.Path(dir_okay=False), help="Write the process id here.")
def command(config_file: str, user: str, group: str, pid_file: str) -> None:
    """Serve MTAs until stopped.

    SIGHUP (or `postmill reload`) swaps in the changed configuration; SIGTERM and SIGINT stop
    once the sessions under way are finished.
    """
    from postmill.daemon.parent import Parent  # noqa: PLC0415 - the network side is wanted by this command only

    overrides = {"user": user, "group": group, "pid_file": pid_file}
    reading = partial(_load, config_file, {key: value for key, value in overrides.items() if value})
    Parent(reading, reading()).run()


def _load(path: str, overrides: dict[str, str]) -> Loaded:
    loaded = load(path)
    manager = dataclasses.replace(loaded.settings.manager, **overrides)  # type: ignore[arg-type]
    return dataclasses.replace(loaded, settings=dataclasses.replace(loaded.settings, manager=manager))

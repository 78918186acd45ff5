"""``postmill setup postfix|sendmail``: make Postmill the one milter of the mail server; take it back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import click

from postmill.cli import setup_output as output
from postmill.cli.options import config_file
from postmill.cli.reload import command as reload_postmill
from postmill.cli.sections import Decorator, together
from postmill.config import Loaded
from postmill.daemon.configuration import load_configuration
from postmill.errors import ConfigError, UnavailableError
from postmill.host import backup, building, postfix, prepare
from postmill.host.plan import Change, Plan
from postmill.host.running import as_running
from postmill.host.sendmail import DEFAULT_MC
from postmill.host.setup_postfix import Wishes

RELOAD_POSTMILL = "postmill reload"
RESTART_SENDMAIL = "systemctl restart sendmail"


@click.group()
def command() -> None:
    """Make Postmill the one milter of the mail server, or take that back.

    Every change is shown as a diff and asked about first. The files as they were are kept in a directory
    postmill-backup beside them. Run again, it finds nothing to do.
    """


@dataclass(frozen=True, slots=True)
class Mode:
    """How to go about it; each is an option."""

    dry_run: bool
    undo: bool
    force: bool
    yes: bool
    as_json: bool

    def check(self, *only_forward: str) -> None:
        """Refuse options that contradict each other; ``only_forward`` are given ones that --undo excludes."""
        if self.undo and only_forward:
            raise click.UsageError(f"--undo takes back what was done; {only_forward[0]} does not go with it")
        if self.force and not self.undo:
            raise click.UsageError("--force belongs to --undo")
        if self.as_json and not (self.yes or self.dry_run):
            raise click.UsageError("--json cannot ask: add --yes or --dry-run")

    def confirm(self, changes: Iterable[Change]) -> None:
        """Ask, unless --yes was given; a no ends the command."""
        if not self.yes:
            click.confirm(f"Change {', '.join(change.path for change in changes)}?", abort=True)


def _loaded(config_file: str) -> Loaded:
    """Read the configuration, and ask the running Postmill where it listens."""
    return as_running(load_configuration(config_file))


def _common(function: Callable[..., None]) -> Callable[..., None]:
    """The options that both mail servers share."""
    options: list[Decorator] = [
        config_file,
        click.option(
            "--adopt", is_flag=True, help="Write milters that Postmill does not know into its configuration."
        ),
        click.option("--dry-run", is_flag=True, help="Only show what would change."),
        click.option("--undo", is_flag=True, help="Restore the files as they were before."),
        click.option("--force", is_flag=True, help="With --undo: also where a file was changed since."),
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
        click.option(
            "--json", "as_json", is_flag=True, help="Print one JSON object; with --yes or --dry-run."
        ),
    ]
    return together(*options)(function)


@command.command("postfix")
@click.option(
    "--config-directory",
    default=postfix.DEFAULT_DIRECTORY,
    show_default=True,
    type=click.Path(file_okay=False),
    help="Where main.cf and master.cf are.",
)
@click.option("--non-smtpd", is_flag=True, help="Also for mail from sendmail(1): non_smtpd_milters.")
@click.option("--reload", "reload", is_flag=True, help="Reload Postfix afterwards.")
@_common
@click.pass_context
def setup_postfix(
    ctx: click.Context,
    /,
    config_directory: str,
    config_file: str,
    non_smtpd: bool,
    adopt: bool,
    reload: bool,
    **flags: bool,
) -> None:
    """Make Postmill the one milter of Postfix.

    Puts Postmill into smtpd_milters, takes out the milters that Postmill asks, and sets what goes with it:
    milter_protocol, milter_default_action, lists of macros. Milters that Postmill does not know stay, and are
    named. Refused with exit status 78 when Postfix could not reach Postmill.
    """
    mode = Mode(**flags)
    mode.check(*(["--adopt"] if adopt else []), *(["--non-smtpd"] if non_smtpd else []))
    directory, config_file = os.path.abspath(config_directory), os.path.abspath(config_file)
    reload_postfix = " ".join(postfix.reload_command(directory))
    if mode.undo:
        report = _undo(directory, mode)
        report.commands = [reload_postfix, *_if_toml(report)]
    else:
        wishes = Wishes(non_smtpd, adopt)
        report = _set_up(
            lambda: prepare.for_postfix(directory, _loaded(config_file), wishes),
            directory,
            mode,
            reload,
        )
        report.commands = [*_if_toml(report), reload_postfix]
    while reload and report.commands and not mode.dry_run:
        if report.commands[0] == RELOAD_POSTMILL:
            ctx.invoke(reload_postmill, config_file=config_file)
        else:
            postfix.reload(directory)
        report.commands.pop(0)
    output.finish(report, mode.as_json)


@command.command("sendmail")
@click.option(
    "--mc",
    default=DEFAULT_MC,
    show_default=True,
    type=click.Path(dir_okay=False),
    help="The m4 source of the configuration.",
)
@click.option("--build", is_flag=True, help="Make the .cf afterwards, with make or m4.")
@_common
def setup_sendmail(mc: str, config_file: str, adopt: bool, build: bool, **flags: bool) -> None:
    """Make Postmill the one milter of Sendmail.

    Puts an INPUT_MAIL_FILTER line for Postmill into the .mc, and takes out those of the milters that Postmill
    asks. Milters that Postmill does not know stay, and are named.
    """
    mode = Mode(**flags)
    mode.check(*(["--adopt"] if adopt else []))
    mc, config_file = os.path.abspath(mc), os.path.abspath(config_file)
    directory = os.path.dirname(mc)
    if mode.undo:
        report = _undo(directory, mode)
        commands = [] if report.touches(building.cf_of(mc)) else [building.command(mc)]
        report.commands = [*commands, RESTART_SENDMAIL, *_if_toml(report)]
    else:
        report = _set_up(
            lambda: prepare.for_sendmail(mc, _loaded(config_file), adopting=adopt),
            directory,
            mode,
            False,
        )
        report.commands = [*_if_toml(report), building.command(mc), RESTART_SENDMAIL]
        if build and not mode.dry_run:
            report.built = building.build(mc, report.address, report.layer)
            report.commands.remove(building.command(mc))
    output.finish(report, mode.as_json)


def _if_toml(report: output.Report) -> list[str]:
    """Postmill's own configuration changes with a milter that is adopted, or is one no longer."""
    return [RELOAD_POSTMILL] if report.touches(".toml") else []


def _set_up(planned: Callable[[], Plan], directory: str, mode: Mode, reload: bool) -> output.Report:
    """Plan, show, ask, carry out."""
    plan = planned()
    report = output.Report.of(plan, mode.dry_run)
    if reload and not plan.heard and not mode.dry_run:
        raise UnavailableError(
            f"nobody listens at {plan.address}, so nothing was changed: start Postmill, or leave out --reload"
        )
    output.show(report, mode.as_json)
    if plan.changes and not mode.dry_run:
        mode.confirm(plan.changes)
        report.layer = prepare.carry_out(plan, directory, planned)
        report.backup = os.path.join(directory, backup.NAME, report.layer)
    return report


def _undo(directory: str, mode: Mode) -> output.Report:
    """Show, ask, take back."""
    undoing = backup.undoing(directory)
    report = output.Report(undoing.changes, dry_run=mode.dry_run, undone=True, conflicts=undoing.conflicts)
    output.show(report, mode.as_json)
    if undoing.conflicts and not mode.force:
        raise ConfigError(
            "was changed since, and taking setup back would lose that",
            file=undoing.conflicts[0].path,
            hint="the diff above shows it; --force takes it back all the same",
        )
    if undoing.layers and not mode.dry_run:
        if undoing.changes:
            mode.confirm(undoing.changes)
        backup.take_back(undoing, directory)
    return report

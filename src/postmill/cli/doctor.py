"""``postmill doctor``: look at Postmill, its milters and the mail server, and say what ails them."""

from __future__ import annotations

import click

from postmill.cli import doctor_output as output
from postmill.cli import remark
from postmill.cli.options import config_file
from postmill.errors import UnavailableError
from postmill.host.checkups import shelf
from postmill.host.diagnosis import Diagnosis, worst
from postmill.host.gathering import examine, gather
from postmill.host.mending import Mended, fixes, mend

UNKNOWN = 3
"""The exit status when nothing can be said, as monitoring plug-ins have it."""
_ROUNDS = 5
"""A repaired group may lay open a wrong mode; more than that is a command that does not help."""


class _WrongUsage(click.UsageError):
    """Wrong usage, told apart from trouble found."""

    exit_code = UNKNOWN


class _ForMonitoring(click.Command):
    """A command whose wrong usage has an exit status of its own."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """Read the arguments."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _WrongUsage(error.format_message(), error.ctx) from error


@click.command(cls=_ForMonitoring)
@config_file
@click.option(
    "--config-directory",
    type=click.Path(file_okay=False),
    help="Where Postfix has main.cf and master.cf. By default /etc/postfix, or else Sendmail's /etc/mail.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="CHECK",
    type=click.Choice([*shelf()]),
    help=f"Only this checkup; may be repeated: {', '.join(shelf())}.",
)
@click.option("--fix", is_flag=True, help="Run the commands that are safe, and look again.")
@click.option("--dry-run", is_flag=True, help="With --fix: only show the commands.")
@click.option("-q", "--quiet", is_flag=True, help="Print only what is wrong.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    config_file: str,
    config_directory: str | None,
    only: tuple[str, ...],
    fix: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Look for what keeps mail from being filtered, and say how to mend it.

    Looks at the configuration and its conditions, the way from the mail server to Postmill and from Postmill
    to each milter, macros, order, time limits, what happens on failures, and open relaying. Milters are
    connected to, and Postfix is asked over loopback whether it would relay; no mail is sent. Run it as root.

    Nothing is changed without --fix. A command is safe when nothing is lost by it and it can be taken back.

    Exit status 0 when all is well, 1 with warnings, 2 with errors, 3 when it cannot look: wrong usage, a
    configuration that it may not read, no Postfix in the directory that was named.
    """
    if dry_run and not fix:
        raise _WrongUsage("--dry-run belongs to --fix")
    try:
        found = _examined(config_file, config_directory, only)
        mended: list[Mended] = []
        for _ in range(_ROUNDS if fix and not dry_run else 0):
            new = [one for one in fixes(found) if one.shell not in {done.shell for done in mended}]
            if not new:
                break
            for one in new:
                mended.append(_mended(one, as_json))
            found = _examined(config_file, config_directory, only)
    except UnavailableError as error:
        remark("postmill", "error", str(error))
        ctx.exit(UNKNOWN)
    if as_json:
        output.print_json(found, mended)
    else:
        output.show(found, quiet=quiet)
        if dry_run:
            output.show_plan(fixes(found))
    ctx.exit(worst(found).status)


def _examined(config_file: str, directory: str | None, only: tuple[str, ...]) -> list[Diagnosis]:
    return examine(gather(config_file, directory or ""), only)


def _mended(fix: Diagnosis, as_json: bool) -> Mended:
    if not as_json:
        output.show_fix(fix)
    done = mend(fix)
    if not as_json:
        output.show_mended(done)
    return done

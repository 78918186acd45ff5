"""``milter-test-client``: the options of the tool of that name, carried out by what ``postmill milter``
uses.
"""

from __future__ import annotations

import grp
import os
import pwd
import syslog
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from postmill import __version__
from postmill.cli import launch
from postmill.cli.milter import octal, serve
from postmill.cli.milter_output import Reporter
from postmill.cli.sections import SectionedCommand, section, together
from postmill.errors import UnavailableError
from postmill.testing.child import ScriptedChild
from postmill.wire.endpoint import parse_endpoint

_common = section("Milter common options")
_ignored = section("Taken, without effect")

COMMON = together(
    _common(
        "-s",
        "--connection-spec",
        "spec",
        default="inet:20025@127.0.0.1",
        show_default=True,
        metavar="SPEC",
        help="Where to listen: unix:PATH, inet:PORT[@HOST] or inet6:PORT[@HOST].",
    ),
    _common("--log-path", metavar="PATH", help="Write the report to this file; - is the standard output."),
    _common("-v", "--verbose", is_flag=True, help="Also print the replies and the macros."),
    _common("-q", "--quiet", is_flag=True, help="Print nothing."),
    _common("--syslog/--no-syslog", default=False, help="Write the report to syslog, too."),
    _common("--syslog-facility", default="mail", show_default=True, metavar="FACILITY", help="Its facility."),
    _common("--daemon/--no-daemon", "daemon", default=False, help="Go to the background."),
    _common(
        "-u",
        "--user",
        "--user-id",
        "--user-name",
        "user",
        default="",
        metavar="USER",
        help="Become this user.",
    ),
    _common(
        "-g",
        "--group",
        "--group-id",
        "--group-name",
        "group",
        default="",
        metavar="GROUP",
        help="Become this group.",
    ),
    _common(
        "--unix-socket-group",
        "--socket-group-name",
        "socket_group",
        default="",
        metavar="GROUP",
        help="Group of a unix socket.",
    ),
    _common(
        "--unix-socket-mode",
        "socket_mode",
        default="0660",
        show_default=True,
        metavar="MODE",
        help="Permissions of a unix socket.",
    ),
    _common("--pid-file", metavar="FILE", help="Write the process id here."),
    _common("--no-report-request", is_flag=True, help="Do not print the events."),
)

IGNORED = together(
    _ignored("--log-level", metavar="LEVEL", help="One log has one level."),
    _ignored("--n-workers", type=int, metavar="N", help="One process serves all connections."),
    _ignored("--event-loop-backend", metavar="BACKEND", help="There is one event loop."),
    _ignored("--packet-buffer-size", type=int, metavar="SIZE", help="Packets go out at once."),
    _ignored("--max-pending-finished-sessions", type=int, metavar="N", help="Sessions end at once."),
    _ignored("--help-all", "--help-milter", "help_all", is_flag=True, help="The same as --help."),
)


@click.command(cls=SectionedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@COMMON
@IGNORED
@click.version_option(__version__, "--version", message="milter-test-client (postmill) %(version)s")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Be a milter that says continue to everything, and print what the MTA says.

    Takes the options of milter-manager's tool; `postmill milter` can do more. Ends on SIGINT or SIGTERM.
    """
    if options["help_all"]:
        click.echo(ctx.get_help())
        return
    endpoint = parse_endpoint(options["spec"])
    mode = octal(options["socket_mode"], "--unix-socket-mode")
    child = ScriptedChild(endpoint=endpoint, mode=mode, group=options["socket_group"])
    child.recording = False
    if options["daemon"]:
        _go_to_background()
    if options["pid_file"]:
        Path(options["pid_file"]).write_text(f"{os.getpid()}\n")
    quiet = options["quiet"] or options["no_report_request"]
    reporter = Reporter(child, quiet=quiet, brief=not options["verbose"], write=_writer(options))
    serve(child, reporter, partial(_become, options["user"], options["group"]))


def main() -> NoReturn:
    """Run ``milter-test-client`` with the arguments of the process."""
    launch(command, "milter-test-client")


def _go_to_background() -> None:
    """Fork twice, so that no terminal is left; the parents end at once."""
    for _ in range(2):
        if os.fork():
            os._exit(0)
        os.setsid() if os.getsid(0) != os.getpid() else None
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)


def _writer(options: dict[str, Any]) -> Callable[[str], object]:
    write = _line_writer(options["log_path"])
    if not options["syslog"]:
        return write
    facility = getattr(syslog, f"LOG_{options['syslog_facility'].upper()}", None)
    if facility is None:
        raise click.BadParameter(
            f"there is no facility {options['syslog_facility']!r}", param_hint="--syslog-facility"
        )
    syslog.openlog("milter-test-client", syslog.LOG_PID, facility)

    def both(line: str) -> None:
        write(line)
        syslog.syslog(syslog.LOG_INFO, line)

    return both


def _line_writer(path: str | None) -> Callable[[str], object]:
    if path is None or path == "-":
        return click.echo
    try:
        file = Path(path).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 - for the life of the process
    except OSError as error:
        raise UnavailableError(f"cannot write {path}: {error.strerror}") from error
    return lambda line: file.write(line + "\n")


def _become(user: str, group: str) -> None:
    """Give up privileges, once the socket is open."""
    try:
        entry = _user(user) if user else None
        if group:
            os.setgroups([])
            os.setgid(int(group) if group.isdigit() else grp.getgrnam(group).gr_gid)
        elif entry:
            os.initgroups(entry.pw_name, entry.pw_gid)
            os.setgid(entry.pw_gid)
        if entry:
            os.setuid(entry.pw_uid)
    except (OSError, KeyError) as error:
        raise UnavailableError(f"cannot become {user or 'the same user'}:{group}: {error}") from error


def _user(user: str) -> pwd.struct_passwd:
    return pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)

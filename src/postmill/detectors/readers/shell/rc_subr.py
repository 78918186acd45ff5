"""What rc.subr(8) of FreeBSD, NetBSD and pkgsrc offers to start scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from postmill.api.host import Source
from postmill.detectors.readers.values import Pieces, Value, joined, plain, split

if TYPE_CHECKING:
    from postmill.detectors.readers.shell.running import Builtin, Status, _Shell

_RC_CONF = ("/etc/defaults/rc.conf", "/etc/rc.conf", "/etc/rc.conf.local")
_RC_CONF_D = ("/etc/rc.conf.d", "/usr/local/etc/rc.conf.d")
_YES = {"yes", "true", "on", "1"}


def _load_rc_config(shell: _Shell, arguments: Sequence[Pieces], _line: int) -> Status:
    name = plain(arguments[0]) if arguments else ""
    files = [*_RC_CONF]
    for folder in _RC_CONF_D:
        path = f"{folder}/{name}"
        status = shell.host.status(path)
        inside = shell.host.names(path) if status and status.is_directory else ()
        files += [f"{path}/{one}" for one in inside] or [path]
    for path in files:
        shell.source([(Value(path, Source(shell.file)),)])
    return True


def _check_yes_no(shell: _Shell, arguments: Sequence[Pieces], _line: int) -> Status:
    return bool(arguments) and shell.plain_of(plain(arguments[0])).lower() in _YES


def _set_rcvar(shell: _Shell, arguments: Sequence[Pieces], line: int) -> Status:
    name = plain(arguments[0]) if arguments else shell.plain_of("name")
    return shell.echo([(Value(f"{name}_enable", Source(shell.file, line)),)], line)


def _run_rc_command(shell: _Shell, arguments: Sequence[Pieces], line: int) -> Status:
    name = shell.plain_of("name")
    own = shell.functions.get(shell.plain_of(f"{plain(arguments[0]) if arguments else ''}_cmd"))
    if own is not None:
        return shell.call_function(own, ())
    program = shell.variables.get(f"{name}_program") or shell.variables.get("command", ())
    flags, fixed = shell.variables.get(f"{name}_flags", ()), shell.variables.get("command_args", ())
    words = [*split(program), *split(flags), *split(fixed)]
    if words:
        shell.commands.append(tuple(joined(word, Source(shell.file, line)) for word in words))
    return True


FUNCTIONS: Mapping[str, Builtin] = {
    "load_rc_config": _load_rc_config,
    "checkyesno": _check_yes_no,
    "set_rcvar": _set_rcvar,
    "run_rc_command": _run_rc_command,
}

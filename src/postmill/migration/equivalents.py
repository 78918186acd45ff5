"""The predecessor's settings in the order in which it prints them, and what each of them is here.

One table serves both directions. That of conditions is in ``conditions``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from postmill.wire.endpoint import Endpoint


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Octal:
    """A number that is printed in octal digits."""

    value: int


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the predecessor.

    With ``ours`` it has an equivalent. ``to_ours`` gives what TOML would hold, None where our own default
    says the same, ``ValueError`` where it cannot be said here; ``to_theirs`` turns our value around. Without
    ``ours``, ``why`` says why it is not needed or, when ``is_lost``, what to do instead.
    """

    theirs: str
    defaults: tuple[Any, ...] = (None,)
    ours: str = ""
    to_ours: Callable[[Any], Any] = _same
    to_theirs: Callable[[Any], Any] = _same
    why: str = ""
    is_lost: bool = False
    always: Any = ...
    """What holds for Postmill in any case."""

    @property
    def group(self) -> str:
        """The part before the dot."""
        return self.theirs.partition(".")[0]


# Sockets and permissions


def _listen(spec: Any) -> Any:
    """Without a host the predecessor listens at every address; here that has to be said."""
    if not isinstance(spec, str):
        raise ValueError
    anywhere = re.fullmatch(r"(inet6?):(\d+)", spec)
    return [f"{spec}@{'::' if anywhere[1] == 'inet6' else '0.0.0.0'}" if anywhere else spec]  # noqa: S104


def spec(endpoint: Endpoint) -> str:
    """Write a socket as the predecessor wants it: addresses in brackets, names without."""
    try:
        ipaddress.ip_address(endpoint.host)
    except ValueError:
        return str(endpoint)
    return f"{endpoint.kind}:{endpoint.port}@[{endpoint.host}]"


def _mode(mode: Any) -> str:
    if not isinstance(mode, int) or isinstance(mode, bool):
        raise ValueError
    return f"{mode:04o}"


# Logs

_ALL_LEVELS = ("critical", "error", "warning", "message", "info", "debug", "trace", "statistics", "profile")
_LEVELS = {
    "debug": {"all", "debug", "trace", "profile"},
    "info": {"default", "info", "message", "statistics"},
    "warning": {"warning"},
    "error": {"error", "critical"},
}


def _level(level: Any) -> str:
    words = {word.strip() for word in str(level or "default").lower().split("|")}
    if not words <= {"all", "default", *_ALL_LEVELS}:
        raise ValueError("there are no such levels")
    return next(ours for ours, theirs in _LEVELS.items() if words & theirs)


def _levels(level: Any) -> str:
    upto = {"debug": "all", "info": "default", "warning": "critical|error|warning", "error": "critical|error"}
    return upto[level]


def _log_to(is_syslog: Any) -> str:
    if not isinstance(is_syslog, bool):
        raise ValueError
    return "syslog" if is_syslog else "stderr"


def _positive(number: Any) -> Any:
    return number or None


_STDERR = "Postmill writes to the standard error output, the journal or syslog: see log.to"
_INTERNAL = "it is about the inside of milter-manager"
_SOCKETS = "a socket left over is replaced at every start and removed at every stop"
_DATABASE = "conditions in Python can ask a database themselves"

SETTINGS: tuple[Setting, ...] = (
    Setting("package.platform", (...,), why=_INTERNAL),
    Setting("package.options", why="only milter-manager's detection reads it"),
    Setting(
        "security.privilege_mode",
        (False,),
        always=False,
        why="Postmill starts no milters, that is the init system's part",
    ),
    Setting("security.effective_user", ours="manager.user"),
    Setting("security.effective_group", ours="manager.group"),
    Setting("log.level", ("default",), "log.level", _level, _levels),
    Setting("log.path", (None, "-"), why=_STDERR, is_lost=True),
    Setting("log.use_syslog", (), "log.to", _log_to, lambda to: to == "syslog"),
    Setting(
        "log.syslog_facility",
        (None, "mail"),
        always="mail",
        why="Postmill uses the facility mail",
        is_lost=True,
    ),
    Setting("manager.connection_spec", (None,), "manager.listen", _listen, lambda listen: spec(listen[0])),
    Setting("manager.unix_socket_mode", (), "manager.socket_mode", _mode, Octal),
    Setting("manager.unix_socket_group", ours="manager.socket_group"),
    Setting("manager.remove_unix_socket_on_create", (True,), always=True, why=_SOCKETS),
    Setting("manager.remove_unix_socket_on_close", (True,), always=True, why=_SOCKETS),
    Setting(
        "manager.daemon",
        (False,),
        always=False,
        why="`postmill run` stays in the foreground, as systemd likes",
    ),
    Setting("manager.pid_file", ours="manager.pid_file"),
    Setting("manager.maintenance_interval", (10, 0, None), why=_INTERNAL),
    Setting("manager.suspend_time_on_unacceptable", (5, None), why=_INTERNAL),
    Setting("manager.max_connections", (0, None), "manager.max_connections", _positive),
    Setting("manager.max_file_descriptors", (0, None), why="Postmill takes as many as it may have"),
    Setting(
        "manager.custom_configuration_directory", why="nothing writes the configuration but its administrator"
    ),
    Setting(
        "manager.fallback_status",
        ("accept", None),
        always="accept",
        why="the on_error of each milter decides; with no milter in use mail passes",
        is_lost=True,
    ),
    Setting(
        "manager.fallback_status_at_disconnect",
        ("temporary-failure", None),
        why="only milter-manager's connection checker uses it",
    ),
    Setting("manager.event_loop_backend", ("glib", None), why=_INTERNAL),
    Setting("manager.n_workers", (0, None), "manager.workers", _positive),
    Setting("manager.packet_buffer_size", (0, None), why=_INTERNAL),
    Setting(
        "manager.connection_check_interval",
        (0, None),
        why="Postmill gives a session up when the MTA closes its connection",
        is_lost=True,
    ),
    Setting("manager.chunk_size", (65535, None), why=_INTERNAL),
    Setting("manager.max_pending_finished_sessions", (0, None), why=_INTERNAL),
    Setting(
        "controller.connection_spec",
        why="milter-manager's control protocol is not spoken here",
        is_lost=True,
    ),
    *(
        Setting(f"controller.{name}", (...,), why="it is about milter-manager's control socket")
        for name in (
            "unix_socket_mode",
            "unix_socket_group",
            "remove_unix_socket_on_create",
            "remove_unix_socket_on_close",
        )
    ),
    *(
        Setting(f"database.{name}", why=_DATABASE, is_lost=True)
        for name in ("type", "name", "host", "port", "path", "user", "password", "extra_options")
    ),
)

BY_NAME = {setting.theirs: setting for setting in SETTINGS}
GROUPS = frozenset(setting.group for setting in SETTINGS)

"""By which address an MTA reaches Postmill, and what to change when there is none.

Decided from configurations alone: whether somebody listens there, only the machine knows.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable

from postmill.config import Loaded
from postmill.errors import ConfigError
from postmill.host.postfix import Postfix, Service
from postmill.wire.endpoint import LOOPBACK, Endpoint


def address_for_postfix(postfix: Postfix, services: Iterable[Service], loaded: Loaded) -> str:
    """Return Postmill's socket as ``smtpd_milters`` spells it for these services.

    A path below the queue directory is written relative to it: so it means the same in a chroot and outside.
    Raises ConfigError with what to write when no socket in ``manager.listen`` can be reached.
    """
    confined = sorted(service.key for service in services if service.chroot)
    for endpoint in loaded.settings.manager.listen:
        address = _spelling(endpoint, postfix.queue_directory, bool(confined))
        if address:
            return address
    raise _unreachable(postfix, confined, loaded)


def _spelling(endpoint: Endpoint, queue_directory: str, confined: bool) -> str:
    if endpoint.kind != "unix":
        host = reachable_host(endpoint)
        return f"inet:[{host}]:{endpoint.port}" if ":" in host else f"inet:{host}:{endpoint.port}"
    path, root = posixpath.normpath(endpoint.path), posixpath.normpath(queue_directory)
    if path.startswith(root + "/"):
        return "unix:" + path.removeprefix(root + "/")
    return "" if confined else f"unix:{path}"


def reachable_host(endpoint: Endpoint) -> str:
    """Return the host to connect to for a listener; the loopback address for one on every address."""
    return {"0.0.0.0": LOOPBACK["inet"], "::": LOOPBACK["inet6"]}.get(endpoint.host, endpoint.host)  # noqa: S104


def _unreachable(postfix: Postfix, confined: list[str], loaded: Loaded) -> ConfigError:
    origin = loaded.origins["manager.listen"]
    root = posixpath.normpath(postfix.queue_directory)
    manager, owner = loaded.settings.manager, postfix.mail_owner
    return ConfigError(
        f"Postfix cannot reach {manager.listen[0]}: "
        f"{', '.join(confined)} of master.cf runs in a chroot, {root}",
        file=loaded.file,
        line=origin.line,
        key="manager.listen",
        hint=f'write listen = ["unix:{root}/postmill/postmill.sock"] and socket_group = "{owner}", make the '
        f"directory with `install -d -o {manager.user or 'root'} -g {owner} -m 2750 {root}/postmill`, and "
        'restart Postmill; or write listen = ["inet:8890@127.0.0.1"]',
    )


def may_connect(loaded: Loaded, address: str, owner: str, groups: Collection[str]) -> str:
    """Tell what keeps a user, a member of some groups, from a unix socket of Postmill; "" if nothing.

    Sockets handed over by systemd have their mode from their unit, which is not seen here.
    """
    manager = loaded.settings.manager
    group = manager.socket_group or manager.group or manager.user
    if not address.startswith("unix:") or manager.socket_mode & 0o002 or owner == manager.user:
        return ""
    if manager.socket_mode & 0o020 and group in groups:
        return ""
    return (
        f"{owner}, the user Postfix runs as, may not connect to Postmill's socket: mode "
        f"{manager.socket_mode:04o}, group {group or 'of whoever starts Postmill'}; write socket_mode = "
        f'"0660" and socket_group = "{owner}" under [manager]'
    )

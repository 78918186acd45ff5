"""Plans for this machine: read the files, ask postconf, let `setup_postfix` or `setup_sendmail` decide.

Also what only the machine knows: whether somebody listens at Postmill's socket and who may connect to it.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
from collections.abc import Callable
from dataclasses import replace

from postmill.config import Loaded
from postmill.errors import ConfigError
from postmill.host import adoption, backup, setup_postfix, setup_sendmail
from postmill.host.accounts import account, obstacle
from postmill.host.files import look
from postmill.host.known import is_ours
from postmill.host.milter_lists import Sorter
from postmill.host.plan import Plan
from postmill.host.postfix import ListedMilter, Postfix
from postmill.host.postfix import read as read_postfix
from postmill.host.reach import may_connect
from postmill.wire.endpoint import Endpoint, parse_endpoint

_PATIENCE = 3.0


def for_postfix(directory: str, loaded: Loaded, wishes: setup_postfix.Wishes) -> Plan:
    """Plan the change of a Postfix; errors as those of `setup_postfix.plan`, `look` and `postfix.read`."""
    postfix = read_postfix(directory)
    texts = setup_postfix.Texts(
        _text(f"{postfix.directory}/main.cf"), _text(f"{postfix.directory}/master.cf"), _text(loaded.file)
    )
    plan = setup_postfix.plan(postfix, texts, loaded, wishes)
    _check_adoption(plan, loaded)
    own = _own_endpoint(plan.address, postfix, loaded)
    barred = _barred(own, plan.address, postfix.mail_owner, loaded)
    plan = replace(plan, warnings=(*plan.warnings, barred)) if barred else plan
    return _tried(plan, own, "Postfix is reloaded")


def for_sendmail(file: str, loaded: Loaded, *, adopting: bool) -> Plan:
    """Plan the change of a sendmail.mc; errors as those of `look`."""
    texts = setup_sendmail.Texts(_text(file), _text(loaded.file))
    plan = setup_sendmail.plan(file, texts, loaded, adopting=adopting)
    _check_adoption(plan, loaded)
    return _tried(plan, parse_endpoint(plan.address), "Sendmail is restarted")


def carry_out(plan: Plan, directory: str, look_again: Callable[[], Plan]) -> str:
    """Make the changes and return the name of the layer that remembers them.

    ``look_again`` plans once more; when something is left to do then, or that fails, all is as it was before.
    """
    layer = backup.apply(plan.changes, directory)
    try:
        left = look_again().changes
        if left:
            raise ConfigError("would not be read as meant", file=left[0].path, hint="it was not changed")
    except BaseException:
        backup.take_back(backup.undoing(directory, newest_only=True), directory)
        raise
    return layer


def _barred(own: Endpoint, address: str, owner: str, loaded: Loaded) -> str:
    """Tell what keeps Postfix from our socket: by the socket that is there, else by what it will be."""
    user = account(owner)
    if own.kind == "unix" and user is not None and os.path.exists(own.path):
        found = obstacle(own.path, user)
        return "" if found is None else f"{owner}, the user Postfix runs as, cannot reach {own}: it {found}"
    return may_connect(loaded, address, owner, _groups_of(owner))


def _text(path: str) -> str:
    state = look(path)
    if state is None:
        raise ConfigError("does not exist", file=path)
    return state.text


def _check_adoption(plan: Plan, loaded: Loaded) -> None:
    text = next((change.after for change in plan.changes if change.path == loaded.file), None)
    if text is not None:
        adoption.check(loaded, text, [name for _, name in plan.adopted])


def _groups_of(user: str) -> set[str]:
    """Return the names of the groups a user is in; none for one that does not exist."""
    try:
        own = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    except KeyError:
        return set()
    return {own, *(group.gr_name for group in grp.getgrall() if user in group.gr_mem)}


def _own_endpoint(address: str, postfix: Postfix, loaded: Loaded) -> Endpoint:
    """Return the socket of Postmill that an address of Postfix's means, seen from outside any chroot."""
    readings = Sorter(postfix.queue_directory, loaded.settings).readings(ListedMilter(address, address))
    return next(endpoint for endpoint in readings if is_ours([endpoint], loaded.settings))


def _tried(plan: Plan, endpoint: Endpoint, event: str) -> Plan:
    """Note it when nobody listens at Postmill's socket."""
    if listens(endpoint):
        return plan
    warning = f"nobody listens at {endpoint}: start Postmill before {event}, or mail is deferred"
    return replace(plan, warnings=(*plan.warnings, warning), heard=False)


def listens(endpoint: Endpoint) -> bool:
    """Tell whether somebody accepts connections at a socket."""
    try:
        if endpoint.kind == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(_PATIENCE)
                probe.connect(endpoint.path)
        else:
            socket.create_connection((endpoint.host, endpoint.port), _PATIENCE).close()
    except OSError:
        return False
    return True

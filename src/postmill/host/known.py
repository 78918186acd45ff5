"""Whose socket is this? Postmill's own, that of one of its milters, or a stranger's.

One socket has many spellings: ``local:`` for ``unix:``, /var/run for /run, a name or an address for the host
itself, and all at once for a listener on every address.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from postmill.config import MilterSettings, Settings
from postmill.wire.endpoint import Endpoint

_THIS_HOST = {"localhost", "localhost.localdomain", "ip6-localhost", "127.0.0.1", "::1"}
_EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to

Place = tuple[str, int, str]


def place(endpoint: Endpoint) -> Place:
    """Return what two spellings of one socket have in common."""
    if endpoint.kind == "unix":
        path = posixpath.normpath(endpoint.path)
        return "unix", 0, "/run" + path.removeprefix("/var/run") if path.startswith("/var/run/") else path
    host = endpoint.host.lower()
    return "inet", endpoint.port, "localhost" if host in _THIS_HOST | _EVERY_ADDRESS else host


def is_ours(endpoints: Iterable[Endpoint], settings: Settings) -> bool:
    """Tell whether one of the sockets is Postmill's own."""
    own = {place(endpoint) for endpoint in settings.manager.listen}
    return any(place(endpoint) in own for endpoint in endpoints)


def milter_at(endpoints: Iterable[Endpoint], settings: Settings) -> MilterSettings | None:
    """Return the milter that listens at one of the sockets, if Postmill has it in its configuration."""
    places = {place(endpoint) for endpoint in endpoints}
    return next((milter for milter in settings.milters if place(milter.socket) in places), None)


def counts(child: MilterSettings | None) -> bool:
    """Tell whether Postmill asks a milter and does what it says, so that the MTA must not ask it, too."""
    return child is not None and child.mode == "enforce"


def why_kept(child: MilterSettings | None, readable: bool) -> str:
    """Say why a milter stays in the MTA's configuration."""
    if child is not None:
        return f"Postmill has it as {child.name} with mode = {child.mode}, so its word counts only here"
    if readable:
        return "Postmill does not know it; --adopt takes it over"
    return "Postmill does not know it and cannot read its address"


def other_failure(child: MilterSettings, before: str) -> str:
    """Say so when mail fares differently from now on while a milter fails; "" if it does not."""
    if child.on_error == before:
        return ""
    return f"when {child.name} fails, what happens was {before}, and is now its on_error, {child.on_error}"

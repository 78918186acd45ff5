"""Where the running Postmill listens: systemd may have opened other sockets than the configuration says."""

from __future__ import annotations

from dataclasses import replace

from postmill.config import Loaded
from postmill.daemon.asking import ask
from postmill.errors import EndpointError, PostmillError
from postmill.wire.endpoint import Endpoint, parse_endpoint

_PATIENCE = 3.0


def as_running(loaded: Loaded) -> Loaded:
    """Return the configuration with the sockets of the daemon that uses it, if that runs and may be asked."""
    listening = _listening(loaded)
    if not listening:
        return loaded
    settings = loaded.settings
    manager = replace(settings.manager, listen=listening)
    return replace(loaded, settings=replace(settings, manager=manager))


def _listening(loaded: Loaded) -> tuple[Endpoint, ...]:
    control = loaded.settings.control.socket
    if control is None:
        return ()
    try:
        status = ask(control, "status", within=_PATIENCE)
        if status["configuration"]["file"] != loaded.file:
            return ()
        return tuple(map(parse_endpoint, status["listen"]))
    except (PostmillError, EndpointError, LookupError, TypeError):
        return ()

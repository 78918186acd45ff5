"""Sockets as milters' configurations write them, as an address that Postmill can connect to.

A milter that listens everywhere is asked at the loopback address; ``/var/run`` is ``/run`` wherever it is a
link to it.
"""

from __future__ import annotations

import dataclasses
import posixpath
import re

from postmill.api.host import Host, Platform
from postmill.detectors.readers.values import Value
from postmill.errors import EndpointError
from postmill.wire.endpoint import LOOPBACK, Endpoint, parse_endpoint

_EVERYWHERE = {"0.0.0.0": "inet", "*": "inet", "": "inet", "::": "inet6"}  # noqa: S104 - nothing listens here


def milter_socket(host: Host, platform: Platform, text: str) -> Endpoint:
    """Read a socket as libmilter takes it; raises EndpointError when it is none."""
    text = text.strip()
    kind, colon, rest = text.partition(":")
    port, at, address = rest.partition("@")
    if colon and kind.lower() in {"inet", "inet6"} and at and address.strip("[]") in _EVERYWHERE:
        text = f"{kind}:{port}@{LOOPBACK[kind.lower()]}"
    return canonical(host, platform, parse_endpoint(text))


def listen_stream(host: Host, platform: Platform, text: str) -> Endpoint:
    """Read a ``ListenStream=`` of systemd.socket(5), or the address and port of rspamd's ``bind_socket``.

    Raises EndpointError when it is none that Postmill can connect to.
    """
    text = text.strip()
    if text.startswith("/"):
        return canonical(host, platform, parse_endpoint(text))
    if text.isascii() and text.isdigit():
        return parse_endpoint(f"inet:{text}")
    address, _, port = text.rpartition(":")
    bare = re.sub(r"^\*v([46])$", r"*", address.strip("[]"))
    if bare in _EVERYWHERE:
        kind = "inet6" if _EVERYWHERE[bare] == "inet6" or address == "*v6" else "inet"
        return parse_endpoint(f"{kind}:{port}@{LOOPBACK[kind]}")
    return parse_endpoint(f"inet:{port}@{bare}")


def canonical(host: Host, platform: Platform, endpoint: Endpoint) -> Endpoint:
    """Write the path of a socket as the machine itself would, so that two spellings compare equal."""
    if endpoint.kind != "unix":
        return endpoint
    path = posixpath.normpath(endpoint.path)
    on_linux = platform in {Platform.DEBIAN, Platform.REDHAT}
    target = host.link("/var/run")
    is_run = target in {"/run", "../run"} or (target is None and on_linux and not host.exists("/var/run"))
    if is_run and path.startswith("/var/run/"):
        path = path.removeprefix("/var")
    return dataclasses.replace(endpoint, path=path)


def understood(host: Host, platform: Platform, value: Value) -> tuple[Endpoint | None, str]:
    """Read a socket; what is wrong with it comes as the second value."""
    if not value.is_known:
        return None, f"only running {value.source.file} would tell its socket"
    try:
        return milter_socket(host, platform, value.text), ""
    except EndpointError as error:
        return None, f"{value.source}: {error}"

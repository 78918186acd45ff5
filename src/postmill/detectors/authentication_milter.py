"""Authentication Milter. Its socket: ``connection`` in authentication_milter.toml or .json.

JSON is read as its relaxed reader does, with comments and with a comma behind the last of a list.
``protocol`` may be ``smtp``; then it is no milter.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from postmill.api import Finding, Host, Platform, Source, detector
from postmill.detectors.readers.traces import trace
from postmill.detectors.readers.values import Value

_SERVICES = ("authentication_milter", "authentication-milter")
_FOLDERS = {
    Platform.DEBIAN: ("/etc",),
    Platform.REDHAT: ("/etc",),
    Platform.FREEBSD: ("/usr/local/etc/mail", "/usr/local/etc", "/etc"),
    Platform.PKGSRC: ("/usr/pkg/etc", "/etc"),
}
_STRING = r'"(?:[^"\\]|\\.)*"'


@detector("authentication_milter", order=400)
def authentication_milter(host: Host, platform: Platform) -> Iterator[Finding]:
    """Authentication Milter: checks SPF, DKIM, DMARC, ARC and more, and notes all results in one header."""
    found = trace(host, platform, "authentication_milter", _SERVICES)
    if found is None:
        return
    prefix = found.options("dc:", {"prefix": "prefix", "pidfile": "pidfile", "ident": "ident"}).get("prefix")
    folders = (prefix.text,) if prefix is not None else _FOLDERS[platform]
    stems = [f"{folder}/authentication_milter" for folder in folders]
    file = next((one for stem in stems for one in (f"{stem}.toml", f"{stem}.json") if host.exists(one)), "")
    text = found.host.read(file) if file else None
    if text is None:
        yield found.finding(None, f"not configured: {stems[0]}.json is missing")
        return
    settings = _settings(text, file)
    socket = settings.get("connection")
    protocol = settings.get("protocol", "milter")
    yield found.finding(
        Value(socket, Source(file, _line_of("connection", text))) if isinstance(socket, str) else None,
        f"{file} has no connection",
        "" if protocol == "milter" else f"{file} sets protocol {protocol!r}: it is no milter then",
    )


def _settings(text: str, file: str) -> Mapping[str, Any]:
    try:
        read = tomllib.loads(text) if file.endswith(".toml") else json.loads(_strict(text))
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _strict(text: str) -> str:
    """Turn relaxed JSON into JSON: comments and last commas become blanks."""
    plain = re.sub(rf"({_STRING})|#[^\n]*", lambda found: found[1] or "", text)
    return re.sub(rf"({_STRING})|,(?=\s*[}}\]])", lambda found: found[1] or "", plain)


def _line_of(key: str, text: str) -> int:
    found = re.search(rf"^[^#\n]*\b{key}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 0

"""milter-greylist. Its socket: option ``-p``, which wins, else ``socket "…"`` in its configuration.

Where its access list makes clients wait (``tarpit``), its answers take that much longer, and so must its time
limits here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from postmill.api import Finding, Host, Platform, Source, detector
from postmill.detectors.readers.traces import trace
from postmill.detectors.readers.values import Value

_LETTERS = "Aa:cvDd:qw:f:hp:P:Tu:rSL:M:l"
_FILES = {
    Platform.DEBIAN: ("/etc/milter-greylist/greylist.conf",),
    Platform.REDHAT: ("/etc/mail/greylist.conf",),
    Platform.FREEBSD: ("/usr/local/etc/mail/greylist.conf",),
    Platform.PKGSRC: ("/usr/pkg/etc/mail/greylist.conf", "/usr/pkg/etc/greylist.conf"),
}
_SERVICES: Mapping[Platform, tuple[str, ...]] = {
    Platform.FREEBSD: ("milter-greylist", "miltergreylist"),
    Platform.PKGSRC: ("milter-greylist", "miltergreylist"),
}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_USUAL = 25
"""Seconds that a milter has for an answer."""
_LONGEST = 7 * 86400


@detector(
    "milter-greylist",
    order=100,
    when=("sendmail-compatible", "stress-notify", "trust", "remote-network", "s25r", "unauthenticated"),
)
def milter_greylist(host: Host, platform: Platform) -> Iterator[Finding]:
    """milter-greylist: defers mail of clients it does not know yet."""
    found = trace(host, platform, "milter-greylist", _SERVICES.get(platform, ()))
    if found is None:
        return
    options = found.options(_LETTERS)
    file = found.file(options.get("f"), *_FILES[platform])
    statements = list(_statements(found.host.read(file) or "", file))
    socket = options.get("p") or _socket(statements)
    switch = found.variables.get("ENABLED")
    problem = ""
    if switch is not None and not found.service.is_unit and switch.text == "0":
        problem = f"disabled: {switch.source} sets ENABLED=0"
    yield found.finding(socket, f"{file} has no socket", problem, settings=_settings(statements))


def _statements(text: str, file: str) -> Iterator[Value]:
    """Give the statements of a configuration: lines, but for what a backslash joins, without comments."""
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        row = re.sub(r"""("[^"]*")|#.*""", lambda found: found[1] or "", line).rstrip()
        begun = begun if parts else number
        parts.append(row.removesuffix("\\"))
        if not row.endswith("\\"):
            yield Value(" ".join(parts).strip(), Source(file, begun))
            parts = []


def _socket(statements: list[Value]) -> Value | None:
    """Return the last ``socket`` there is."""
    found = None
    for statement in statements:
        if match := re.match(r'socket\s+"([^"]*)"', statement.text, re.IGNORECASE):
            found = Value(match[1], statement.source)
    return found


def _settings(statements: list[Value]) -> dict[str, Any]:
    waits = [0]
    for statement in statements:
        if re.match(r"r?acl\s", statement.text, re.IGNORECASE):
            tarpits = re.findall(r"\btarpit\s+(\d{1,9})([smhdw]?)\b", statement.text, re.IGNORECASE)
            waits += [int(number) * _SECONDS[unit.lower()] for number, unit in tarpits]
    return {"timeouts": {"command": min(_USUAL + max(waits), _LONGEST)}} if max(waits) else {}

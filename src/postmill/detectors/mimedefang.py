"""MIMEDefang. Its socket: option ``-p``, to which its units and scripts give SOCKET."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.traces import trace


@detector("mimedefang", order=640)
def mimedefang(host: Host, platform: Platform) -> Iterator[Finding]:
    """MIMEDefang: has a filter written in Perl judge and rewrite the message."""
    found = trace(host, platform, "mimedefang")
    if found is not None:
        options = found.options("GNCDHL:MP:o:R:S:TU:Xa:b:cdhkm:p:qrstvx:z:y")
        socket = options.get("p") or found.variables.get("SOCKET")
        yield found.finding(socket, f"{found.service.file} gives it no socket (-p)")

"""OpenDMARC. Its socket: option ``-p``, else ``Socket`` in its configuration."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.keyword_file import TRUSTED_DOMAIN
from postmill.detectors.readers.traces import trace

_FILES = {
    Platform.DEBIAN: "/etc/opendmarc.conf",
    Platform.REDHAT: "/etc/opendmarc.conf",
    Platform.FREEBSD: "/usr/local/etc/mail/opendmarc.conf",
    Platform.PKGSRC: "/usr/pkg/etc/opendmarc.conf",
}


@detector("opendmarc", order=850)
def opendmarc(host: Host, platform: Platform) -> Iterator[Finding]:
    """OpenDMARC: does what the domain of the author asks for when SPF and DKIM fail."""
    found = trace(host, platform, "opendmarc")
    if found is None:
        return
    options = found.options("Ac:flnp:P:t:u:vV")
    keywords = found.keywords(TRUSTED_DOMAIN, options.get("c"), _FILES[platform])
    socket = options.get("p") or keywords.get("Socket")
    if socket is None and not found.service.is_unit:
        socket = found.variables.get("SOCKET")
    yield found.finding(socket, f"{keywords.file} has no Socket")

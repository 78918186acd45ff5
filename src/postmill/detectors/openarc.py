"""OpenARC. Its socket: option ``-p``, else ``Socket`` in its configuration."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.keyword_file import TRUSTED_DOMAIN
from postmill.detectors.readers.traces import trace

_FILES = {
    Platform.DEBIAN: "/etc/openarc.conf",
    Platform.REDHAT: "/etc/openarc.conf",
    Platform.FREEBSD: "/usr/local/etc/mail/openarc.conf",
    Platform.PKGSRC: "/usr/pkg/etc/openarc.conf",
}


@detector("openarc", order=900)
def openarc(host: Host, platform: Platform) -> Iterator[Finding]:
    """OpenARC: seals the results that the filters before it have noted (RFC 8617)."""
    found = trace(host, platform, "openarc")
    if found is None:
        return
    options = found.options("Ac:fhlnp:P:r:t:u:vV")
    keywords = found.keywords(TRUSTED_DOMAIN, options.get("c"), _FILES[platform])
    yield found.finding(options.get("p") or keywords.get("Socket"), f"{keywords.file} has no Socket")

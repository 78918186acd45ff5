"""amavisd-milter. Its socket: option ``-s``, else one that it was built with.

Debian's init script gives ``-s`` when MILTERSOCKET is set in /etc/default/amavisd-milter, which it is not
at first.
"""

from __future__ import annotations

from collections.abc import Iterator

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.traces import trace

_BUILT_IN = {
    Platform.DEBIAN: "/var/lib/amavis/amavisd-milter.sock",
    Platform.REDHAT: "/run/amavisd/amavisd-milter.sock",
    Platform.FREEBSD: "/var/amavis/amavisd-milter.sock",
    Platform.PKGSRC: "/var/amavis/amavisd-milter.sock",
}


@detector("amavisd-milter", order=620)
def amavisd_milter(host: Host, platform: Platform) -> Iterator[Finding]:
    """amavisd-milter: has amavis look for viruses and spam."""
    found = trace(host, platform, "amavisd-milter")
    if found is not None:
        options = found.options("Bd:D:fhm:M:p:Pq:s:S:t:T:vw:")
        yield found.finding(options.get("s") or found.default(_BUILT_IN[platform]), "")

"""spamass-milter. Its socket: option ``-p``; it has no configuration file of its own.

Debian's init script takes it from SOCKET, which it sets by whether Postfix is installed and then lets
/etc/default/spamass-milter change. EPEL's unit takes it from environment files; the package for Postfix
brings a second one, whose SOCKET counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.traces import trace

_SERVICES: Mapping[Platform, tuple[str, ...]] = {
    Platform.REDHAT: ("spamass-milter", "spamass-milter-root"),
}


@detector("spamass-milter", order=600, when=("remote-network", "unauthenticated", "no-stress"))
def spamass_milter(host: Host, platform: Platform) -> Iterator[Finding]:
    """spamass-milter: has SpamAssassin judge the message, marks or refuses spam."""
    found = trace(host, platform, "spamass-milter", _SERVICES.get(platform, ()))
    if found is None:
        return
    options = found.options("afd:mMp:P:r:u:D:i:Ib:B:e:xS:R:C:g:c:l:Q:")
    socket = options.get("p") or found.variables.get("SOCKET")
    yield found.finding(socket, f"{found.service.file} gives it no socket (-p)")

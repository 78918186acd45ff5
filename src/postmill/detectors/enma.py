"""ENMA. Its socket: ``milter.socket`` in its configuration (option ``-c``), else one that it has built in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.keyword_file import DOTTED
from postmill.detectors.readers.traces import trace

_FILES = {
    Platform.DEBIAN: "/etc/enma.conf",
    Platform.REDHAT: "/etc/enma.conf",
    Platform.FREEBSD: "/usr/local/etc/enma.conf",
    Platform.PKGSRC: "/usr/pkg/etc/enma.conf",
}
_SERVICES: Mapping[Platform, tuple[str, ...]] = {Platform.FREEBSD: ("milter-enma", "milterenma")}
_BUILT_IN = "inet:10025@127.0.0.1"


@detector("enma", order=330, when=("remote-network", "unauthenticated", "no-stress"))
def enma(host: Host, platform: Platform) -> Iterator[Finding]:
    """ENMA: checks SPF, Sender ID and DKIM, and notes the results in a header."""
    found = trace(host, platform, "enma", _SERVICES.get(platform, ()))
    if found is None:
        return
    chosen = found.options("c:fhl:v").get("c") or found.variables.get("CONF_FILE")
    keywords = found.keywords(DOTTED, chosen, _FILES[platform])
    yield found.finding(keywords.get("milter.socket") or found.default(_BUILT_IN), "")

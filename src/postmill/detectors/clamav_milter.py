"""clamav-milter. Its socket: ``MilterSocket`` in the configuration that ``--config-file`` names.

An ``Example`` line, whatever stands behind it, means that nobody has configured it yet: it does not start.
Debian has the file made when the package is configured; its init script wants a ``PidFile`` in it besides,
and for ``Foreground`` the program daemon(1).
"""

from __future__ import annotations

from collections.abc import Iterator

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.keyword_file import CLAMAV, Keywords
from postmill.detectors.readers.traces import Trace, trace

_FILES = {
    Platform.DEBIAN: ("/etc/clamav/clamav-milter.conf",),
    Platform.REDHAT: ("/etc/mail/clamav-milter.conf", "/etc/clamav-milter.conf"),
    Platform.FREEBSD: ("/usr/local/etc/clamav-milter.conf",),
    Platform.PKGSRC: ("/usr/pkg/etc/clamav-milter.conf",),
}
_DAEMON = "/usr/bin/daemon"


@detector("clamav-milter", order=500)
def clamav_milter(host: Host, platform: Platform) -> Iterator[Finding]:
    """clamav-milter: has ClamAV look for viruses."""
    found = trace(host, platform, "clamav-milter", ("clamav-milter", "clamav_milter"))
    if found is None:
        return
    chosen = found.options("hVc:p:", {"config-file": "c", "pid": "p"}).get("c")
    if chosen is None:
        chosen = found.variables.get("CLAMAVCONF") or found.variables.get("conf_file")
    keywords = found.keywords(CLAMAV, chosen, *_FILES[platform])
    yield found.finding(
        keywords.get("MilterSocket"), f"{keywords.file} has no MilterSocket", _problem(found, keywords)
    )


def _problem(found: Trace, keywords: Keywords) -> str:
    if not keywords.is_there:
        return f"not configured: {keywords.file} is missing"
    example = keywords.get("Example")
    if example is not None:
        return f"not configured: {example.source} says Example (edit the file and take that line out)"
    if found.service.is_unit or not found.service.file.startswith("/etc/init.d/"):
        return ""
    if keywords.get("PidFile") is None:
        return f"{found.service.file} does not start it without PidFile in {keywords.file}"
    foreground = keywords.get("Foreground")
    in_front = foreground is not None and foreground.text.lower() in {"yes", "true", "1"}
    if in_front and not found.host.is_executable(_DAEMON):
        return f"{found.service.file} does not start it with Foreground while {_DAEMON} is not installed"
    return ""

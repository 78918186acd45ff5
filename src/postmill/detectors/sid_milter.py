"""sid-milter (Sender ID and SPF). Its socket: option ``-p``; it has no configuration file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.traces import trace

_SERVICES: Mapping[Platform, tuple[str, ...]] = {
    Platform.FREEBSD: ("miltersid", "milter-sid"),
    Platform.PKGSRC: ("sid-milter", "sidfilter"),
}


@detector("sid-milter", order=310, when=("remote-network", "unauthenticated", "no-stress"))
def sid_milter(host: Host, platform: Platform) -> Iterator[Finding]:
    """sid-milter: checks Sender ID and SPF, and notes the result in a header."""
    found = trace(
        host, platform, "sid-milter", _SERVICES.get(platform, ("sid-milter", "sid-filter")), ("sid-filter",)
    )
    if found is not None:
        options = found.options("a:AcC:dD:fhlLp:P:r:tT:u:vV")
        socket = options.get("p") or found.variables.get("SOCKET")
        yield found.finding(socket, f"{found.service.file} gives it no socket (-p)")

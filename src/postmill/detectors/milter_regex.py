"""milter-regex. Its socket: option ``-p``, else one that it was built with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.traces import trace

_SERVICES: Mapping[Platform, tuple[str, ...]] = {Platform.FREEBSD: ("milterregex", "milter-regex")}
_BUILT_IN = "unix:/var/spool/milter-regex/sock"


@detector("milter-regex", order=200, when=("remote-network", "unauthenticated", "no-stress"))
def milter_regex(host: Host, platform: Platform) -> Iterator[Finding]:
    """milter-regex: refuses mail by regular expressions for client, envelope, headers and body."""
    found = trace(host, platform, "milter-regex", _SERVICES.get(platform, ()))
    if found is not None:
        options = found.options("c:df:G:j:l:m:p:P:qr:tu:U:v")
        yield found.finding(options.get("p") or found.default(_BUILT_IN), "")

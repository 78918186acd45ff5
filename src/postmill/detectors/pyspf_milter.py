"""pyspf-milter. Its socket: ``Socket`` in its configuration, else one that it has built in."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.keyword_file import PYTHON_POLICY
from postmill.detectors.readers.traces import trace

_FILES = ("/etc/python-policyd-spf/policyd-spf.conf", "/etc/pyspf-milter/pyspf-milter.conf")
_BUILT_IN = "local:/run/pyspf-milter/pyspf-milter.sock"


@detector("pyspf-milter", order=320, when=("remote-network", "unauthenticated", "no-stress"))
def pyspf_milter(host: Host, platform: Platform) -> Iterator[Finding]:
    """pyspf-milter: checks SPF, refuses what fails or notes the result in a header."""
    found = trace(host, platform, "pyspf-milter")
    if found is not None:
        operands = found.options("").operands
        keywords = found.keywords(PYTHON_POLICY, operands[0] if operands else None, *_FILES)
        yield found.finding(keywords.get("Socket") or found.default(_BUILT_IN), "")

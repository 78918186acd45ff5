"""spfmilter (the one of acme.com). Its socket is what stands behind the options of its command line."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.traces import trace

_LONG = {
    "localpolicy": "l",
    "guess": "g",
    "fallback": "f",
    "whitelist": "w",
    "recipientmx": "r",
    "pidfile": "p",
    "user": "u",
}


@detector("spfmilter", order=300, when=("remote-network", "unauthenticated", "no-stress"))
def spfmilter(host: Host, platform: Platform) -> Iterator[Finding]:
    """spfmilter: checks SPF, refuses what fails or notes the result in a header."""
    found = trace(host, platform, "spfmilter")
    if found is not None:
        options = found.options("l:tg:f:w:r:mp:u:X", _LONG)
        operands = [operand for operand in options.operands if operand.is_known]
        socket = operands[-1] if operands else found.variables.get("SOCKET")
        yield found.finding(socket, f"{found.service.file} gives it no socket")

"""dkimpy-milter. Its socket: ``Socket`` in its configuration, else one of systemd's, else one built in."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.keyword_file import PYTHON_MILTER
from postmill.detectors.readers.traces import trace

_FILES = ("/usr/local/etc/dkimpy-milter.conf", "/etc/dkimpy-milter/dkimpy-milter.conf")
_BUILT_IN = "local:/var/run/dkimpy-milter/dkimpy-milter.sock"
_VERIFYING = 360
"""Where it stands when it only verifies: before the filters that edit what was signed."""


@detector("dkimpy-milter", order=810)
def dkimpy_milter(host: Host, platform: Platform) -> Iterator[Finding]:
    """dkimpy-milter: verifies DKIM signatures and signs, with Ed25519 besides RSA."""
    found = trace(host, platform, "dkimpy-milter")
    if found is None:
        return
    operands = found.options("P:").operands
    keywords = found.keywords(PYTHON_MILTER, operands[0] if operands else None, *_FILES)
    opened = found.service.listens
    socket = keywords.get("Socket") or (opened[0] if len(opened) == 1 else found.default(_BUILT_IN))
    mode = keywords.get("Mode")
    order = _VERIFYING if mode is not None and mode.text == "v" else 0
    yield found.finding(socket, "", order=order)

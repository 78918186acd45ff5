"""OpenDKIM. Its socket: option ``-p``, else ``Socket`` in its configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from postmill.api import Finding, Host, Platform, detector
from postmill.detectors.readers.keyword_file import TRUSTED_DOMAIN
from postmill.detectors.readers.services import rc_service
from postmill.detectors.readers.shell import run_script
from postmill.detectors.readers.traces import Trace, trace, trace_of

_LETTERS = "Ab:c:d:De:fF:k:lL:no:p:P:Qrs:S:t:T:u:vVWx:X?"
_SERVICES: Mapping[Platform, tuple[str, ...]] = {Platform.FREEBSD: ("milter-opendkim", "opendkim")}
_FILES = {
    Platform.DEBIAN: "/etc/opendkim.conf",
    Platform.REDHAT: "/etc/opendkim.conf",
    Platform.FREEBSD: "/usr/local/etc/mail/opendkim.conf",
    Platform.PKGSRC: "/usr/pkg/etc/opendkim.conf",
}
_VERIFYING = 350
"""Where it stands when it only verifies: before the filters that edit what was signed."""


@detector("opendkim", order=800)
def opendkim(host: Host, platform: Platform) -> Iterator[Finding]:
    """OpenDKIM: verifies the DKIM signatures of mail that comes in, signs mail that goes out."""
    found = trace(host, platform, "opendkim", _SERVICES.get(platform, ()))
    if found is None:
        return
    profiles = found.variables.get("milteropendkim_profiles")
    if profiles is None or not profiles.text.split():
        yield _finding(found, "opendkim")
        return
    for profile in dict.fromkeys(profiles.text.split()):  # FreeBSD: one process, and one milter, for each
        script = run_script(found.host, found.service.file, ("start", profile))
        service = rc_service(found.service.file, script, found.service.name)
        yield _finding(trace_of(found, service), "opendkim-" + re.sub(r"[^A-Za-z0-9_-]", "-", profile))


def _finding(found: Trace, name: str) -> Finding:
    options = found.options(_LETTERS)
    keywords = found.keywords(TRUSTED_DOMAIN, options.get("x"), _FILES[found.platform])
    socket = options.get("p") or keywords.get("Socket")
    if socket is None and not found.service.is_unit:
        # Debian's script adds the SOCKET of /etc/default/opendkim where the configuration has none.
        socket = found.variables.get("SOCKET")
    mode = options.get("b") or keywords.get("Mode")
    only_verifies = mode is not None and "v" in mode.text and "s" not in mode.text
    return found.finding(
        socket, f"{keywords.file} has no Socket", name=name, order=_VERIFYING if only_verifies else 0
    )

"""What dpkg(1) knows of a package: whether it is installed, or only its configuration is left."""

from __future__ import annotations

import re

from postmill.api.host import Host

_STATUS = "/var/lib/dpkg/status"


def left_behind(host: Host, package: str) -> bool:
    """Tell whether a package was removed without being purged."""
    text = host.read(_STATUS) or ""
    found = re.search(
        rf"^Package: {re.escape(package)}\n(?:\S.*\n|[ \t].*\n)*?Status: (.*)$", text, re.MULTILINE
    )
    return found is not None and found[1].split()[-1:] == ["config-files"]

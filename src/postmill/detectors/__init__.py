"""The shelf of detectors, floor 4: each file finds one milter on a machine; ``detect`` asks all of them.

``shelf()`` collects what the files hold; adding one edits nothing else (docs/contribute/detector.md). Files
on the shelf do not know each other; what they share is in ``readers``.

Their places in the row of milters, so that those who follow see what those before them did:

    100  greylisting: decides by client and envelope, and most mail it defers is never sent again
    200  rules of the house by patterns
    300  SPF and Sender ID, 350 DKIM where it only verifies: before anybody edits the message
    400  all authentication by one milter
    500  viruses, 600 spam and content: they refuse, tag and rewrite
    800  DKIM that signs too: behind everything that edits
    850  DMARC: behind SPF and DKIM, whose results it reads
    900  ARC: seals what all others have noted
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass

from postmill.api.detection import Detector
from postmill.api.host import Finding, Host, Platform
from postmill.api.shelf import collect
from postmill.detectors.readers.init_systems import called, find_platform
from postmill.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Detection:
    """What was found on a machine, in the order in which the milters would be asked."""

    platform: Platform
    findings: tuple[Finding, ...]


def shelf() -> Mapping[str, Detector]:
    """Return every detector by its name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)
    return collect((importlib.import_module(f"{__name__}.{name}") for name in names), Detector)


def detect(host: Host, platform: Platform | None = None) -> Detection:
    """Ask every detector about a machine.

    Raises UnavailableError when its platform is not given and cannot be told.
    """
    platform = platform or find_platform(host)
    if platform is None:
        known = ", ".join(Platform)
        raise UnavailableError(
            f"this machine ({called(host)}) is none of the platforms that detection knows: {known}; "
            "name the most similar one with --platform, or list the milters in the configuration"
        )
    findings = [finding for one in shelf().values() for finding in one.find(host, platform)]
    return Detection(platform, tuple(sorted(findings, key=lambda finding: (finding.order, finding.name))))

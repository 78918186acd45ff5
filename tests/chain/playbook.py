"""A playbook whose children are called m1, m2 … in the order of their scripts."""

from __future__ import annotations

from collections.abc import Sequence

from postmill.api.ports import NO_PORTS, Ports
from postmill.chain.child import ChildSpec
from postmill.chain.state import Plan
from postmill.testing.playbook import Playbook
from postmill.testing.script import Script
from postmill.wire.framing import frame


class Shell(Playbook):
    """Plays one MTA connection: ``say`` a packet, look at ``answers``."""

    def __init__(
        self,
        scripts: Sequence[Script],
        specs: Sequence[ChildSpec] | None = None,
        ports: Ports = NO_PORTS,
        **plan: object,
    ) -> None:
        names = [f"m{number}" for number in range(1, len(scripts) + 1)]
        self.specs = tuple(specs or (ChildSpec(name) for name in names))
        by_name = dict(zip((spec.name for spec in self.specs), scripts, strict=True))
        super().__init__(Plan(self.specs, **plan), by_name, ports)  # type: ignore[arg-type]


def verdict(letter: str, text: bytes = b"") -> bytes:
    """Return a verdict packet."""
    return frame(ord(letter), text + b"\0" if text else b"")

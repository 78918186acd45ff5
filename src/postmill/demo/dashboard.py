"""The dashboard of the demo's Postmill: where it is, and who may log in."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from postmill.demo.ports import PortTakenError, candidates, check

PORT = 8025
"""Taken when it is free."""
NAME = PASSWORD = "demo"  # noqa: S105 - it listens on 127.0.0.1 only
_HASH = "$scrypt$ln=15,r=8,p=3$mcsiMnLnUZgYrZCkIMHVHw$7NSPJH6obugJkdK9dq0EqtiwgmMr7+yctkjoTJJRrec"
_LIBRARIES = ("starlette", "uvicorn", "jinja2")
MISSING = "There is no dashboard: it needs pip install 'postmill[web]'."


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Where it is, and the SMTP server to which its page of samples sends."""

    port: int
    smtp: int

    @property
    def url(self) -> str:
        """What to open in a browser."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def table(self) -> str:
        """Its part of the configuration."""
        lines = (
            "[web]",
            f'listen = ["inet:{self.port}@127.0.0.1"]',
            f'samples = "inet:{self.smtp}@127.0.0.1"',
            "",
            "[[web.user]]",
            f'name = "{NAME}"',
            'role = "operator"',
            f'password = "{_HASH}"',
            "",
        )
        return "\n".join(lines)


def dashboard(smtp: int) -> Dashboard | None:
    """Return a dashboard on a free port; None when its libraries are not here."""
    if not all(map(find_spec, _LIBRARIES)):
        return None
    return Dashboard(first_free(PORT), smtp)


def first_free(usual: int) -> int:
    """Return the usual port if nobody listens there, else a free one."""
    for port in candidates(0, usual):
        try:
            check(port)
        except PortTakenError:
            continue
        return port
    return 0

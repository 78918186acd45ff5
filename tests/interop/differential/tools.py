"""Real SMTP clients as steps of a scenario: swaks and smtp-source, with what they print as their replies.

``swaks args…`` and ``smtp-source args…`` take the arguments of the programs; server and port are added. In them
``{certificate}`` and ``{key}`` stand for the client's own.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from tests.interop.differential.scenario import Step
from tests.stack.certificates import Certificate

PATIENCE = 60.0


@dataclass(frozen=True)
class Address:
    """Where the scenario's smtpd listens."""

    host: str
    port: int


def run(step: Step, address: Address, certificate: Certificate | None = None) -> bytes:
    """Run the program and return its exit status and what it printed."""
    files = {}
    if certificate is not None:
        files = {"{certificate}": str(certificate.chain), "{key}": str(certificate.key)}
    args = [files.get(arg, arg) for arg in step[1:]]
    made = _swaks if step[0] == "swaks" else _smtp_source
    done = subprocess.run(
        made(args, address), capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False
    )
    return b"exit status %d\n%s%s" % (done.returncode, done.stdout, done.stderr)


def _swaks(args: list[str], address: Address) -> list[str]:
    """What it sent and the port are its own business; what the server said is ours."""
    server = ["--server", address.host, "--port", str(address.port), "--timeout", "40s"]
    return ["swaks", *server, "--hide-send", "--hide-informational", *args]


def _smtp_source(args: list[str], address: Address) -> list[str]:
    return ["/usr/sbin/smtp-source", *args, f"{address.host}:{address.port}"]


__all__ = ["Address", "run"]

"""What an smtpd needs to offer STARTTLS and AUTH: certificates, and Dovecot to ask for passwords; and what is
missing of that, and of the mail tools.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.interop.differential.scenario import Scenario
from tests.stack.certificates import Authority, Certificate
from tests.stack.dovecot import PASSWORD, USER, Dovecot

__all__ = ["PASSWORD", "USER", "Secured", "missing", "playable"]
PROGRAMS = ("dovecot", "openssl", "swaks", "smtp-source")


def missing() -> str:
    """Return which programs are not installed, or an empty string."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path="/usr/bin:/usr/sbin")]
    return f"not installed (run tests/stack/install.sh): {', '.join(absent)}" if absent else ""


def playable(scenario: Scenario) -> bool:
    """Whether the programs that a scenario needs beside Postfix are here."""
    return not (scenario.postfix.secure and missing())


class Secured:
    """Certificates and a running Dovecot below ``base``."""

    def __init__(self, base: Path) -> None:
        self._authority = Authority(base / "certificates")
        self._server = self._authority.sign("mx.test.example")
        self.client: Certificate = self._authority.sign("client.example.com")
        self._dovecot = Dovecot(base).start()

    @property
    def options(self) -> dict[str, str]:
        """The smtpd parameters."""
        return {
            "smtpd_tls_security_level": "may",
            "smtpd_tls_cert_file": str(self._server.chain),
            "smtpd_tls_key_file": str(self._server.key),
            "smtpd_tls_CAfile": str(self._authority.certificate),
            "smtpd_tls_ask_ccert": "yes",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": str(self._dovecot.socket),
        }

    def close(self) -> None:
        """Stop Dovecot."""
        self._dovecot.stop()

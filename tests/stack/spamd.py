"""SpamAssassin's spamd: local rules only, no Bayes, no user preferences, one UNIX socket."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.stack.component import Component

#: A body with this word scores 8: tagged as spam, but below the score at which spamass-milter refuses.
MIDDLING = "POSTMILL-TEST-SCORE-8"
RULES = (
    "use_bayes 0",
    "dns_available no",
    "skip_rbl_checks 1",
    f"body PM_TEST_8 /{MIDDLING}/",
    "score PM_TEST_8 8.0",
    "describe PM_TEST_8 middling score for tests",
)


class Spamd(Component):
    """spamd(8) on `socket`."""

    name = "spamd"

    @property
    def socket(self) -> Path:
        """The socket for spamc and spamass-milter."""
        return self.directory / "spamd.sock"

    def command(self) -> Sequence[str]:
        """Return spamd's command line; it changes to user debian-spamd by itself."""
        return [
            "/usr/sbin/spamd",
            "--local",
            "--nouser-config",
            f"--socketpath={self.socket}",
            "--socketmode=0666",
            "--username=debian-spamd",
            "--helper-home-dir=/var/lib/spamassassin",
            "--min-children=1",
            "--max-children=2",
            f"--pidfile={self.directory / 'spamd.pid'}",
            f"--syslog={self.directory / 'spamd.log'}",
            *(f"--cf={rule}" for rule in RULES),
        ]

    def ready(self) -> bool:
        """Ask with PING."""
        ping = subprocess.run(["spamc", "-U", str(self.socket), "-K"], capture_output=True, check=False)
        return ping.returncode == 0

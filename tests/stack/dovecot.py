"""Dovecot as the SASL server of a Postfix: who may log in, with which password; no mailboxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.stack.component import Component, answers

USER, PASSWORD = "user1@example.org", "secret"

SETTINGS = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
instance_name = {directory.name}
protocols =
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {directory}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service auth {{
  unix_listener {directory}/auth.sock {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""


class Dovecot(Component):
    """dovecot(1) that answers on `socket` (Postfix's ``smtpd_sasl_path``); `USER` may log in."""

    name = "dovecot"

    @property
    def socket(self) -> Path:
        """Where Postfix asks it."""
        return self.directory / "auth.sock"

    def prepare(self) -> None:
        """Write the user and dovecot.conf."""
        (self.directory / "run").mkdir(mode=0o755)
        (self.directory / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        (self.directory / "dovecot.conf").write_text(SETTINGS.format(directory=self.directory))

    def command(self) -> Sequence[str]:
        """Return the command line; its helpers change to their own users."""
        return ["/usr/sbin/dovecot", "-F", "-c", str(self.directory / "dovecot.conf")]

    def ready(self) -> bool:
        """It listens when it can answer."""
        return answers(self.socket)

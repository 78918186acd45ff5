"""ClamAV's clamd with a database of one signature: the EICAR test string."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.stack.component import Component, answers
from tests.stack.messages import eicar

SETTINGS = """\
LocalSocket {directory}/clamd.sock
LocalSocketMode 666
FixStaleSocket true
User clamav
Foreground true
DatabaseDirectory {directory}/db
TemporaryDirectory {directory}/tmp
LogFile {directory}/clamd.log
LogFileUnlock true
PidFile {directory}/clamd.pid
MaxThreads 4
SelfCheck 0
Bytecode false
PhishingSignatures false
PhishingScanURLs false
ConcurrentDatabaseReload false
"""


class Clamd(Component):
    """clamd(8) on `socket`."""

    name = "clamd"
    user = "clamav"

    @property
    def socket(self) -> Path:
        """The socket for clamav-milter."""
        return self.directory / "clamd.sock"

    def prepare(self) -> None:
        """Write the database and clamd.conf."""
        (self.directory / "tmp").mkdir()
        (self.directory / "db").mkdir()
        signature = f"Eicar-Test-Signature:0:*:{eicar().encode().hex()}\n"
        (self.directory / "db" / "local.ndb").write_text(signature)
        (self.directory / "clamd.conf").write_text(SETTINGS.format(directory=self.directory))

    def command(self) -> Sequence[str]:
        """Return the command line; clamd changes to user clamav by itself."""
        return ["/usr/sbin/clamd", "-c", str(self.directory / "clamd.conf")]

    def ready(self) -> bool:
        """clamd listens when its database is loaded."""
        return answers(self.socket)

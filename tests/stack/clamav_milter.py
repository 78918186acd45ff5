"""clamav-milter: has clamd scan each mail; what it does with a virus is its `OnInfected` setting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.stack.box import Box
from tests.stack.clamd import Clamd
from tests.stack.component import MilterComponent

SETTINGS = """\
MilterSocket {directory}/milter.sock
MilterSocketMode 666
FixStaleSocket true
User clamav
Foreground true
ClamdSocket unix:{clamd}
TemporaryDirectory {directory}/tmp
PidFile {directory}/milter.pid
LogFile {directory}/milter.log
LogFileUnlock true
LogInfected Full
OnClean Accept
OnInfected {on_infected}
OnFail {on_fail}
AddHeader Replace
"""


class ClamavMilter(MilterComponent):
    """clamav-milter(8) before `clamd`; `on_infected` is Reject, Quarantine, Blackhole, Accept or Defer."""

    name = "clamav-milter"
    user = "clamav"

    def __init__(self, directory: Path, box: Box, clamd: Clamd, on_infected: str = "Reject") -> None:
        super().__init__(directory, box)
        self.clamd = clamd
        self.on_infected = on_infected
        self.on_fail = "Defer"

    def change(self, on_infected: str, on_fail: str = "Defer") -> None:
        """Restart with another `OnInfected` and `OnFail`, on the same socket."""
        self.kill()
        self.on_infected, self.on_fail = on_infected, on_fail
        self.prepare()
        self.start()

    def prepare(self) -> None:
        """Write clamav-milter.conf. A RejectMsg means something with Reject only."""
        (self.directory / "tmp").mkdir(exist_ok=True)
        settings = SETTINGS.format(
            directory=self.directory,
            clamd=self.clamd.socket,
            on_infected=self.on_infected,
            on_fail=self.on_fail,
        )
        if self.on_infected == "Reject":
            settings += "RejectMsg Virus %v found\n"
        (self.directory / "clamav-milter.conf").write_text(settings)

    def command(self) -> Sequence[str]:
        """Return the command line; it changes to user clamav by itself."""
        return ["/usr/sbin/clamav-milter", "-c", str(self.directory / "clamav-milter.conf")]

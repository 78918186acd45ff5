"""ClamAV in the demo: Postmill's filter `clamav`, and a private clamd that knows one virus.

Its database has a signature for the EICAR test file and nothing else: the machine's own may be missing, and
takes long to load.
"""

from __future__ import annotations

from pathlib import Path

from postmill.demo.filters import EICAR
from postmill.demo.scanner import Scanner

_CONFIGURATION = """\
LocalSocket {home}/clamd.sock
LocalSocketMode 600
Foreground yes
DatabaseDirectory {home}/database
TemporaryDirectory {home}
Bytecode no
PhishingSignatures no
PhishingScanURLs no
MaxThreads 2
SelfCheck 0
ConcurrentDatabaseReload no
"""


def _lay_out(home: Path) -> tuple[str, ...]:
    database = home / "database"
    database.mkdir()
    (database / "demo.ndb").write_text(f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
    configuration = home / "clamd.conf"
    configuration.write_text(_CONFIGURATION.format(home=home))
    return (f"--config-file={configuration}",)


CLAMAV = Scanner(
    filter="clamav",
    what="refuses mail with a virus",
    settings="",
    product="ClamAV",
    program="clamd",
    package="clamav-daemon",
    lay_out=_lay_out,
    ping=b"zPING\0",
    pong=b"PONG",
)

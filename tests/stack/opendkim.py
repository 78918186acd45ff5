"""OpenDKIM: signs mail of its own domain from local clients, verifies all other mail."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.stack.box import Box
from tests.stack.component import MilterComponent
from tests.stack.keys import DkimKey

#: RequireSafeKeys would refuse keys below /tmp. TestPublicKeys replaces DNS for the public halves.
SETTINGS = """\
Background no
AutoRestart no
UserID opendkim
UMask 0000
Socket local:{directory}/milter.sock
Mode sv
Syslog yes
LogWhy yes
Canonicalization relaxed/simple
OversignHeaders From
KeyTable file:{directory}/KeyTable
SigningTable file:{directory}/SigningTable
InternalHosts file:{directory}/hosts
ExternalIgnoreList file:{directory}/hosts
AuthservID mx.test.example
AlwaysAddARHeader yes
TestPublicKeys {directory}/public
RequireSafeKeys no
"""


class Opendkim(MilterComponent):
    """opendkim(8), signing for the domain of the first key and knowing the public halves of all."""

    name = "opendkim"
    user = "opendkim"

    def __init__(self, directory: Path, box: Box, keys: Sequence[DkimKey]) -> None:
        super().__init__(directory, box)
        self.keys = keys

    def prepare(self) -> None:
        """Write the tables and opendkim.conf."""
        own, here = self.keys[0], self.directory
        shutil.copy(own.private, here / "private")
        (here / "private").chmod(0o600)
        (here / "KeyTable").write_text(f"own {own.domain}:s1:{here / 'private'}\n")
        (here / "SigningTable").write_text(f"{own.domain} own\n")
        (here / "hosts").write_text("127.0.0.1\n::1\n")
        (here / "public").write_text("".join(f"{key.name} {key.record}\n" for key in self.keys))
        (here / "opendkim.conf").write_text(SETTINGS.format(directory=here))

    def command(self) -> Sequence[str]:
        """Return the command line; it changes to user opendkim by itself."""
        return ["/usr/sbin/opendkim", "-f", "-x", str(self.directory / "opendkim.conf")]

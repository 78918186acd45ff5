"""milter-greylist 4.6: greylists at RCPT by client network, sender and recipient.

Tests need not wait ten minutes: a tuple whose time lies in the past goes into the dump file before the start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.stack.box import Box
from tests.stack.component import MilterComponent, answers

PEERS = Path(os.environ.get("POSTMILL_PEERS", "/opt/postmill-peers"))

SETTINGS = """\
pidfile "{directory}/milter-greylist.pid"
socket "{directory}/milter.sock" 666
dumpfile "{directory}/greylist.db" 600
dumpfreq 1
user "nobody"
verbose
subnetmatch /24
greylist 10m
autowhite 1w
sm_macro "trusted_domain" "{{trusted_domain}}" "yes"
racl whitelist sm_macro "trusted_domain" spf pass
racl greylist sm_macro "trusted_domain" not spf pass
racl greylist default
"""


@dataclass(frozen=True)
class Known:
    """A tuple that milter-greylist knows already: `waited` seconds ago its delay was over.

    With `auto` it has passed before, and will pass without delay for a day.
    """

    address: str
    sender: str
    recipient: str
    waited: int = 5
    auto: bool = False

    def line(self) -> str:
        """The tuple as milter-greylist dumps it."""
        when = f"{int(time.time()) + 86400} AUTO" if self.auto else f"{int(time.time()) - self.waited}"
        return f"{self.address}\t<{self.sender}>\t<{self.recipient}>\t{when} # x\n"


class MilterGreylist(MilterComponent):
    """milter-greylist(8) that starts with the tuples `known`; `name` tells several instances apart."""

    user = "nobody"

    def __init__(
        self, directory: Path, box: Box, known: Iterable[Known] = (), name: str = "milter-greylist"
    ) -> None:
        self.name = name
        super().__init__(directory, box)
        self.known = tuple(known)

    def prepare(self) -> None:
        """Write greylist.conf and the dump file."""
        (self.directory / "greylist.conf").write_text(SETTINGS.format(directory=self.directory))
        dump = self.directory / "greylist.db"
        dump.write_text("".join(entry.line() for entry in self.known))
        dump.chmod(0o600)

    def command(self) -> Sequence[str]:
        """Return the command line; it changes to user nobody by itself."""
        program = PEERS / "milter-greylist/usr/sbin/milter-greylist"
        return [str(program), "-D", "-f", str(self.directory / "greylist.conf")]

    def ready(self) -> bool:
        """The socket's mode is the administrator's affair (here: for every MTA user)."""
        if self.socket.exists():
            self.socket.chmod(0o666)
        return answers(self.socket)

"""A private Sendmail 8.17: own configuration, queue and sockets below one directory, everything relayed on.

It has one listener for each list of filters, so that one daemon reaches the same filters in several ways.
Its directory must not lie below /tmp: Sendmail refuses UNIX sockets under directories that all may write.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.postfix import free_port, listening_ports
from tests.stack.box import Box
from tests.stack.component import Component
from tests.stack.milter_greylist import PEERS

ROOT = PEERS / "sendmail"
PROGRAM = ROOT / "usr/libexec/sendmail/sendmail"
CF = ROOT / "usr/share/sendmail/cf"

#: Interactive delivery: when the client hears 250, the message has been relayed, however busy the machine is.
CONFIGURATION = """\
divert(-1)dnl
include(`{cf}/m4/cf.m4')dnl
divert(0)dnl
OSTYPE(`linux')dnl
define(`confDEF_USER_ID', `nobody:nogroup')dnl
define(`QUEUE_DIR', `{directory}/queue')dnl
define(`STATUS_FILE', `{directory}/statistics')dnl
define(`HELP_FILE', `/dev/null')dnl
define(`confPID_FILE', `{directory}/sendmail.pid')dnl
define(`confCONTROL_SOCKET_NAME', `')dnl
define(`ALIAS_FILE', `')dnl
define(`confTO_IDENT', `0')dnl
define(`confDOMAIN_NAME', `sm.test.example')dnl
define(`confDONT_BLAME_SENDMAIL', `Safe')dnl
define(`confDELIVERY_MODE', `interactive')dnl
define(`confPRIVACY_FLAGS', `')dnl
define(`confMILTER_LOG_LEVEL', `9')dnl
define(`confLOG_LEVEL', `14')dnl
define(`confCONNECTION_RATE_THROTTLE', `0')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confBAD_RCPT_THROTTLE', `0')dnl
define(`confDIRECT_SUBMISSION_MODIFIERS', `')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {relay}')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h {relay}')dnl
define(`SMTP_MAILER_ARGS', `TCP $h {relay}')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`no_default_msa')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
define(`MAIL_HUB', `relay:[127.0.0.1]')dnl
define(`LOCAL_RELAY', `relay:[127.0.0.1]')dnl
LOCAL_DOMAIN(`none.invalid')dnl
RELAY_DOMAIN(`test.example')dnl
{filters}{listeners}MAILER(`smtp')dnl
"""


@dataclass(frozen=True)
class Filter:
    """One INPUT_MAIL_FILTER: its socket, and what a broken filter means: `T` (tempfail), `R` (reject), ""."""

    socket: str
    flag: str = "T"

    def line(self, name: str) -> str:
        """Return the m4 macro that defines the filter."""
        flag = f"F={self.flag}, " if self.flag else ""
        return f"MAIL_FILTER(`{name}', `S={self.socket}, {flag}T=C:10s;S:30s;R:30s;E:60s')dnl\n"


@dataclass(frozen=True)
class Listener:
    """A listener and the names of its filters in order."""

    filters: Sequence[str]
    port: int = field(default_factory=free_port)

    def line(self, name: str) -> str:
        """Return the m4 macro that opens the listener."""
        filters = ";".join(self.filters)
        options = f"Family=inet, Name={name}, Port={self.port}, Addr=127.0.0.1, InputMailFilters={filters}"
        return f"DAEMON_OPTIONS(`{options}')dnl\n"


def private_directory() -> Path:
    """Make a directory that Sendmail finds safe."""
    path = Path(tempfile.mkdtemp(prefix="postmill-", dir="/run"))
    path.chmod(0o755)
    return path


class Sendmail(Component):
    """sendmail(8) relaying to `127.0.0.1:relay`; `filters` and `listeners` by name."""

    name = "sendmail"

    def __init__(
        self,
        directory: Path,
        box: Box,
        relay: int,
        filters: Mapping[str, Filter],
        listeners: Mapping[str, Listener],
    ) -> None:
        super().__init__(directory, box)
        self.relay = relay
        self.filters = filters
        self.listeners = listeners

    def prepare(self) -> None:
        """Expand the m4 configuration."""
        (self.directory / "queue").mkdir(mode=0o700)
        (self.directory / "statistics").touch()
        source = self.directory / "test.mc"
        source.write_text(
            CONFIGURATION.format(
                cf=CF,
                directory=self.directory,
                relay=self.relay,
                filters="".join(each.line(name) for name, each in self.filters.items()),
                listeners="".join(each.line(name) for name, each in self.listeners.items()),
            )
        )
        made = subprocess.run(
            ["m4", f"-D_CF_DIR_={CF}/", str(source)], cwd=CF / "cf", check=True, capture_output=True
        )
        (self.directory / "sendmail.cf").write_bytes(made.stdout)

    def command(self) -> Sequence[str]:
        """Return the command line of a daemon in the foreground."""
        return [str(PROGRAM), "-C", str(self.directory / "sendmail.cf"), "-bD"]

    def ready(self) -> bool:
        """Look for the listeners without connecting: that would start a filter session."""
        return {listener.port for listener in self.listeners.values()} <= listening_ports()

    def quarantined(self) -> list[str]:
        """Return the control files of the quarantined messages."""
        queue = self.directory / "queue"
        return [path.read_text("latin-1") for path in sorted(queue.iterdir()) if path.name.startswith("hf")]

    def forget(self) -> None:
        """Empty the queue."""
        for path in (self.directory / "queue").iterdir():
            os.unlink(path)

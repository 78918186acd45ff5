"""OpenDMARC: judges by the domain's policy, relying on the Authentication-Results that OpenDKIM inserted."""

from __future__ import annotations

from collections.abc import Sequence

from tests.stack.component import MilterComponent

SETTINGS = """\
Background false
AutoRestart false
UserID opendmarc
UMask 0000
Socket local:{directory}/milter.sock
Syslog true
AuthservID mx.test.example
TrustedAuthservIDs mx.test.example
IgnoreHosts {directory}/ignore.hosts
IgnoreAuthenticatedClients true
RejectFailures true
HoldQuarantinedMessages true
SPFIgnoreResults true
SPFSelfValidate true
PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat
HistoryFile {directory}/history
DNSTimeout 2
SoftwareHeader true
"""


class Opendmarc(MilterComponent):
    """opendmarc(8); needs the box's DNS for SPF and policies."""

    name = "opendmarc"
    user = "opendmarc"

    def prepare(self) -> None:
        """Write opendmarc.conf."""
        (self.directory / "ignore.hosts").write_text("127.0.0.1\n")
        (self.directory / "opendmarc.conf").write_text(SETTINGS.format(directory=self.directory))

    def command(self) -> Sequence[str]:
        """Return the command line; it changes to user opendmarc by itself."""
        return ["/usr/sbin/opendmarc", "-f", "-c", str(self.directory / "opendmarc.conf")]

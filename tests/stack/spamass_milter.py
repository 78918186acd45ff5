"""spamass-milter: hands each mail to spamd, adds SpamAssassin's headers, refuses from a score of 15 on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.stack.box import Box
from tests.stack.component import MilterComponent, as_user
from tests.stack.spamd import Spamd


class SpamassMilter(MilterComponent):
    """spamass-milter(8) before `spamd`, with `options`."""

    name = "spamass-milter"
    user = "spamass-milter"

    def __init__(
        self, directory: Path, box: Box, spamd: Spamd, options: Sequence[str] = ("-m", "-r", "15")
    ) -> None:
        super().__init__(directory, box)
        self.spamd = spamd
        self.options = options

    def command(self) -> Sequence[str]:
        """Return the command line; what stands after `--` goes to spamc."""
        arguments = ["-p", str(self.socket), *self.options, "--", "-U", str(self.spamd.socket)]
        return as_user(self.user, "/usr/sbin/spamass-milter", *arguments)

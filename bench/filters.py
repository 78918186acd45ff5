"""`python -m bench.filters`: what a built-in filter costs beside the milter in C that does the same.

Both ways lead through Postmill to the same scanner in the same run, a few messages each in turn: once by the
real milter on its socket, once by the filter inside. Counted is the CPU of Postmill and of the milter,
with the programs that it starts; the scanner's own is left out. Needs what `make peers` installs, and root.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from postmill.testing.mta import FakeMta
from postmill.testing.plan import Mail, Recipient, SessionPlan
from tests.daemon.running import Daemon
from tests.filters.beside import a_box, started
from tests.stack.box import Box
from tests.stack.clamav_milter import ClamavMilter
from tests.stack.clamd import Clamd
from tests.stack.component import Component, MilterComponent, descendants
from tests.stack.manager import table
from tests.stack.spamass_milter import SpamassMilter
from tests.stack.spamd import Spamd

ROUNDS = 10
HEADERS = tuple((b"X-Header-%d" % number, b" value of this header") for number in range(11))
MAIL = Mail(
    recipients=(Recipient(b"<a@example.org>"), Recipient(b"<b@example.org>")),
    headers=((b"Subject", b" a message"), *HEADERS),
    body=b"0123456789abcdef0123456789abcdef0123456789abcdef\r\n" * 160,
)


@dataclass
class Way:
    """One way to the scanner: Postmill, and whoever else is on it."""

    name: str
    daemon: Daemon
    milter: Component | None = None
    seconds: float = 0.0
    messages: int = 0

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        pids = descendants(self.daemon.pid)
        pids += descendants(self.milter.pid) if self.milter is not None else []
        return sum(map(cpu_seconds, pids))

    def send(self, count: int) -> None:
        """Send messages, a session for each, and add up what they cost."""
        before = self.cpu
        for _ in range(count):
            (report,) = FakeMta(self.daemon.endpoint, timeout=60).session(SessionPlan(mails=(MAIL,))).mails
            if report.status != "accept" or not report.edits:
                raise SystemExit(f"{self.name}: {report.status} {report.reply!r}, {len(report.edits)} edits")
        self.seconds += self.cpu - before
        self.messages += count

    @property
    def per_thousand(self) -> float:
        """Seconds of CPU for 1,000 messages."""
        return self.seconds / self.messages * 1000


def cpu_seconds(pid: int) -> float:
    """Seconds of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / 100


class FilterDaemon(Daemon):
    """A Postmill with one filter inside."""

    def __init__(self, use: str, settings: dict[str, Any]) -> None:
        super().__init__()
        self._filter = {"use": use, "settings": settings}

    def write(self) -> None:
        """Write the configuration."""
        super().write()
        with self.config.open("a") as file:
            file.write("\n" + table("[filter]", self._filter))


def clamav(directory: Path, box: Box) -> tuple[Component, MilterComponent, str, dict[str, Any]]:
    """Return scanner, milter, and the filter with its settings."""
    clamd = Clamd(directory, box)
    milter = ClamavMilter(directory, box, clamd)
    return clamd, milter, "clamav", {"file": str(milter.directory / "clamav-milter.conf")}


def spamassassin(directory: Path, box: Box) -> tuple[Component, MilterComponent, str, dict[str, Any]]:
    """Return scanner, milter, and the filter with its settings."""
    spamd = Spamd(directory, box)
    settings = {"spamd": [f"unix:{spamd.socket}"], "reject_score": 15}
    return spamd, SpamassMilter(directory, box, spamd), "spamassassin", settings


PAIRS = {"clamav": clamav, "spamassassin": spamassassin}


@contextmanager
def ways(name: str) -> Iterator[tuple[Way, Way]]:
    """Start everything for one filter."""
    with ExitStack() as stack:
        box = stack.enter_context(a_box(f"bench-{name}-"))
        scanner, milter, use, settings = PAIRS[name](box.directory.parent, box)
        stack.enter_context(started(scanner, milter))
        behind = stack.enter_context(Daemon({milter.name: {"socket": milter.endpoint}}))
        inside = stack.enter_context(FilterDaemon(use, settings))
        yield Way(f"{milter.name} + its socket", behind, milter), Way(f"{use} inside", inside)


def measure(name: str, messages: int) -> tuple[Way, Way]:
    """Send the messages both ways, in turn."""
    with ways(name) as (theirs, ours):
        for way in (theirs, ours):
            way.send(5)
            way.seconds, way.messages = 0.0, 0
        for _ in range(ROUNDS):
            for way in (theirs, ours):
                way.send(messages // ROUNDS)
        return theirs, ours


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the status is 1 when a filter inside was the dearer way."""
    parser = argparse.ArgumentParser(prog="python -m bench.filters", description=__doc__)
    parser.add_argument("--only", choices=[*PAIRS], help="one filter (default: all)")
    parser.add_argument("--messages", type=int, default=300, help="for each way (default: %(default)s)")
    options = parser.parse_args(arguments)
    shown = Table("filter", "way", "CPU s/1000 messages", "ratio")
    dearer = False
    for name in [options.only] if options.only else PAIRS:
        theirs, ours = measure(name, options.messages)
        ratio = ours.per_thousand / theirs.per_thousand
        shown.add_row(name, theirs.name, f"{theirs.per_thousand:.2f}", "1")
        shown.add_row("", ours.name, f"{ours.per_thousand:.2f}", f"{ratio:.2f}")
        dearer = dearer or ratio >= 1
    Console().print(shown)
    return int(dearer)


if __name__ == "__main__":
    sys.exit(main())

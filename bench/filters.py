"""`python -m bench.filters`: what a built-in filter costs beside the milters in C that do the same.

Both ways lead through Postmill in the same run, a few messages each in turn: once by the real milters on
their sockets, once by the filter inside. Counted is the CPU of Postmill and of the milters, with the programs
that they start; the scanner's own is left out. Needs what `make peers` installs, and root.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.filter_pairs import PAIRS, Pair, zone
from postmill.testing.mta import FakeMta
from postmill.testing.outcome import MailReport
from tests.daemon.running import Daemon
from tests.filters.beside import started
from tests.interop.postfix import public_directory
from tests.stack.box import Box
from tests.stack.component import Component, descendants
from tests.stack.manager import table

TURN = 10
"""Messages before it is the other way's turn: a machine that is slow for a second is slow for both."""
WARM = 20
_LIBC = ctypes.CDLL(None)


@dataclass
class Way:
    """One way: Postmill, and whoever else is on it."""

    name: str
    daemon: Daemon
    pair: Pair
    milters: Sequence[Component] = ()
    seconds: float = 0.0
    messages: int = 0
    senders: int = 0

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        parents = [self.daemon.pid, *(milter.pid for milter in self.milters)]
        return sum(cpu_seconds(pid) for parent in parents for pid in descendants(parent))

    def warm_up(self) -> None:
        """Send until it is taken as it is to be (a greylist does so in the second second), and some more."""
        for _ in range(5):
            if self.as_wanted(self.one()):
                break
            time.sleep(1.2)
        self.send(WARM)
        self.seconds, self.messages = 0.0, 0

    def send(self, count: int) -> None:
        """Send messages, a session for each, and add up what they cost."""
        before = self.cpu
        for _ in range(count):
            report = self.one()
            if not self.as_wanted(report):
                raise SystemExit(f"{self.name}: {report.status} {report.reply!r}, {len(report.edits)} edits")
        self.seconds += self.cpu - before
        self.messages += count

    def one(self) -> MailReport:
        """Send one message."""
        plan = self.pair.plan
        if self.pair.strangers:
            self.senders += 1
            mails = tuple(replace(mail, sender=b"<joe%d@ext.example>" % self.senders) for mail in plan.mails)
            plan = replace(plan, mails=mails)
        (report,) = FakeMta(self.daemon.endpoint, timeout=60).session(plan).mails
        return report

    def as_wanted(self, report: MailReport) -> bool:
        """Tell whether a message was edited and let through, or a stranger's refused for now."""
        if self.pair.strangers:
            return len(report.refused) == len(self.pair.plan.mails[0].recipients)
        return report.status == "accept" and bool(report.edits)

    @property
    def per_thousand(self) -> float:
        """Seconds of CPU for 1,000 messages."""
        return self.seconds / self.messages * 1000


def cpu_seconds(pid: int) -> float:
    """Seconds of a process, to the nanosecond, and of its children that have ended, to the hundredth."""
    clock = ctypes.c_int()
    error = _LIBC.clock_getcpuclockid(pid, ctypes.byref(clock))
    if error:
        raise OSError(error, os.strerror(error))
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(clock.value) + sum(map(int, fields[13:15])) / 100


class BoxedDaemon(Daemon):
    """A Postmill in a box, with milters or with one filter inside."""

    def __init__(self, box: Box, pair: Pair, inside: bool) -> None:
        super().__init__({} if inside else {one.name: {"socket": one.endpoint} for one in pair.milters})
        self.prefix = box.inside(())
        self._filter: Mapping[str, Any] | None = None
        if inside:
            self._filter = {"use": pair.use, "settings": pair.settings}

    def write(self) -> None:
        """Write the configuration."""
        super().write()
        with self.config.open("a") as file:
            file.write("\n" + table("store", {"url": f"sqlite:{self.directory}/state.db"}))
            if self._filter is not None:
                file.write("\n" + table("[filter]", self._filter))


@contextmanager
def ways(name: str) -> Iterator[tuple[Way, Way]]:
    """Start everything for one filter."""
    directory = public_directory(f"bench-{name}-")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        box = stack.enter_context(Box(directory / "box", zone()))
        pair = PAIRS[name](directory, box)
        stack.enter_context(started(*pair.scanners, *pair.milters))
        behind = stack.enter_context(BoxedDaemon(box, pair, inside=False))
        inside = stack.enter_context(BoxedDaemon(box, pair, inside=True))
        names = " + ".join(milter.name for milter in pair.milters)
        sockets = "its socket" if len(pair.milters) == 1 else "their sockets"
        yield (
            Way(f"{names} + {sockets}", behind, pair, pair.milters),
            Way(f"{pair.use} inside", inside, pair),
        )


def measure(name: str, messages: int | None) -> tuple[Way, Way]:
    """Send the messages both ways, in turn."""
    with ways(name) as both:
        for way in both:
            way.warm_up()
        messages = messages or both[0].pair.messages
        for sent in range(0, messages, TURN):
            for way in both:
                way.send(min(TURN, messages - sent))
        return both


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the status is 1 when a filter inside was the dearer way."""
    parser = argparse.ArgumentParser(prog="python -m bench.filters", description=__doc__)
    parser.add_argument("--only", choices=[*PAIRS], help="one filter (default: all)")
    parser.add_argument("--messages", type=int, help="for each way (default: 300, for greylisting 1500)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and end what was started
    shown = Table("filter", "way", "CPU s/1000 messages", "ratio")
    dearer = False
    for name in [options.only] if options.only else PAIRS:
        theirs, ours = measure(name, options.messages)
        ratio = ours.per_thousand / theirs.per_thousand
        shown.add_row(name, theirs.name, f"{theirs.per_thousand:.2f}", "1")
        shown.add_row("", ours.name, f"{ours.per_thousand:.2f}", f"{ratio:.2f}")
        dearer = dearer or round(ratio, 3) >= 1  # equal ticks of the clock are no less
    Console().print(shown)
    return int(dearer)


if __name__ == "__main__":
    sys.exit(main())

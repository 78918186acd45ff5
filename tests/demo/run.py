"""The demo as a user runs it, for the tests: a subprocess, its output in parts, its processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from postmill.demo.filters import MARK
from postmill.demo.samples import SAMPLES

DEMO = (sys.executable, "-m", "postmill", "demo")
WITHIN = 60.0

STAND_INS = {"newcomers": "greylist", "virus": "virus", "spam": "spam", "mark": "tagger"}
REAL = {"newcomers": "greylist", "virus": "clamav", "spam": "spamassassin", "mark": "tagger"}
"""Which filter is asked for which duty, without and with ClamAV and SpamAssassin on the machine."""


def environment(*, real: bool = False) -> dict[str, str]:
    """Whatever the terminal of the one who tests is like; not `real`: with nothing in its PATH."""
    plain = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "FORCE_COLOR")}
    return plain | {"PYTHONUNBUFFERED": "1"} | ({} if real else {"PATH": "/nonexistent"})


def once(*options: str, real: bool = False, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run it with ``--once``; `prefix` is a command that runs it."""
    return subprocess.run(
        [*prefix, *DEMO, "--once", *options],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment(real=real),
    )


def blocks(output: str) -> dict[str, str]:
    """The parts of the output by their headings."""
    parts = re.split(r"^(\S.*?) ─{3,}$", output, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def processes(output: str) -> list[int]:
    """All that the output names."""
    return [int(pid) for pid in re.findall(r"process (\d+)", output)]


def process(output: str, program: str) -> int:
    """That of a milter, or of the program that a filter asks."""
    found = re.search(rf"(?:{program}\.sock, |asks {program} \()process (\d+)", output)
    assert found, output
    return int(found[1])


def directory(output: str) -> Path:
    """Where its sockets are."""
    found = re.search(r"in (/\S+postmill-demo-\S+)", output)
    assert found, output
    return Path(found[1])


def check_samples(output: str, row: dict[str, str]) -> None:
    """Hold what is printed of each sample against what is to become of it."""
    parts = blocks(output)
    for number, sample in enumerate(SAMPLES, 1):
        part = parts[f"{number}  {sample.title}"]
        rows = {line.split()[0]: line for line in part.splitlines() if line.strip()}
        assert set(row.values()) <= set(rows), "who was asked"
        if sample.refused_by:
            by = row[sample.refused_by]
            assert re.search(rf" {sample.code} \d\.\d\.\d ", rows[by]), "who said what"
            assert re.search(rf"^Refused( for now)? at \S+ by {by}, [\d.]+ ms", part, re.M)
        else:
            assert re.search(r"^Delivered, [\d.]+ ms after MAIL: /\S+/Maildir/new/\S+$", part, re.M)
            assert re.search(rf"^{row['virus']} .* +\d+\.\d (continue|accept)", part, re.M), (
                "in how many milliseconds"
            )
        assert ("add-header" in rows["tagger"]) == (MARK.decode() in part) == sample.marked
    newcomers = [part for part in parts.values() if "left out by sender-domain" not in part]
    assert sum("\ngreylist " in part for part in newcomers) == 2, "only one is greylisted"
    assert "X-Greylist: Delayed for " in parts[f"{len(SAMPLES)}  {SAMPLES[-1].title}"]
    assert f"{len(SAMPLES)} of {len(SAMPLES)} sample mails fared as expected" in parts["Summary"]


@dataclass
class Running:
    """A demo that stays up."""

    process: subprocess.Popen[str]
    file: Path

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.file.read_text()

    @property
    def port(self) -> int:
        """Where it takes mail."""
        return int(re.findall(r"127\.0\.0\.1:(\d+)", self.output)[0])

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until it has printed this, so many times."""
        deadline = time.monotonic() + WITHIN
        while self.output.count(text) < times:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)


@contextmanager
def running(*options: str, real: bool = False, until: str = "Ctrl-C ends everything") -> Iterator[Running]:
    """Run it, from when it has printed `until`; end it on the way out."""
    file = Path(f"/tmp/pm-demo-{os.getpid()}-{time.monotonic_ns()}")
    with file.open("w") as stream:
        process = subprocess.Popen(
            [*DEMO, *options], stdout=stream, stderr=stream, text=True, env=environment(real=real)
        )
        demo = Running(process, file)
        try:
            demo.wait_for(until)
            yield demo
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(WITHIN)
            file.unlink()

"""``clamav`` beside the real clamav-milter, both before one real clamd, with what side_by_side leaves out.

That is what becomes of a virus when it is not refused, the other options, and a clamd that is not there.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from postmill.filters.clamav import app
from postmill.testing import deliver
from tests.daemon.running import Daemon
from tests.filters.beside import Outcome, a_box, play, started
from tests.filters.serving import serving
from tests.filters.side_by_side.corpus import Letter, letters
from tests.filters.side_by_side.reading import without_scanner
from tests.filters.side_by_side.stand import ask
from tests.interop.postfix import free_port, wait_until
from tests.stack import peers
from tests.stack.clamav_milter import ClamavMilter
from tests.stack.clamd import Clamd
from tests.stack.messages import attached, eicar, message

pytestmark = pytest.mark.interop
HELD = {"quarantine virus Eicar-Test-Signature.UNOFFICIAL": "quarantine quarantined by clamav-milter"}
"""The reason that we give, and theirs, which does not name the virus."""
EMPTY = "no headers, no body"
"""What gets no header from them."""
ALLOWED = r"""From:^<allowed@ext\.example>$
To:user[0-9]*@test.example
# and how it is to be read
From:^<[[:alpha:]]*@posix\.example>$
From:[[:<:]]edge@
From:*star@
From:\(re\{1,2\}d\)@
From:^bare@
From:\(one\|two\)@
From:[a\]-z]im@
"""
SENDERS = ("abc@posix", "a1@posix", "an.edge@x", "hedge@x", "a*star@x", "star@x", "reed@x", "bare@x", "one@x")
ODD = b"Foo: x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
"""What clamd does not take for the beginning of a mail by itself."""
VIRUS = attached("Attached", eicar().encode(), "eicar.com")


class Configured(ClamavMilter):
    """clamav-milter with other lines in its file, each in the place of those of that name."""

    more = ""

    @property
    def file(self) -> Path:
        return self.directory / "clamav-milter.conf"

    def prepare(self) -> None:
        super().prepare()
        more = self.more.splitlines()
        names = {line.split()[0] for line in more}
        kept = [line for line in self.file.read_text().splitlines() if line.split()[0] not in names]
        self.file.write_text("\n".join([*kept, *more, ""]))


class Limited(Clamd):
    """clamd that takes no stream beyond 1 MB, over TCP, too."""

    def prepare(self) -> None:
        super().prepare()
        self.port = free_port()
        with (self.directory / "clamd.conf").open("a") as file:
            file.write(f"StreamMaxLength 1M\nTCPSocket {self.port}\nTCPAddr 127.0.0.1\n")


@dataclass(frozen=True)
class Pair:
    """The real one and ours, with the same configuration file."""

    directory: Path
    clamd: Limited
    theirs: Configured


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Both, before one clamd."""
    peers.require()
    with a_box("clamav-beside-") as box:
        clamd = Limited(box.directory.parent, box)
        theirs = Configured(box.directory.parent, box, clamd)
        with started(clamd, theirs):
            yield Pair(box.directory.parent, clamd, theirs)


@pytest.mark.parametrize(
    ("on_infected", "status"),
    [
        ("Quarantine", "quarantine"),
        ("Blackhole", "discard"),
        ("Accept", "accept"),
        ("Defer", "temporary-failure"),
    ],
)
def test_a_virus_that_is_not_refused(on_infected: str, status: str, pair: Pair) -> None:
    pair.theirs.more = ""
    pair.theirs.change(on_infected)
    different = set()
    with serving(pair.directory, "clamav", {"file": str(pair.theirs.file)}) as ours:
        for letter in letters():
            theirs = ask(pair.theirs.endpoint, letter)
            if [HELD.get(line, line) for line in without_scanner(ask(ours, letter))] != without_scanner(
                theirs
            ):
                different.add(letter.name)
            assert theirs.status == (status if "EICAR" in letter.name else "accept"), letter.name
    assert different == {EMPTY}


@pytest.mark.parametrize(
    ("lines", "different"),
    [
        ("AddHeader Add", {EMPTY}),
        ("AddHeader No", set()),
        ("LocalNet 192.0.2.0/25\nLocalNet 2001:db8::/32", set()),
        ("LocalNet 192.0.2.1/25\nScanMail yes\nMaxThreads 20\nDebug no", set()),
        ("MaxFileSize 100K", {EMPTY, "260 KB", "1 MB", "at the end of more than a stream may have"}),
        ("RejectMsg 5.7.9 %v", {EMPTY}),
        ('RejectMsg "A" and "B"\nRejectMsg %v\nOnInfected Reject\nOnInfected Accept', {EMPTY}),
        ("ReportHostname other.example", {EMPTY}),
        ("SkipAuthenticated ^jo", {EMPTY}),
        ("SkipAuthenticated ^[[:lower:]]+[eo]$", {EMPTY}),
        ("SkipAuthenticated file:{directory}/names", {EMPTY}),
        ("Whitelist {directory}/allowed", {EMPTY}),
    ],
    ids=lambda one: one.split()[0] if isinstance(one, str) else "",
)
def test_each_option(lines: str, different: set[str], pair: Pair) -> None:
    (pair.directory / "allowed").write_text(ALLOWED)
    (pair.directory / "names").write_text("joe\n ann\n")
    pair.theirs.more = lines.format(directory=pair.directory)
    pair.theirs.change("Reject")
    found = set()
    with serving(pair.directory, "clamav", {"file": str(pair.theirs.file)}) as ours:
        for letter in [*letters(), *infected()]:
            if without_scanner(ask(ours, letter)) != without_scanner(ask(pair.theirs.endpoint, letter)):
                found.add(letter.name)
    assert found == different


def infected() -> Iterator[Letter]:
    """Yield mail with a virus that only some options let pass."""
    padding = ("0123456789abcdef" * 4 + "\n") * 4000
    larger = message("Larger", padding * 5 + eicar() + "\n").as_bytes()
    raw = message("Virus", eicar() + "\n").as_bytes()
    for sender in (*SENDERS, "xim@x"):
        yield Letter(f"from {sender}", raw, f"{sender}.example")
    yield Letter("of a user", raw, "user@ext.example", user="joe")
    yield Letter("of another user", raw, "user@ext.example", user="ann")
    yield Letter("from one on the list", raw, "allowed@ext.example")
    yield Letter("to some on the list", raw, "x@ext.example", ("user1@test.example", "user2@test.example"))
    yield Letter("to one on the list", raw, "x@ext.example", ("user1@test.example", "alice@test.example"))
    yield Letter("below an odd header", ODD + base64.encodebytes(eicar().encode()), "x@ext.example")
    yield Letter("at the end of more than a stream may have", larger, "x@ext.example")
    yield Letter("at the beginning", message("Large", eicar() + "\n" + padding).as_bytes(), "x@ext.example")


HEADERS = (
    b"Subject: it's `one`\r\n\ttwo\r\nSubject: no\r\n",
    "Subject: Gr\u00fcn \x7f\r\nDate:   Mon  \r\nMessage-Id: <'>\r\n".encode(),
    b"Subject:\r\nX-Note: \xff\r\n",
)


@pytest.mark.parametrize("each", ["", "\nSupportMultipleRecipients yes"], ids=["last", "each"])
def test_what_the_program_is_told(each: str, pair: Pair) -> None:
    log, program = pair.directory / "told", pair.directory / "action"
    program.write_text(f'#!/bin/sh\nprintf "<%s>" "$@" >> {log}\n')
    program.chmod(0o755)
    log.touch()
    log.chmod(0o666)
    pair.theirs.more = f"VirusAction {program}{each}"
    pair.theirs.change("Reject")
    with serving(pair.directory, "clamav", {"file": str(pair.theirs.file)}) as ours:
        for headers in HEADERS:
            letter = Letter("", headers + VIRUS, "'x@ext.example", ("a'@test.example", "b@test.example"))
            told = []
            for endpoint in (pair.theirs.endpoint, ours):
                assert ask(endpoint, letter).status == "reject"
                told.append(log.read_bytes())
                log.write_bytes(b"")
            assert told[0] == told[1]
            assert told[0].count(b"<Eicar") == (2 if each else 1)


def without_words(outcome: Outcome) -> Outcome:
    """``on_error`` says 5.5.0 Service unavailable as Postfix does, a milter that rejects 5.7.1."""
    return replace(outcome, reply=outcome.reply[:3])


class Manager(Daemon):
    """A whole Postmill with the filter, for what it makes of one that failed."""

    def __init__(self, file: Path, more: str = "") -> None:
        super().__init__()
        self._filter = (
            f'[[filter]]\nuse = "clamav"\n{more}\nsettings = {{ file = "{file}", patience = "0s" }}\n'
        )

    def write(self) -> None:
        """Write the configuration."""
        super().write()
        with self.config.open("a") as file:
            file.write(self._filter)


@pytest.mark.parametrize("on_fail", ["Defer", "Reject", "Accept"])
def test_without_a_clamd_mail_fares_as_the_file_says(on_fail: str, pair: Pair) -> None:
    pair.theirs.more = ""
    pair.theirs.change("Reject", on_fail)
    file = pair.theirs.directory / "clamav-milter.conf"
    pair.clamd.kill()
    try:
        with Manager(file) as ours, Manager(file, 'on_error = "discard"') as told:
            for text in ("Lunch", eicar() + "\n"):
                raw = message("Hello", text).as_bytes()
                theirs = play(pair.theirs.endpoint, raw)
                assert without_words(play(ours.endpoint, raw)) == without_words(theirs), text
                assert play(told.endpoint, raw).status == "discard"
                wanted = {"Defer": "temporary-failure", "Reject": "reject", "Accept": "accept"}[on_fail]
                assert theirs.status == wanted
    finally:
        pair.clamd.launch()
        wait_until(pair.clamd.up, "clamd does not answer")


def test_a_clamd_that_is_restarted_is_waited_for(pair: Pair) -> None:
    settings = {"clamd": [f"unix:{pair.clamd.socket}"], "patience": "20s", "add_header": "add"}
    with serving(pair.directory, "clamav", settings) as ours:
        pair.clamd.kill()
        pair.clamd.launch()
        assert play(ours, VIRUS).status == "reject"
        wait_until(pair.clamd.up, "clamd does not answer")
        assert ("X-Virus-Status", "Clean") in play(ours, message("Lunch").as_bytes()).added


def test_of_two_the_one_that_is_there_is_asked(pair: Pair) -> None:
    settings = {"clamd": [f"unix:{pair.directory}/nobody.sock", f"unix:{pair.clamd.socket}"]}
    with serving(pair.directory, "clamav", settings) as ours:
        assert play(ours, VIRUS).reply == "550 5.7.1 Virus Eicar-Test-Signature.UNOFFICIAL found"


def test_over_tcp_clamd_says_that_a_message_is_too_large(pair: Pair) -> None:
    """And is understood each time, though it ends the connection before it has read all of it."""
    raw = message("Large", ("0123456789abcdef" * 4 + "\n") * 80_000).as_bytes()
    settings = {"clamd": [f"inet:{pair.clamd.port}@127.0.0.1"], "patience": "0s"}
    for _ in range(10):
        with pytest.raises(OSError, match=r"clamd says: INSTREAM size limit exceeded\. ERROR"):
            deliver(app, message=raw, settings=settings)

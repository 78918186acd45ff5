"""``spamassassin`` beside the real spamass-milter, both before one real spamd, with what side_by_side leaves out.

That is the other options, each with the settings that are said to be the same (docs/filters.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from postmill.testing.outcome import MailReport
from tests.filters.beside import a_box, started
from tests.filters.scanners import FakeScanner
from tests.filters.serving import serving
from tests.filters.side_by_side.corpus import Letter, enveloped, marked, spam
from tests.filters.side_by_side.differences import DIFFERENCES
from tests.filters.side_by_side.reading import plainly
from tests.filters.side_by_side.stand import ask
from tests.interop.postfix import wait_until
from tests.stack import peers
from tests.stack.box import Box
from tests.stack.component import as_user
from tests.stack.messages import message
from tests.stack.spamass_milter import SpamassMilter
from tests.stack.spamd import MIDDLING, Spamd

pytestmark = pytest.mark.interop
MARKS = {name for one in DIFFERENCES if one.column == "spamassassin" for name in one.letters}
"""Which letters come out differently on purpose: those with headers that spamass-milter leaves."""


@dataclass(frozen=True)
class Scanner:
    """spamd in its box."""

    directory: Path
    box: Box
    spamd: Spamd

    def users(self) -> list[str]:
        """Return for whom spamd has judged, by its log."""
        return re.findall(
            r"spamd: result: .*,user=([^,]*),", (self.spamd.directory / "spamd.log").read_text()
        )

    def judged(self, count: int) -> bool:
        """Tell whether its log is about so many."""
        return len(self.users()) == count


@pytest.fixture(scope="module")
def scanner() -> Iterator[Scanner]:
    """One spamd for all."""
    peers.require()
    with a_box("spam-beside-") as box, Spamd(box.directory.parent, box) as spamd:
        yield Scanner(box.directory.parent, box, spamd)


def chosen() -> Iterator[Letter]:
    """Spam, forged headers, and what an envelope may be."""
    yield from spam()
    yield from (one for one in marked() if "X-Spam" in one.name)
    yield from (one for one in enveloped() if one.user or "20 recipients" in one.name)


def likened(report: MailReport) -> list[str]:
    """Return what became of a message, its body included, where spamd puts the mail it reports on.

    Without how the Received of a milter says what program it is, the boundary that spamd makes up, and the
    order of lines, which for rules of one score is another each time.
    """
    body = re.sub(
        r"^(Received: from .*?\]).*(?:\n[ \t].*)*",
        r"\1 …",
        report.new_body.decode("latin-1"),
        flags=re.MULTILINE,
    )
    lines = [*plainly(report), *body.splitlines()]
    return sorted(re.sub(r"=_[0-9A-F]{8}\.[0-9A-F]{8}", "=_…", line) for line in lines)


@pytest.mark.parametrize(
    ("options", "settings", "different"),
    [
        ([], {"modify": "all"}, MARKS),
        (["-M", "-r", "15"], {"modify": "nothing", "reject_score": 15}, set()),
        (["-m", "-r", "-1"], {"reject_score": "spam"}, MARKS),
        (["-m", "-r", "5", "-C", "5.7.2", "-R", "Not here"], {"reject_score": 5, "reject_text": "5.7.2 Not here"}, MARKS),
        (["-m", "-i", "192.0.2.0/24"], {"ignore": ["192.0.2.0/24"]}, set()),
        (["-m", "-a"], {"skip_authenticated": True}, MARKS),
        (["-m", "-b", "spam@test.example"], {"spam_to": "spam@test.example"}, MARKS),
        (["-m", "-B", "spam@test.example"], {"spam_to": "spam@test.example", "spam_copy": True}, MARKS),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)  # fmt: skip
def test_each_option(
    options: list[str], settings: Mapping[str, Any], different: set[str], scanner: Scanner
) -> None:
    found = set()
    theirs = SpamassMilter(scanner.directory, scanner.box, scanner.spamd, options)
    where = {"spamd": [f"unix:{scanner.spamd.socket}"]}
    with theirs, serving(scanner.directory, "spamassassin", {**where, **settings}) as ours:
        for letter in chosen():
            there, here = (likened(ask(endpoint, letter)) for endpoint in (theirs.endpoint, ours))
            if there != here:
                found.add(letter.name)
    assert found == different


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        (["-m"], {"user": SpamassMilter.user}),
        (["-m", "-u", "nobody"], {"default_user": "nobody"}),
        (["-m", "-u", "nobody", "-e", "x.example"], {"default_user": "nobody", "full_address": True}),
    ],
    ids=["", "-u", "-e"],
)
def test_whose_preferences_count(options: list[str], settings: Mapping[str, Any], scanner: Scanner) -> None:
    """Spamd's log tells for whom it judged."""
    theirs = SpamassMilter(scanner.directory, scanner.box, scanner.spamd, options)
    where = {"spamd": [f"unix:{scanner.spamd.socket}"]}
    raw = message("Lunch").as_bytes()
    with theirs, serving(scanner.directory, "spamassassin", {**where, **settings}) as ours:
        for to in (
            ("alice@test.example",),
            ("alice@test.example", "bob@test.example"),
            ("Ann+box@Test.example",),
        ):
            before = len(scanner.users())
            for number, endpoint in enumerate((theirs.endpoint, ours), 1):
                ask(endpoint, Letter("", raw, "joe@ext.example", to))
                wait_until(partial(scanner.judged, before + number), "spamd logs nothing")
            there, here = scanner.users()[before:]
            assert here == there, to


class Rewriting(Spamd):
    """A spamd that marks the subject of spam, and adds a header that spamass-milter does not know."""

    name = "rewriting-spamd"

    def command(self) -> Sequence[str]:
        rules = ("rewrite_header Subject *****SPAM*****", "report_safe 2", "add_header all Own hello")
        return [*super().command(), *(f"--cf={rule}" for rule in rules)]


def subjects() -> Iterator[Letter]:
    """Yield spam with all kinds of subjects."""
    subjects = {"8-bit": b"Subject: Gr\xfcn\r\n", "none": b"", "folded": b"Subject: a\r\n b\r\n"}
    subjects["two"] = b"Subject: a\r\nSubject: b\r\n"
    for name, subject in subjects.items():
        yield Letter(
            name, subject + b"From: joe@ext.example\r\n\r\n" + MIDDLING.encode() + b"\r\n", "joe@ext.example"
        )


def test_what_spamd_makes_of_the_subject(scanner: Scanner) -> None:
    """And of the rest; of a header that they do not know, only we take note."""
    spamd = Rewriting(scanner.directory, scanner.box)
    theirs = SpamassMilter(scanner.directory, scanner.box, spamd, ())
    settings = {"spamd": [f"unix:{spamd.socket}"], "modify": "all"}
    with spamd, theirs, serving(scanner.directory, "spamassassin", settings) as ours:
        for letter in (*spam(), *subjects()):
            there, here = (likened(ask(endpoint, letter)) for endpoint in (theirs.endpoint, ours))
            assert here == sorted([*there, "+X-Spam-Own: hello"]), letter.name
            marked = any(line.startswith("+Subject: *****SPAM*****") for line in here)
            assert marked == ("+X-Spam-Flag: YES" in here), letter.name


def test_marks_on_mail_that_is_too_large_to_be_looked_at(scanner: Scanner) -> None:
    """The limit of spamc is ours: 500 KB."""
    forged = b"X-Spam-Flag: NO\r\nX-Spam-Status: No, score=-99\r\nX-Spam-Level: *\r\n"
    body = (b"0123456789abcdef" * 4 + b"\r\n") * 9000
    letter = Letter("", forged + b"Subject: x\r\nFrom: joe@ext.example\r\n\r\n" + body, "joe@ext.example")
    theirs = SpamassMilter(scanner.directory, scanner.box, scanner.spamd, ["-m"])
    settings = {"spamd": [f"unix:{scanner.spamd.socket}"]}
    with theirs, serving(scanner.directory, "spamassassin", settings) as ours:
        there, here = (plainly(ask(endpoint, letter)) for endpoint in (theirs.endpoint, ours))
    assert here == there
    assert "-X-Spam-Flag: NO" in here


SENDMAIL = """\
#!/bin/sh
# What Sendmail 8.17.1 says, with aliases.
[ "$1" = -bv ] || exit 64
case "$2" in
"<alice@test.example>") echo "daemon... deliverable: mailer local, user daemon" ;;
"<far@test.example>") echo "joe@far.example... deliverable: mailer esmtp, host far.example., user joe@far.example" ;;
"<both@test.example>") echo "daemon... deliverable: mailer local, user daemon"
                       echo "bin... deliverable: mailer local, user bin" ;;
*) echo "$2... User unknown"; exit 67 ;;
esac
"""


class Expanding(SpamassMilter):
    """spamass-milter with `-x`, before whoever listens on ``spamd``."""

    def __init__(self, directory: Path, box: Box, spamd: Path, *options: str) -> None:
        super().__init__(directory, box, Spamd(directory, box))
        self._asks = [
            "-u",
            "nobody",
            "-x",
            "-S",
            str(directory / "sendmail"),
            *options,
            "--",
            "-U",
            str(spamd),
        ]

    def command(self) -> Sequence[str]:
        """Return the command line."""
        return as_user(self.user, "/usr/sbin/spamass-milter", "-p", str(self.socket), "-m", *self._asks)


@pytest.mark.parametrize("whole", [False, True])
def test_preferences_are_those_of_whom_it_reaches(whole: bool) -> None:
    peers.require()
    with a_box("spam-expand-") as box:
        directory = box.directory.parent
        (directory / "sendmail").write_text(SENDMAIL)
        (directory / "sendmail").chmod(0o755)
        reply = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 14\r\nSpam: False ; 1 / 5\r\n\r\nSubject: x\r\n\r\n"
        fake = FakeScanner(directory / "fake.sock", reply, lambda stream: stream.read())
        (directory / "fake.sock").chmod(0o666)
        theirs = Expanding(
            directory, box, directory / "fake.sock", *(["-e", "test.example"] if whole else [])
        )
        settings = {"spamd": [fake.address], "default_user": "nobody", "full_address": whole}
        settings["expand"] = str(directory / "sendmail")
        with started(theirs), serving(directory, "spamassassin", settings) as ours:
            for to in (["alice"], ["far"], ["both"], ["gone"], ["alice", "far"]):
                recipients = tuple(f"{name}@test.example" for name in to)
                for endpoint in (theirs.endpoint, ours):
                    ask(endpoint, Letter("", message("Lunch").as_bytes(), "joe@ext.example", recipients))
                first, second = (re.findall(rb"\nUser: (.*?)\r\n", asked) for asked in fake.asked[-2:])
                assert first == second, to
            fake.close()
            users = {user for asked in fake.asked for user in re.findall(rb"\nUser: (.*?)\r\n", asked)}
            domain = b"@test.example" if whole else b""
            assert users == {b"nobody", b"daemon" + domain, b"joe@far.example" if whole else b"joe"}

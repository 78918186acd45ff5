"""``spamassassin`` beside the real spamass-milter, both before one real spamd."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.filters.beside import SAMPLES, Outcome, a_box, messages, play, started
from tests.filters.scanners import FakeScanner
from tests.filters.serving import serving
from tests.net.hosting import Host
from tests.stack import peers
from tests.stack.box import Box
from tests.stack.component import as_user
from tests.stack.messages import gtube, message
from tests.stack.spamass_milter import SpamassMilter
from tests.stack.spamd import MIDDLING, Spamd

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Pair:
    """The real one and ours."""

    theirs: SpamassMilter
    ours: str


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Both, before one spamd."""
    peers.require()
    with a_box("spam-beside-") as box:
        directory = box.directory.parent
        spamd = Spamd(directory, box)
        theirs = SpamassMilter(directory, box, spamd)
        settings = {"spamd": [f"unix:{spamd.socket}"], "reject_score": 15}
        with started(spamd, theirs), serving(directory, "spamassassin", settings) as ours:
            yield Pair(theirs, ours)


def mails() -> dict[str, bytes]:
    made = {name: raw for name, raw in messages().items() if "virus" not in name}
    samples = {path.name: path.read_bytes() for path in sorted(SAMPLES.glob("sample-*.txt"))}
    marked = b"X-Spam-Flag: YES\nX-Spam-Status: No, score=-99\nX-Spam-Level: *\n"
    return {
        **made,
        **samples,
        "gtube": message("Buy", gtube() + "\n").as_bytes(),
        "middling": message("Buy", MIDDLING + "\n").as_bytes(),
        "marked by the sender": marked + message("Lunch").as_bytes(),
        "marked spam": marked + message("Buy", MIDDLING + "\n").as_bytes(),
    }


def equivalent(outcome: Outcome) -> Outcome:
    """Scores and rules without the order of lines; the version's date and host are spamd's own."""
    added = {name: re.sub(r"\s+", " ", value) for name, value in outcome.added}
    gone = tuple(sorted({*outcome.gone} - {"X-Spam-Status", "X-Spam-Flag", "X-Spam-Level"}))
    return replace(outcome, added=tuple(sorted(added.items())), gone=gone)


def test_the_same_messages_give_the_same_verdicts(pair: Pair) -> None:
    statuses = set()
    for name, raw in mails().items():
        theirs = equivalent(play(pair.theirs.endpoint, raw))
        ours = equivalent(play(pair.ours, raw))
        assert ours == theirs, name
        statuses.add((ours.status, "X-Spam-Flag" in dict(ours.added)))
    assert statuses == {("accept", False), ("accept", True), ("reject", False)}


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
                recipients = [f"{name}@test.example" for name in to]
                for endpoint in (theirs.endpoint, ours):
                    play(endpoint, message("Lunch").as_bytes(), to=recipients)
                first, second = (re.findall(rb"\nUser: (.*?)\r\n", asked) for asked in fake.asked[-2:])
                assert first == second, to
            fake.close()
            users = {user for asked in fake.asked for user in re.findall(rb"\nUser: (.*?)\r\n", asked)}
            domain = b"@test.example" if whole else b""
            assert users == {b"nobody", b"daemon" + domain, b"joe@far.example" if whole else b"joe"}


@pytest.mark.parametrize(("on_error", "status"), [("tempfail", "temporary-failure"), ("accept", "accept")])
def test_a_spamd_that_is_gone_is_no_clean_bill(on_error: str, status: str, tmp_path: Path) -> None:
    """spamass-milter lets everything pass; here the administrator says what becomes of it."""
    settings = {"spamd": [f"unix:{tmp_path}/nobody"], "patience": "0s"}
    host = Host()
    endpoint = host.add({}, filters=[{"use": "spamassassin", "on_error": on_error, "settings": settings}])
    with host:
        assert play(endpoint, mails()["gtube"]).status == status
        assert "spamd cannot be asked" in host.log

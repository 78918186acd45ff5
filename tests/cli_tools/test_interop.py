"""``postmill send`` against real milters: what it plays must be an MTA that libmilter programs believe."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from postmill.cli.send import command
from tests.cli_tools.running import Result, run
from tests.interop.postfix import wait_until
from tests.stack import peers
from tests.stack.box import Box
from tests.stack.clamav_milter import ClamavMilter
from tests.stack.clamd import Clamd
from tests.stack.keys import make_key
from tests.stack.messages import eicar, gtube, message, signed, verifies
from tests.stack.opendkim import Opendkim
from tests.stack.spamass_milter import SpamassMilter
from tests.stack.spamd import Spamd

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    peers.require()
    directory = Path(tempfile.mkdtemp(prefix="pm-tools-"))
    directory.chmod(0o755)
    with Box(directory / "box") as opened:
        yield opened
    shutil.rmtree(directory)


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    return tmp_path / "mail.eml"


def ask_clamav(milter: ClamavMilter, mail: Path, *args: str) -> Result:
    """Send; again if need be: clamav-milter defers until its first look at clamd, in the background, is
    done.
    """
    results: list[Result] = []

    def decided() -> bool:
        results.append(run(command, milter.endpoint, str(mail), *args))
        return results[-1].status != 11

    wait_until(decided, "clamav-milter finds its clamd")
    return results[-1]


def test_clamav_milter_refuses_a_virus_and_marks_clean_mail(box: Box, mail: Path) -> None:
    base = box.directory.parent
    with Clamd(base, box) as clamd, ClamavMilter(base, box, clamd) as milter:
        mail.write_bytes(message("Clean").as_bytes())
        clean = ask_clamav(milter, mail, "--json")
        values = json.loads(clean.out)
        assert clean.status == 0, clean
        edited = [edit.split(":")[0:3] for edit in values["messages"][0]["edits"]]
        assert any("X-Virus-Status" in part for part in edited for part in part)
        mail.write_bytes(message("Virus", eicar() + "\n").as_bytes())
        virus = run(command, milter.endpoint, str(mail), "--connect-address", "192.0.2.5")
        assert (virus.status, virus.lines[0]) == (10, "status: reject"), virus
        assert any(line.startswith("reply: 550 5.7.1 Virus ") for line in virus.lines)
        several = run(command, milter.endpoint, "-n", "40", "-c", "10")
        assert (several.status, several.lines[0]) == (0, "status: accept"), several
        assert "errors: 0" in several.lines


def test_clamav_milter_quarantines(box: Box, mail: Path) -> None:
    base = box.directory.parent / "quarantine"
    base.mkdir(mode=0o755)
    with Clamd(base, box) as clamd, ClamavMilter(base, box, clamd, "Quarantine") as milter:
        mail.write_bytes(message("Virus", eicar() + "\n").as_bytes())
        result = ask_clamav(milter, mail)
    assert result.status == 13, result
    assert any(line.startswith("quarantine: ") for line in result.lines)


def test_a_signature_of_opendkim_verifies_in_the_resulting_message(box: Box, mail: Path) -> None:
    """The proof that header edits land where an MTA would put them, blank for blank (HDR_LEADSPC)."""
    base = box.directory.parent
    own, other = (make_key(base / "keys" / name, name) for name in ("test.example", "ext.example"))
    with Opendkim(base, box, (own, other)) as milter:
        mail.write_bytes(message("Sign me", sender="alice@test.example").as_bytes())
        args = [milter.endpoint, str(mail), "-f", "alice@test.example", "-H", "X-Folded:  a\\n\tb"]
        result = run(command, *args, "--output-message")
        assert result.status == 0, result
        head, _, resulting = result.out.partition("\n\n")
        assert "edit: insert-header:0:DKIM-Signature" in head, result
        assert verifies(resulting.encode(), {own.name: own})
        assert not verifies(resulting.replace("lunch", "dinner").encode(), {own.name: own})
        mail.write_bytes(signed(message("Signed").as_bytes(), other))
        outside = [
            "-f",
            "ham@ext.example",
            "--connect-address",
            "192.0.2.5",
            "--connect-host",
            "mail.ext.example",
        ]
        verified = run(command, milter.endpoint, str(mail), *outside, "--output-message")
        assert "dkim=pass" in verified.out, verified
        two = run(
            command,
            milter.endpoint,
            str(mail),
            "--repeat",
            "3",
            "--like",
            "sendmail",
            "--abort-after",
            "rcpt",
        )
        assert two.status == 0, two


def test_spamassassin_refuses_gtube(box: Box, mail: Path) -> None:
    base = box.directory.parent
    with Spamd(base, box) as spamd, SpamassMilter(base, box, spamd) as milter:
        mail.write_bytes(message("Clean").as_bytes())
        clean = run(command, milter.endpoint, str(mail), "--read-timeout", "60s")
        assert clean.status == 0, clean
        assert "X-Spam-" in clean.out
        mail.write_bytes(message("Spam", gtube() + "\n").as_bytes())
        spam = run(command, milter.endpoint, str(mail), "--read-timeout", "60s")
        assert spam.status == 10, spam
        assert "reply: 550 5.7.1 Blocked by SpamAssassin" in spam.lines

"""A reload looks for milters anew: what was disabled is gone, what was enabled is asked, and no session suffers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.paper_machine import PROGRAM, Entry
from postmill.testing.script import Rule, Script
from postmill.testing.words import reply
from tests.daemon.running import ROOT, Daemon
from tests.daemon.traffic import continuous
from tests.detectors.machines import DEBIAN, WANTS, unit
from tests.testing.test_paper_machine import on_disk

LINK = f"{WANTS}/opendkim.service"
UNIT = "/usr/lib/systemd/system/opendkim.service"


class Mail:
    """A machine with OpenDKIM and OpenDMARC, which are played; the first one refuses, the second one too."""

    def __init__(self, children: dict[str, ScriptedChild]) -> None:
        self.daemon = Daemon(detect=True, workers=2)
        self.root = self.daemon.directory / "root"
        files: dict[str, Entry] = dict(DEBIAN)
        for name, child in children.items():
            files |= unit(name, f"ExecStart=/usr/sbin/{name}")
            files[f"/usr/sbin/{name}"] = PROGRAM
            files[f"/etc/{name}.conf"] = f"Socket {child.endpoint}\n"
        on_disk(self.root, files)
        self.daemon.program = (sys.executable, "-m", "tests.daemon.detecting", str(self.root), "run")
        self.daemon.environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}

    def enable(self) -> None:
        (self.root / LINK[1:]).symlink_to(UNIT)

    def disable(self) -> None:
        (self.root / LINK[1:]).unlink()

    def reload(self, expected: str = "reloaded:") -> None:
        count = self.daemon.log.count(expected)
        self.daemon.signal(signal.SIGHUP)
        self.daemon.wait_log(expected, count + 1)

    def answer(self) -> str:
        """What a new session is told at MAIL."""
        with FakeMta(self.daemon.endpoint) as mta:
            begin(mta)
            word = mta.mail().word
            mta.quit()
            return word


def begin(mta: FakeMta) -> None:
    mta.negotiate()
    mta.client()
    mta.helo()


@pytest.fixture
def mail() -> Generator[Mail, None, None]:
    answers = {"opendkim": "550 5.7.1 dkim", "opendmarc": "550 5.7.1 dmarc"}
    with ExitStack() as stack:
        found = Mail({name: stack.enter_context(refusing(text)) for name, text in answers.items()})
        stack.enter_context(found.daemon)
        yield found


def refusing(text: str) -> ScriptedChild:
    return ScriptedChild(Script(rules=[Rule("M", (reply(text),))]))


def test_a_disabled_milter_is_gone_after_a_reload_and_back_after_another(mail: Mail) -> None:
    assert "; opendkim, opendmarc" in mail.daemon.log
    assert mail.answer() == "550 5.7.1 dkim"
    mail.disable()
    assert mail.answer() == "550 5.7.1 dkim", "until the reload"
    with FakeMta(mail.daemon.endpoint) as under_way:
        begin(under_way)
        mail.reload()
        assert mail.answer() == "550 5.7.1 dmarc"
        assert under_way.mail().word == "550 5.7.1 dkim", "a session under way keeps what it began with"
        under_way.quit()
    mail.enable()
    mail.reload()
    assert mail.answer() == "550 5.7.1 dkim"


def test_a_table_for_it_in_the_configuration_changes_nothing_about_that(mail: Mail) -> None:
    mail.daemon.milters["opendkim"] = {"on_error": "accept"}
    mail.daemon.write()
    mail.disable()
    mail.reload()
    assert mail.answer() == "550 5.7.1 dmarc"


def test_a_removed_package_is_gone_too_and_a_moved_socket_is_followed(mail: Mail) -> None:
    (mail.root / "usr/sbin/opendkim").unlink()
    conf = mail.root / "etc/opendmarc.conf"
    with refusing("550 5.7.1 moved") as child:
        conf.write_text(f"Socket {child.endpoint}\n")
        mail.reload()
        assert mail.answer() == "550 5.7.1 moved"


def test_what_cannot_be_told_refuses_the_reload() -> None:
    """The daemon has left root behind by then; that it may not read a file does not mean nobody uses it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with refusing("550 5.7.1 dkim") as child:
        mail = Mail({"opendkim": child})
        Path(child.endpoint.path).chmod(0o777)
        Path(child.endpoint.path).parent.chmod(0o755)
        mail.daemon.manager |= {"user": "nobody"}
        with mail.daemon:
            assert mail.answer() == "550 5.7.1 dkim"
            (mail.root / "etc/opendkim.conf").chmod(0o600)
            mail.reload("reload refused, the old configuration stays in force")
            assert "/etc/opendkim.conf cannot be read: Permission denied" in mail.daemon.log
            assert mail.answer() == "550 5.7.1 dkim"


def test_no_session_fails_while_a_milter_comes_and_goes(mail: Mail) -> None:
    with continuous(mail.answer) as heard:
        for _ in range(5):
            mail.disable()
            mail.reload()
            mail.enable()
            mail.reload()
    assert set(heard) == {"550 5.7.1 dkim", "550 5.7.1 dmarc"}
    assert "error" not in mail.daemon.log


def test_what_is_enabled_and_cannot_be_used_is_in_the_log(mail: Mail) -> None:
    (mail.root / "etc/opendkim.conf").write_text("Mode sv\n")
    mail.reload()
    warning = "manager.detect: opendkim was found and is not used: /etc/opendkim.conf has no Socket"
    assert mail.daemon.log.count(warning) == 1
    assert mail.answer() == "550 5.7.1 dmarc"

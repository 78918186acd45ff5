"""`postmill setup sendmail` with real m4, make and Sendmail: the .cf asks Postmill, and so does the mail server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from postmill.host.sendmail import read
from postmill.testing.child import ScriptedChild
from postmill.testing.script import Rule, Script
from postmill.testing.words import reply
from tests.interop.postfix import wait_until
from tests.interop.setup.running import identity, setup
from tests.stack import peers
from tests.stack.box import Box
from tests.stack.component import running
from tests.stack.dialogue import Client, Mail, converse
from tests.stack.mailbox import Mailbox
from tests.stack.manager import Manager
from tests.stack.sendmail import CF, CONFIGURATION, Filter, Listener, Sendmail, private_directory

MAIL = Mail("a@ext.example", ("alice@test.example",), b"Subject: hello\r\n\r\ntext\r\n")
REFUSAL = "550 5.7.1 said the child"


@pytest.fixture
def directory() -> Iterator[Path]:
    peers.require()
    path = private_directory()
    yield path
    shutil.rmtree(path)


class Plain(Listener):
    """A listener that asks the filters all ask."""

    def line(self, name: str) -> str:
        return f"DAEMON_OPTIONS(`Family=inet, Name={name}, Port={self.port}, Addr=127.0.0.1')dnl\n"


class Asked(Filter):
    """A filter that is asked by every listener."""

    def line(self, name: str) -> str:
        return "INPUT_" + super().line(name)


class SetUp(Sendmail):
    """A Sendmail whose configuration went through `postmill setup sendmail`."""

    config = Path()
    said = ""

    def prepare(self) -> None:
        super().prepare()
        shutil.copy(self.directory / "sendmail.cf", self.directory / "test.cf")
        done = setup("sendmail", "--mc", self.directory / "test.mc", "-c", self.config, "--build", "--yes")
        assert done.returncode == 0, done.stderr
        self.said = done.stdout
        shutil.copy(self.directory / "test.cf", self.directory / "sendmail.cf")


def test_mail_goes_through_postmill(directory: Path) -> None:
    script = Script(rules=[Rule("R", (reply(REFUSAL),))])
    with ScriptedChild(script, f"unix:{directory}/child.sock") as child, Mailbox() as mailbox:
        postmill = Manager(directory, {"child": {"socket": str(child.endpoint)}})
        listener = Plain([])
        filters = {"child": Asked(str(child.endpoint)), "other": Filter("inet:9@127.0.0.1")}
        with Box(directory / "box", network=False) as box, running([postmill]):
            sendmail = SetUp(directory, box, mailbox.port, filters, {"MTA": listener})
            sendmail.config = postmill.config
            with sendmail:
                assert "out: child (Postmill asks it: child)" in sendmail.said
                assert f"made: {sendmail.directory}/test.cf" in sendmail.said
                replies = converse(listener.port, Client(), [MAIL])
                assert [each.code for each in replies if "said the child" in each.text] == [550]
                assert child.letters().count("R") == 1, "the child was asked twice"
                wait_until(lambda: "said the child" in postmill.output, "the line of the refused mail", 20)


# --- files only ----------------------------------------------------------------------------------------------

TOML = """\
[manager]
listen = ["unix:{directory}/p.sock"]

[milters.child]
socket = "unix:{directory}/child.sock"
"""


@pytest.fixture
def mc(directory: Path) -> Path:
    """A sendmail.mc with its sendmail.cf, two filters, and a postmill.toml."""
    file = directory / "sendmail.mc"
    filters = f"""\
INPUT_MAIL_FILTER(`first', `S=local:{directory}/child.sock, F=T')dnl
INPUT_MAIL_FILTER(`second', `S=inet:9@127.0.0.1, F=R, T=R:1m')dnl
define(`confMILTER_MACROS_ENVFROM', `i, {{mail_addr}}')dnl
"""
    file.write_text(CONFIGURATION.format(cf=CF, directory=directory, relay=25, filters=filters, listeners=""))
    (directory / "sendmail.cf").write_text("the old one\n")
    (directory / "postmill.toml").write_text(TOML.format(directory=directory))
    for each in directory.iterdir():
        each.chmod(0o640)
    return file


def at(mc: Path) -> tuple[str, ...]:
    return ("--mc", str(mc), "-c", str(mc.parent / "postmill.toml"))


@pytest.mark.parametrize("makefile", [False, True])
def test_the_cf_asks_postmill_and_undo_restores_all(mc: Path, makefile: bool) -> None:
    if makefile:
        (mc.parent / "Makefile").write_text("all: sendmail.cf\nsendmail.cf: sendmail.mc\n\tm4 $< > $@\n")
    before = {file.name: identity(file) for file in mc.parent.iterdir()}
    report = json.loads(setup("sendmail", *at(mc), "--yes", "--build", "--json").stdout)
    assert report["built"] == str(mc.parent / "sendmail.cf")
    assert report["commands"] == ["systemctl restart sendmail"]
    made = read(str(mc.parent / "sendmail.cf"))
    assert [each.name for each in made.asked] == ["postmill", "second"]
    assert made.asked[0].address == f"unix:{mc.parent}/p.sock"
    assert made.asked[0].default_action == "tempfail"
    assert made.asked[0].timeouts == {"C": 30, "S": 30, "R": 60, "E": 600}
    assert made.macros["mail"] == ("i", "{mail_addr}", "{auth_type}", "{auth_authen}", "{auth_author}")
    assert identity(mc.parent / "sendmail.cf")[1:] == before["sendmail.cf"][1:]
    assert "nothing to do" in setup("sendmail", *at(mc), "--yes").stdout
    assert setup("sendmail", *at(mc), "--undo", "--yes").returncode == 0
    assert {file.name: identity(file) for file in mc.parent.iterdir()} == before


def test_the_value_that_is_read_from_the_mc_is_that_of_the_cf(mc: Path) -> None:
    assert setup("sendmail", *at(mc), "--yes", "--build", "--adopt").returncode == 0
    source, made = read(str(mc)), read(str(mc.parent / "sendmail.cf"))
    assert (source.filters, source.input_filters) == (made.filters, made.input_filters)
    assert dict(source.macros) == dict(made.macros)
    assert "[milters.second]" in (mc.parent / "postmill.toml").read_text()


def test_a_cf_that_cannot_be_made_stays_as_it_was(mc: Path) -> None:
    mc.write_text(f"include(`/nowhere/cf.m4')dnl\n{mc.read_text()}")
    (mc.parent / "Makefile").write_text("all:\n\techo broken > sendmail.cf; echo no rule >&2; false\n")
    done = setup("sendmail", *at(mc), "--yes", "--build")
    assert done.returncode == 69
    assert "make -C" in done.stderr
    assert (mc.parent / "sendmail.cf").read_text() == "the old one\n"
    (mc.parent / "Makefile").unlink()
    done = setup("sendmail", *at(mc), "--yes", "--build")
    assert (done.returncode, "/nowhere/cf.m4" in done.stderr) == (69, True)


def test_a_cf_without_postmill_is_refused(mc: Path) -> None:
    mc.write_text("dnl nothing of Sendmail's is included\n")
    done = setup("sendmail", *at(mc), "--yes", "--build")
    assert done.returncode == 78
    assert (
        f"sendmail.cf: Sendmail would not ask unix:{mc.parent}/p.sock by it (it was not changed)"
        in done.stderr
    )
    assert (mc.parent / "sendmail.cf").read_text() == "the old one\n"

"""`postmill setup postfix` on a private Postfix: mail goes through Postmill afterwards, and past it after --undo."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from postmill.host.postfix import read
from postmill.testing.child import ScriptedChild
from postmill.testing.script import Rule, Script
from postmill.testing.words import reply
from tests.interop.postfix import PrivatePostfix, public_directory, wait_until
from tests.interop.setup.running import identity, setup
from tests.stack.component import running
from tests.stack.dialogue import Client, Mail, converse
from tests.stack.manager import Manager

MAIL = Mail("<a@ext.example>".strip("<>"), ("alice@test.example",), b"Subject: hello\r\n\r\ntext\r\n")
REFUSAL = "550 5.7.1 said the child"

#: What an administrator has before: one milter, over several lines, with a comment between them.
BEFORE = "unix:{socket},\n  # signs\n  \t unix:{other}"


class Instance(PrivatePostfix):
    """A Postfix whose smtpd may run in a chroot, and that may have milters of its own."""

    def __init__(self, base: Path, chroot: str, milters: str) -> None:
        main = {"relay_domains": "test.example", "relay_transport": "discard:", "smtpd_milters": milters}
        super().__init__(main, base=base)
        self.chroot = chroot
        self.written = False

    def write_config(self) -> None:
        if not self.written:  # afterwards the files are those that setup makes
            super().write_config()
            master = self.config / "master.cf"
            master.write_text(
                re.sub(r"^(\S+ +inet +\S+ +\S+) +n", rf"\1 {self.chroot}", master.read_text(), flags=re.M)
            )
        self.written = True


@pytest.fixture
def base() -> Iterator[Path]:
    directory = public_directory("setup-")
    for name in ("spool", "spool/filters", "spool/run"):
        (directory / name).mkdir(mode=0o755)
    yield directory
    shutil.rmtree(directory)


def manager(base: Path, child: ScriptedChild) -> Manager:
    """Postmill, with its socket where a chrooted smtpd finds it."""
    return Manager(base / "spool" / "run", {"child": {"socket": str(child.endpoint)}})


def deliver(postfix: PrivatePostfix) -> list[str]:
    replies = converse(postfix.port, Client(), [MAIL])
    return [f"{reply.code} {reply.text}" for reply in replies if reply.said.startswith(("RCPT", "."))]


@pytest.mark.parametrize("chroot", ["n", "y"])
def test_mail_goes_through_postmill_and_past_it_again(base: Path, chroot: str) -> None:
    script = Script(rules=[Rule("R", (reply(REFUSAL),))])
    with ScriptedChild(script, f"unix:{base}/spool/filters/child.sock") as child:
        postfix = Instance(base, chroot, "unix:filters/child.sock")
        postmill = manager(base, child)
        with postfix, running([postmill]):
            before = {file: identity(file) for file in sorted(postfix.config.iterdir())}
            assert deliver(postfix) == [REFUSAL]
            assert "said the child" not in postmill.output

            where = ("--config-directory", postfix.config, "-c", postmill.config)
            done = setup("postfix", *where, "--yes", "--reload")
            assert (done.returncode, done.stderr) == (0, "")
            assert (
                "-smtpd_milters = unix:filters/child.sock\n+smtpd_milters = unix:run/postmill/milter.sock"
                in done.stdout
            )
            assert "out: unix:filters/child.sock (Postmill asks it: child)" in done.stdout
            assert [each.address for each in read(str(postfix.config)).smtpd_milters()] == [
                "unix:run/postmill/milter.sock"
            ]
            wait_until(lambda: goes_through(postfix, postmill), "mail goes through Postmill")
            child.clear()
            assert deliver(postfix) == [REFUSAL]
            assert child.letters().count("R") == 1, "the child was asked twice"
            assert "nothing to do" in setup("postfix", *where, "--yes").stdout

            done = setup("postfix", *where, "--undo", "--yes", "--reload")
            assert (done.returncode, done.stderr) == (0, "")
            assert {file: identity(file) for file in sorted(postfix.config.iterdir())} == before
            postmill.stop()
            wait_until(lambda: deliver(postfix) == [REFUSAL], "mail goes past Postmill")


def goes_through(postfix: PrivatePostfix, postmill: Manager) -> bool:
    """Postfix's processes take the new configuration one after another, so the first mail may still go past."""
    assert deliver(postfix) == [REFUSAL]
    return "said the child" in postmill.output


def test_mail_of_sendmail_goes_through_postmill_on_request(base: Path) -> None:
    with ScriptedChild(None, f"unix:{base}/spool/filters/child.sock") as child:
        postfix, postmill = Instance(base, "n", ""), manager(base, child)
        with postfix, running([postmill]):
            where = ("--config-directory", postfix.config, "-c", postmill.config, "--yes", "--reload")
            assert setup("postfix", *where, "--non-smtpd").returncode == 0
            assert read(str(postfix.config)).value("non_smtpd_milters") == "unix:run/postmill/milter.sock"
            postfix.sendmail(["-f", "a@ext.example", "alice@test.example"], b"Subject: x\n\nby hand\n")
            assert child.wait_for(lambda event: event.code == "E" or b"by hand" in event.payload)


def test_a_failed_reload_of_a_stopped_postfix_is_told(base: Path) -> None:
    with ScriptedChild(None, f"unix:{base}/spool/filters/child.sock") as child:
        postfix, postmill = Instance(base, "n", ""), manager(base, child)
        with running([postmill]):
            postfix._lay_out()
            postfix.write_config()
            where = ("--config-directory", postfix.config, "-c", postmill.config)
            done = setup("postfix", *where, "--yes", "--reload")
            assert done.returncode == 69
            assert "Postfix was not reloaded: " in done.stderr


# --- files only ----------------------------------------------------------------------------------------------

TOML = """\
# mine
[manager]
listen = ["unix:{base}/spool/run/p.sock", "inet:8890@127.0.0.1"]
socket_group = "postfix"

[milters.child]  # the one
socket = "unix:{base}/spool/filters/child.sock"
"""


@pytest.fixture
def etc(base: Path) -> Path:
    """A directory like /etc/postfix, from the files of Debian's package, and a postmill.toml in it."""
    directory = base / "etc"
    directory.mkdir(exist_ok=True)
    packaged = Path("/usr/share/postfix")
    main = (packaged / "main.cf.debian").read_text()
    main += f"queue_directory = {base}/spool\nsmtpd_milters = unix:filters/child.sock,\n\n# why\n unix:other/o.sock\n"
    (directory / "main.cf").write_text(main)
    shutil.copy(packaged / "master.cf.dist", directory / "master.cf")
    (directory / "postmill.toml").write_text(TOML.format(base=base))
    for file in directory.iterdir():
        file.chmod(0o640)
        os.chown(file, 0, 1)
        os.utime(file, (0, 0))  # Postfix waits for seconds until a file is no longer new
    return directory


def at(etc: Path) -> tuple[str, ...]:
    return ("--config-directory", str(etc), "-c", str(etc / "postmill.toml"))


def postconf(etc: Path) -> dict[str, str]:
    done = subprocess.run(["postconf", "-n", "-c", str(etc)], capture_output=True, text=True, check=True)
    pairs = (line.partition(" =")[::2] for line in done.stdout.splitlines())
    return {name: " ".join(value.split()) for name, value in pairs}


def test_postconf_reads_what_is_meant_and_all_else_as_before(etc: Path) -> None:
    before = postconf(etc)
    assert setup("postfix", *at(etc), "--yes", "--non-smtpd").returncode == 0
    after = postconf(etc)
    changed = {name: value for name, value in after.items() if value != before.get(name)}
    assert changed == {
        "smtpd_milters": "unix:run/p.sock, unix:other/o.sock",
        "non_smtpd_milters": "$smtpd_milters",
        "milter_protocol": "6",
        "milter_default_action": "tempfail",
        "milter_mail_macros": "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
        "milter_connect_macros": "j {daemon_name} {daemon_addr} v _ {daemon_port}",
    }
    assert before.keys() <= after.keys()


def test_adoption_is_written_checked_and_undone(etc: Path) -> None:
    before = {file.name: identity(file) for file in etc.iterdir()}
    done = setup("postfix", *at(etc), "--yes", "--adopt", "--json")
    report = json.loads(done.stdout)
    assert report["adopted"] == [{"written": "unix:other/o.sock", "name": "o"}]
    assert report["commands"] == ["postmill reload", f"postfix -c {etc} reload"]
    assert [warning[:22] for warning in report["warnings"]] == ["nobody listens at unix"]
    text = (etc / "postmill.toml").read_text()
    assert (
        text
        == TOML.format(base=etc.parent) + f'\n[milters.o]\nsocket = "unix:{etc.parent}/spool/other/o.sock"\n'
    )
    assert postconf(etc)["smtpd_milters"] == "unix:run/p.sock"
    assert setup("postfix", *at(etc), "--undo", "--yes").returncode == 0
    assert {file.name: identity(file) for file in etc.iterdir()} == before


def test_adoption_that_toml_does_not_allow_changes_nothing(etc: Path) -> None:
    file = etc / "postmill.toml"
    file.write_text(
        f'manager.listen = ["unix:{etc.parent}/spool/run/p.sock"]\nmilters = {{ a.socket = "unix:/a" }}\n'
    )
    before = {file.name: identity(file) for file in etc.iterdir()}
    done = setup("postfix", *at(etc), "--yes", "--adopt")
    assert done.returncode == 78
    assert (
        "postmill.toml: [milters.child], [milters.o] cannot be put at the end of this file: line 4: "
        in done.stderr
    )
    assert {file.name: identity(file) for file in etc.iterdir()} == before


def test_a_broken_main_cf_is_named(etc: Path) -> None:
    (etc / "main.cf").write_text("no equals sign\n")
    done = setup("postfix", *at(etc), "--dry-run")
    assert done.returncode == 69
    assert f"cannot read the Postfix configuration in {etc}" in done.stderr
    assert "missing '=' after attribute name" in done.stderr


def test_an_unreachable_socket_changes_nothing(etc: Path) -> None:
    master = etc / "master.cf"
    master.write_text(re.sub(r"^(smtp +inet +\S+ +\S+ +)\S", r"\1y", master.read_text(), flags=re.M))
    (etc / "postmill.toml").write_text('[manager]\nlisten = ["unix:/run/postmill/postmill.sock"]\n')
    done = setup("postfix", *at(etc), "--yes")
    assert done.returncode == 78
    assert f"{etc}/postmill.toml:2: manager.listen: Postfix cannot reach" in done.stderr
    assert not (etc / "postmill-backup").exists()


def test_reload_needs_somebody_who_listens(etc: Path) -> None:
    before = identity(etc / "main.cf")
    done = setup("postfix", *at(etc), "--yes", "--reload")
    assert done.returncode == 69
    assert "nobody listens at unix:run/p.sock, so nothing was changed" in done.stderr
    assert identity(etc / "main.cf") == before

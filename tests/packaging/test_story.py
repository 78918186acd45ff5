"""The life of the package on one machine, under real systemd: from its installation to its end, with real mail.

The tests follow each other on the same container; each leaves a Postmill that works. The last one removes it.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from tests.packaging.mailhost import SOCKET, MailHost
from tests.stack.container import Container
from tests.stack.messages import gtube

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

SPAM = f"Subject: offer\n\n{gtube()}\n"
MILTERS = """
[milters.spamass-milter]
socket = "unix:/var/spool/postfix/spamass/spamass.sock"
on_error = "accept"

[milters.opendkim]
socket = "unix:/run/opendkim/opendkim.sock"
"""
#: As user postfix, or somebody else: whether the socket lets one in.
CONNECT = f"import socket; socket.socket(socket.AF_UNIX).connect({SOCKET!r})"


@pytest.fixture(scope="module", autouse=True)
def serving(host: MailHost, machine: Container, package: Path) -> None:
    """Install the package beside Postfix before the first test."""
    host.install(package)
    host.configure("")
    machine.systemctl("restart", "postmill")
    host.connect_postfix()


def may_connect(machine: Container, user: str, group: str) -> bool:
    become = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
    done = machine.run([*become, "/usr/bin/python3", "-c", CONNECT], check=False)
    assert done.returncode == 0 or "Error" in done.stderr, done.stderr
    return done.returncode == 0


def assert_postfix_may_connect(machine: Container) -> None:
    machine.wait(lambda: may_connect(machine, "postfix", "postfix"), "a socket that lets Postfix in", 30)
    assert not may_connect(machine, "nobody", "nogroup")
    status = machine.path(SOCKET).stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o660, 0)


def test_after_the_installation_it_serves_and_does_no_harm(host: MailHost, machine: Container) -> None:
    for unit in ("postmill.service", "postmill.socket"):
        assert machine.systemctl("is-active", unit) == "active"
        assert machine.systemctl("is-enabled", unit) == "enabled"
    assert machine.show("postmill.service", "StatusText").endswith("no milters")
    assert machine.systemctl("--failed", "--quiet") == ""
    assert_postfix_may_connect(machine)
    assert host.send()[0] == 250


def test_the_units_are_without_fault(machine: Container) -> None:
    command = ["systemd-analyze", "verify", "--man=no", "postmill.service", "postmill.socket"]
    done = machine.run(command)
    assert done.stdout + done.stderr == ""


def test_the_daemon_may_do_little(machine: Container, host: MailHost) -> None:
    pid = host.main_pid()
    children = machine.shell(f"cat /proc/{pid}/task/{pid}/children").split()
    assert children
    uid = machine.shell("id -u postmill").strip()
    for one in (str(pid), *children):
        lines = machine.shell(f"cat /proc/{one}/status").splitlines()
        status = {line.partition(":")[0]: line.partition(":")[2].split() for line in lines}
        assert set(status["Uid"]) == {uid}
        assert int(status["CapBnd"][0], 16) == 0
        assert status["NoNewPrivs"] == ["1"]
        assert status["Seccomp"] == ["2"]
    assert (
        machine.shell(f"nsenter -t {pid} -m touch /var/lib/x 2>&1 || true")
        .rstrip()
        .endswith("Read-only file system")
    )


def test_a_mail_passes_and_is_a_line_in_the_journal(host: MailHost) -> None:
    code, text = host.send()
    assert code == 250, text
    queue_id = text.rpartition(" ")[2]
    host.wait_mail("At noon?")
    (line,) = host.lines(queue_id)
    assert line["MESSAGE"].startswith(f"{queue_id}: ")
    assert line["MESSAGE"].endswith(" verdict=accept")
    assert (line["PRIORITY"], line["SYSLOG_FACILITY"], line["SYSLOG_IDENTIFIER"]) == ("6", "2", "postmill")
    assert line["_SYSTEMD_UNIT"] == "postmill.service"


def test_debians_milters_decide_and_edit(host: MailHost, machine: Container) -> None:
    """As the configuration's comments have it: a table, a group, a restart."""
    machine.write("/etc/default/spamass-milter", 'OPTIONS="-u spamass-milter -r 15"\n')
    machine.write("/etc/spamassassin/local.cf", "dns_available no\nreport_safe 0\n")
    key = "/etc/dkimkeys/test.private"
    machine.shell(f"openssl genrsa -out {key} 2048 && chown opendkim: {key} && chmod 600 {key}")
    with machine.path("/etc/opendkim.conf").open("a") as config:
        config.write(f"Domain example.com\nSelector test\nKeyFile {key}\n")
    machine.systemctl("restart", "opendkim", "spamd", "spamass-milter")
    machine.shell("usermod --append --groups opendkim,postfix postmill")
    host.configure(MILTERS)
    machine.systemctl("restart", "postmill")
    assert machine.show("postmill.service", "StatusText").endswith("spamass-milter, opendkim")

    code, text = host.send("From: bob@example.com\nSubject: signed\n\nHello.\n")
    assert code == 250, text
    host.wait_mail("Subject: signed")
    assert "DKIM-Signature: v=1; a=rsa-sha256;" in host.mailbox()
    assert "X-Spam-Status: No" in host.mailbox()
    (line,) = host.lines(text.rpartition(" ")[2])
    assert " from=<bob@example.com> to=<alice@localhost> verdict=" in line["MESSAGE"]
    words = r"verdict=accept spamass-milter=continue/[\d.]+ms add-header:\d opendkim=accept/[\d.]+ms insert-header:1"
    assert re.search(words, line["MESSAGE"]), line["MESSAGE"]

    code, text = host.send(SPAM)
    assert (code, "Blocked by SpamAssassin" in text) == (550, True), text
    assert host.lines("verdict=reject at end-of-message by spamass-milter")


def test_a_reload_loses_no_session(host: MailHost, machine: Container) -> None:
    pid = host.main_pid()
    with host.flow() as flow, host.held() as session:
        for _ in range(3):
            machine.systemctl("reload", "postmill")
            assert machine.show("postmill.service", "SubState") == "running"
        code, text = host.finish(session)
        assert code == 250, text
    assert flow.failed == []
    assert flow.sent > 1
    assert host.main_pid() == pid
    assert len(host.lines("reloaded: ")) == 3, "each told once"


def test_a_broken_configuration_is_refused(host: MailHost, machine: Container) -> None:
    host.configure(MILTERS.replace("on_error", "on_eror"))
    with pytest.raises(RuntimeError, match=r"Job for postmill\.service failed"):
        machine.systemctl("reload", "postmill")
    assert machine.show("postmill.service", "SubState") == "running"
    status = machine.show("postmill.service", "StatusText")
    assert status.startswith("reload refused: /etc/postmill/postmill.toml:")
    assert "on_error" in status, "the nearest spelling"
    assert host.lines("reload refused, the old configuration stays in force")[0]["PRIORITY"] == "3"
    assert host.send(SPAM)[0] == 550, "the old one"
    host.configure(MILTERS)
    machine.systemctl("reload", "postmill")
    assert machine.show("postmill.service", "StatusText").endswith("spamass-milter, opendkim")


def test_a_restart_lets_sessions_finish_and_others_wait(host: MailHost, machine: Container) -> None:
    with host.flow() as flow, host.held() as session:
        restart = machine.start(["systemctl", "restart", "postmill"])
        machine.wait(lambda: machine.show("postmill.service", "SubState") == "stop-sigterm", "the restart")
        code, text = host.finish(session)
        assert code == 250, text
        assert restart.communicate(timeout=60)[0] == ""
    assert flow.failed == []
    assert not host.lines("cut off")


def test_the_socket_can_be_changed(host: MailHost, machine: Container) -> None:
    """As docs/install.md has it: one more by a drop-in, none of systemd's, or none at all."""
    machine.write(
        "/etc/systemd/system/postmill.socket.d/override.conf", "[Socket]\nListenStream=127.0.0.1:8890\n"
    )
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", "postmill.socket")
    for endpoint in ("inet:127.0.0.1:8890", "unix:postmill/postmill.sock"):
        host.postconf(f"smtpd_milters = {endpoint}")
        assert host.send()[0] == 250
    machine.shell("rm -r /etc/systemd/system/postmill.socket.d")
    machine.systemctl("mask", "--now", "postmill.socket")
    machine.systemctl("start", "postmill")
    assert machine.show("postmill.service", "StatusText").startswith("unix:/run/postmill/postmill.sock; ")
    assert machine.path("/run/postmill/postmill.sock").is_socket()
    machine.systemctl("unmask", "postmill.socket")
    machine.systemctl("restart", "postmill")
    machine.systemctl("stop", "postmill.socket")
    assert machine.systemctl("is-active", "postmill.service", check=False) == "inactive"
    assert host.send()[0] == 451
    machine.systemctl("start", "postmill")
    assert_postfix_may_connect(machine)
    assert host.send()[0] == 250


@pytest.mark.parametrize(
    "command",
    [
        "systemctl restart postmill.service",
        "systemctl kill --signal=KILL postmill",
        "systemctl restart postmill.socket",
    ],
)
def test_postfix_may_connect_whatever_was_restarted(host: MailHost, machine: Container, command: str) -> None:
    machine.shell(command)
    assert_postfix_may_connect(machine)
    code, text = host.send()
    assert code == 250, text
    machine.wait(lambda: machine.systemctl("is-active", "postmill", check=False) == "active", "Postmill")
    machine.systemctl("reset-failed")  # a limit on restarts, which these would reach


def test_it_recovers_from_a_start_with_a_broken_configuration(host: MailHost, machine: Container) -> None:
    host.configure("[milters.nonsense]\n")
    machine.systemctl("restart", "postmill", check=False)
    assert machine.systemctl("is-active", "postmill", check=False) == "failed"
    assert host.send()[0] == 451, "milter_default_action, and no hang"
    host.configure(MILTERS)
    machine.systemctl("reset-failed")
    machine.systemctl("start", "postmill")
    assert host.send()[0] == 250
    assert_postfix_may_connect(machine)


def test_an_upgrade_keeps_socket_and_configuration(host: MailHost, machine: Container, upgrade: Path) -> None:
    inode, pid = machine.path(SOCKET).stat().st_ino, host.main_pid()
    with host.flow() as flow:
        host.install(upgrade)
        code, text = host.send(SPAM)
        assert code == 550, text
    assert flow.failed == []
    assert machine.path(SOCKET).stat().st_ino == inode
    assert host.main_pid() != pid
    assert machine.shell("dpkg-query -W -f '${Version}' postmill").endswith("-2")


def test_a_milter_that_is_disabled(host: MailHost, machine: Container) -> None:
    """Mail is deferred as its on_error says; out of the configuration, it is not asked any more."""
    machine.systemctl("disable", "--now", "opendkim")
    code, text = host.send()
    assert code == 451, text
    assert host.lines(" opendkim=lost:")
    host.configure(MILTERS.partition("[milters.opendkim]")[0])
    machine.systemctl("reload", "postmill")
    assert machine.show("postmill.service", "StatusText").endswith("; spamass-milter")
    code, text = host.send()
    assert code == 250, text
    (line,) = host.lines(text.rpartition(" ")[2])
    assert " spamass-milter=continue/" in line["MESSAGE"]
    assert "opendkim" not in line["MESSAGE"]
    assert host.send(SPAM)[0] == 550


def test_after_a_boot_all_is_there(host: MailHost, machine: Container) -> None:
    machine.power_off()
    machine.boot()
    assert machine.systemctl("--failed", "--quiet") == ""
    assert_postfix_may_connect(machine)
    code, text = host.send()
    assert code == 250, text


def test_removed_it_keeps_its_configuration(host: MailHost, machine: Container) -> None:
    machine.run(["dpkg", "--remove", "postmill"])
    assert "milters.spamass-milter" in machine.read("/etc/postmill/postmill.toml")
    assert not machine.path(SOCKET).exists()
    assert not machine.path("/run/postmill").exists()
    for unit in ("postmill.service", "postmill.socket"):
        assert machine.systemctl("is-active", unit, check=False) == "inactive"
    host.postconf("smtpd_milters =")
    assert host.send()[0] == 250


def test_purged_it_leaves_nothing(machine: Container) -> None:
    uid = machine.shell("id -u postmill").strip()
    machine.run(["dpkg", "--purge", "postmill"])
    elsewhere = "( -path /proc -o -path /sys -o -path /srv -o -path /var/log ) -prune -o"
    for what in (f"-uid {uid}", f"-gid {uid}", "-name *postmill*"):
        assert machine.run(["find", "/", *elsewhere.split(), *what.split(), "-print"]).stdout == ""
    assert machine.shell("getent passwd postmill; getent group postmill", check=False) == ""
    assert "postmill" not in machine.shell("cat /etc/group /etc/shadow")
    assert machine.shell("systemctl list-units --all --quiet 'postmill*'") == ""
    assert machine.systemctl("--failed", "--quiet") == ""

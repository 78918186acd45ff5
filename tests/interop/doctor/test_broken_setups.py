"""`postmill doctor` on mail hosts with one thing wrong each: it names that, and where it is safe, mends it."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator

import pytest

from postmill.host.postfix import read
from postmill.testing.script import Negotiation, Script
from tests.interop.doctor.host import LISTED, Host, child, mode_of
from tests.interop.postfix import wait_until


def test_a_healthy_host() -> None:
    with Host() as host:
        report = host.doctor()
        assert (report.troubles(), report.status) == ([], 0)
        assert report.values["level"] in ("ok", "note")
        for check in ("configuration", "own-socket", "milters", "macros", "registration", "order", "relay"):
            assert report.texts(check), check
        assert "does not relay for 203.0.113.9: 554 5.7.1" in report.texts("relay")
        assert host.mail_is_filtered()
        assert host.typed("--quiet").stdout == ""
        assert host.doctor("--fix").ran == []


def test_wrong_mode() -> None:
    host = Host()
    host.postmill.manager["socket_mode"] = "0600"
    with host:
        assert not host.mail_is_filtered()
        report = host.doctor()
        found = report.only()
        assert (found["check"], report.status) == ("own-socket", 2)
        assert f"postfix, the user of Postfix, cannot connect to unix:{host.socket}" in found["text"]
        assert "mode 0600, group postfix" in found["text"]
        assert 'socket_mode = "0660"' in found["advice"]

        planned = host.typed("--fix", "--dry-run")
        assert f"would run: chmod g+w {host.socket}\n" in planned.stdout
        assert (planned.returncode, mode_of(host.socket)) == (2, 0o600)

        mended = host.doctor("--fix")
        assert (mended.ran, mended.status) == ([f"chmod g+w {host.socket}"], 0)
        assert host.mail_is_filtered()


def test_wrong_group() -> None:
    host = Host()
    host.postmill.manager |= {"socket_group": "nogroup", "socket_mode": "0600"}
    with host:
        assert not host.mail_is_filtered()
        assert "group nogroup" in host.doctor().only()["text"]
        mended = host.doctor("--fix")
        assert mended.ran == [f"chgrp postfix {host.socket}", f"chmod g+w {host.socket}"]
        assert mended.status == 0
        assert host.mail_is_filtered()


def test_a_path_that_means_another_place_in_the_chroot() -> None:
    host = Host(chroot="y")
    host.postfix.main["smtpd_milters"] = f"unix:{host.socket}"
    with host:
        assert not host.mail_is_filtered()
        found = host.doctor().only()
        assert found["check"] == "own-socket"
        assert f"runs in a chroot, {host.postfix.spool}, and so looks for Postmill" in found["text"]
        assert f"at unix:{host.postfix.spool}{host.socket}" in found["text"]
        mended = host.doctor("--fix")
        assert [shlex.split(command)[:3] for command in mended.ran] == [["postmill", "setup", "postfix"]]
        assert mended.status == 0
        assert read(str(host.postfix.config)).value("smtpd_milters") == LISTED
        wait_until(host.mail_is_filtered, "mail passes Postmill")


def test_a_socket_outside_the_chroot() -> None:
    host = Host(chroot="y")
    outside = host.base / "mta.sock"
    host.postmill.manager["listen"] = [f"unix:{outside}"]
    host.postfix.main |= {"smtpd_milters": f"unix:{outside}", "non_smtpd_milters": ""}
    with host:
        report = host.doctor("--fix")
        assert (report.ran, report.status) == ([], 2)
        texts = report.texts("own-socket")
        assert f"Postfix cannot reach unix:{outside}" in texts
        assert "runs in a chroot" in texts
        advice = [one["advice"] for one in report.values["diagnoses"] if "cannot reach" in one["text"]]
        assert f'listen = ["unix:{host.postfix.spool}/postmill/postmill.sock"]' in advice[0]


def test_a_dead_child() -> None:
    with Host() as host:
        host.child.stop()
        report = host.doctor("--fix")
        found = report.only()
        assert (found["check"], report.status, report.ran) == ("milters", 2, [])
        path = host.child.endpoint
        assert found["text"] == f"child does not answer at {path}: No such file or directory"
        assert "on_error = tempfail" in found["advice"]


def test_a_child_that_hangs() -> None:
    host = Host()
    host.postmill.milters["child"] = {
        **host.postmill.milters["child"],
        "timeouts": {"connect": "1s", "command": "2s"},
    }
    host.child.script = Script(Negotiation(steps=()))
    with host:
        assert host.doctor().only()["text"].endswith("no answer within 1 s")


def test_a_milter_asked_twice() -> None:
    host = Host()
    host.child.script = Script()
    host.postfix.main["smtpd_milters"] = f"unix:filters/child.sock, {LISTED}"
    with host:
        found = host.doctor().only()
        assert found["check"] == "registration"
        assert "child is asked twice" in found["text"]
        mended = host.doctor("--fix")
        assert (len(mended.ran), mended.status) == (1, 0)
        assert read(str(host.postfix.config)).value("smtpd_milters") == LISTED

        def once() -> bool:
            host.child.clear()
            host.mail_is_filtered()
            return host.child.letters().count("R") == 1

        wait_until(once, "the child is asked once")


def test_macros_that_postfix_does_not_send() -> None:
    host = Host()
    host.postmill.milters["child"] = {**host.postmill.milters["child"], "when": ["unauthenticated"]}
    host.postfix.main["milter_mail_macros"] = "i {mail_addr}"
    with host:
        found = host.doctor().only()
        assert (found["check"], found["level"]) == ("macros", "error")
        assert "milter_mail_macros does not have {auth_type}, {auth_authen}" in found["text"]
        assert host.doctor("--fix").status == 0
        assert {"{auth_type}", "{auth_authen}"} <= {*read(str(host.postfix.config)).macros("mail")}


def test_macros_that_postfix_does_not_have() -> None:
    host = Host()
    host.child.script = Script(Negotiation(symlists=((0, b"j {if_name}"),)))
    with host:
        report = host.doctor()
        assert report.status == 1
        assert report.only()["text"] == "child asks for {if_name} at connect, which Postfix does not have"
        assert "sendmail-compatible" in report.only()["advice"]


def test_wrong_order() -> None:
    host = Host()
    filters = host.base / "spool" / "filters"
    del host.postmill.milters["child"]
    for name in ("opendmarc", "opendkim"):
        host.postmill.milters[name] = {"socket": f"unix:{filters}/{name}.sock"}
    with child(filters, "opendmarc"), child(filters, "opendkim"), host:
        report = host.doctor()
        assert (report.troubles(), report.status) == (["order: warning"], 1)
        assert report.only()["text"].startswith("opendmarc stands before opendkim: ")
        assert "move [milters.opendkim] before [milters.opendmarc]" in report.only()["advice"]


@pytest.mark.parametrize(
    ("main", "timeouts", "level", "text"),
    [
        ({}, {"connect": "20s"}, "warning", "child may take 45 s for connecting and negotiating"),
        (
            {"milter_command_timeout": "5s"},
            {"connect": "1s", "command": "2s"},
            "error",
            "gives up after 5 s (milter_command_",
        ),
    ],
)
def test_time_outs_that_are_too_long(
    main: dict[str, str], timeouts: dict[str, str], level: str, text: str
) -> None:
    host = Host()
    host.postfix.main |= main
    host.postmill.milters["child"] = {**host.postmill.milters["child"], "timeouts": timeouts}
    with host:
        found = host.doctor().only()
        assert (found["check"], found["level"]) == ("time-limits", level)
        assert text in found["text"]


def world(host: Host) -> None:
    host.postfix.main["mynetworks"] = "127.0.0.0/8 0.0.0.0/0"


def no_restrictions(host: Host) -> None:
    host.postfix.main["smtpd_relay_restrictions"] = "permit_mynetworks, permit, reject_unauth_destination"


def a_table(host: Host) -> None:
    table = host.base / "clients"
    table.write_text("203.0.113.0/24 OK\n")
    host.postfix.main["smtpd_relay_restrictions"] = (
        f"check_client_access cidr:{table}, reject_unauth_destination"
    )


def routing(host: Host) -> None:
    host.postfix.main["allow_untrusted_routing"] = "yes"


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (world, "smtpd_relay_restrictions permits mynetworks, which holds the whole world"),
        (no_restrictions, "smtpd_relay_restrictions permits everything"),
        (a_table, "to 203.0.113.9 it said yes to <postmill-doctor@example.org>"),
        (routing, "to 203.0.113.9 it said yes to <postmill-doctor%example.org@mx.test.example>"),
    ],
)
def test_an_open_relay(break_it: Callable[[Host], None], said: str) -> None:
    host = Host()
    host.child.script = Script()
    host.postfix.main["default_transport"] = "discard:"
    break_it(host)
    with host:
        report = host.doctor("--fix")
        assert (report.ran, report.status) == ([], 2)
        assert set(report.troubles()) == {"relay: error"}
        assert said in report.texts("relay")
        assert host.child.letters().count("E") == 0, "a mail was sent"


def test_bad_toml() -> None:
    with Host() as host:
        host.postmill.config.write_text("[manager]\nlisten = [\n")
        report = host.doctor()
        assert (report.troubles(), report.status) == (["configuration: error"], 2)
        assert report.only()["text"].startswith(f"{host.postmill.config}:3: no valid TOML")
        assert "does not relay" in report.texts("relay"), "what needs no configuration is looked at"


def test_an_unknown_key() -> None:
    with Host() as host:
        text = host.postmill.config.read_text()
        host.postmill.config.write_text(text.replace("socket_group", "socket_grup"))
        report = host.doctor()
        assert (report.troubles(), report.status) == (["configuration: error"], 2)
        assert "manager.socket_grup: unknown key (did you mean socket_group?)" in report.only()["text"]


RAISES = """\
from postmill.api import Applies, Sender, condition


@condition("broken")
def broken(sender: Sender) -> Applies:
    \"\"\"Fails for every sender.\"\"\"
    raise RuntimeError("no such luck")
"""


def test_a_condition_that_raises() -> None:
    host = Host()
    policies = host.postmill.directory / "policy.d"
    policies.mkdir()
    (policies / "broken.py").write_text(RAISES)
    host.postmill.milters["child"] = {**host.postmill.milters["child"], "when": ["broken"]}
    with host:
        report = host.doctor()
        found = report.only()
        assert (found["check"], report.status) == ("conditions", 2)
        assert "condition broken: RuntimeError: no such luck at " in found["text"]
        assert f"{policies}/broken.py:7" in found["text"]
        assert "on_error of child, tempfail" in found["advice"]


@pytest.fixture
def lonely_user() -> Iterator[str]:
    """A system user that is put into group games by the doctor, and taken out again here."""
    yield "irc"
    subprocess.run(["gpasswd", "-d", "irc", "games"], capture_output=True, check=False)


def test_a_child_whose_group_we_are_not_in(lonely_user: str) -> None:
    host = Host()
    host.child.mode, host.child.group = 0o660, "games"
    host.postmill.manager["user"] = lonely_user
    with host:
        assert not host.mail_is_filtered()
        found = host.doctor().only()
        assert found["check"] == "milters"
        assert f"{lonely_user}, the user of Postmill, cannot connect to child" in found["text"]
        mended = host.doctor("--fix")
        assert mended.ran == [f"usermod -aG games {lonely_user}"]
        assert mended.status == 2
        assert "put into that group after it was started" in mended.only()["text"]
        host.postmill.stop()
        host.postmill.start()
        assert host.doctor().status == 0
        assert host.mail_is_filtered()

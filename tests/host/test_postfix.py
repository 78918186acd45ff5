"""Postfix's configuration as a value: from postconf's output, and from a real postconf where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from postmill.errors import UnavailableError
from postmill.host.postfix import parse, parse_milters, postfix_program, read, split_list
from postmill.wire.endpoint import Endpoint

MAIN = """\
queue_directory = /var/spool/postfix
mail_owner = postfix
compatibility_level = 3.6
smtpd_milters = unix:opendkim/opendkim.sock, # not a comment here
# a comment between continuation lines does not end the value

   { inet:localhost:8893, connect_timeout=3s, default_action=accept }
non_smtpd_milters = $smtpd_milters
milter_command_timeout = 2m
own = unix:/own
own = unix:/last
"""
MASTER = """\
smtp inet n - y - - smtpd
submission inet n - - - 10 smtpd
  -o syslog_name=postfix/submission -v
  -o { smtpd_milters = $own, unix:/b }
smtps inet n - n - 0 smtpd -o smtpd_milters=
10025 inet n - n - - smtpd
  -o receive_override_options=no_address_mappings,no_milters
cleanup unix n - y - 0 cleanup
"""

needs_postconf = pytest.mark.skipif(postfix_program("postconf") is None, reason="needs postconf")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in (("main.cf", MAIN), ("master.cf", MASTER)):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (0, 0))  # Postfix waits for seconds until a file is no longer new
    return tmp_path


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ("", []),
        (" unix:a,inet:b:1  unix:/c ,", ["unix:a", "inet:b:1", "unix:/c"]),
        ("{ unix:a, x=1 },unix:b", ["{ unix:a, x=1 }", "unix:b"]),
        ("{ unix:a, { x = 1, 2 } } unix:b", ["{ unix:a, { x = 1, 2 } }", "unix:b"]),
        ("unix:a, { unix:b", ["unix:a", "{ unix:b"]),
        ("} unix:a", ["}", "unix:a"]),
    ],
)
def test_split_list(value: str, elements: list[str]) -> None:
    assert split_list(value) == elements


def test_milter_with_options() -> None:
    (milter,) = parse_milters("{ inet:host:1, connect_timeout=3s, { default_action = accept } }")
    assert milter.address == "inet:host:1"
    assert milter.options == {"connect_timeout": "3s", "default_action": "accept"}
    assert milter.text.startswith("{ inet:host:1,")


@pytest.mark.parametrize(
    ("written", "chrooted", "endpoint"),
    [
        ("unix:a/s", False, Endpoint("unix", path="/q/a/s")),
        ("unix:a/s", True, Endpoint("unix", path="/q/a/s")),
        ("local:a/s", True, Endpoint("unix", path="/q/a/s")),
        ("unix:/run/s", False, Endpoint("unix", path="/run/s")),
        ("unix:/run/s", True, Endpoint("unix", path="/q/run/s")),
        ("inet:localhost:99", True, Endpoint("inet", host="localhost", port=99)),
        ("inet:[::1]:99", False, Endpoint("inet6", host="::1", port=99)),
        ("inet:localhost:smtp", False, None),
        ("unix:", False, None),
        ("nonsense", False, None),
    ],
)
def test_endpoint(written: str, chrooted: bool, endpoint: Endpoint | None) -> None:
    (milter,) = parse_milters(written)
    assert milter.endpoint("/q/", chrooted=chrooted) == endpoint


@pytest.mark.interop
@needs_postconf
def test_read(directory: Path) -> None:
    postfix = read(str(directory))
    assert (postfix.directory, postfix.mail_owner) == (str(directory), "postfix")
    assert postfix.queue_directory == "/var/spool/postfix"
    assert postfix.milter_protocol == 6
    assert postfix.milter_default_action == "tempfail"
    assert postfix.seconds("milter_command_timeout") == 120
    assert postfix.seconds("milter_content_timeout") == 300
    assert "{auth_type}" in postfix.macros("mail")
    assert postfix.macros("unknown") == ()
    assert [milter.address for milter in postfix.non_smtpd_milters()] == [
        "unix:opendkim/opendkim.sock",
        "#",
        "not",
        "a",
        "comment",
        "here",
        "inet:localhost:8893",
    ]
    assert any("line 11: overriding earlier entry: own" in warning for warning in postfix.warnings)


@pytest.mark.interop
@needs_postconf
def test_services(directory: Path) -> None:
    postfix = read(str(directory))
    smtp, submission, smtps, reinjection = postfix.smtpd_services
    assert [smtp.key, submission.key, smtps.key] == ["smtp/inet", "submission/inet", "smtps/inet"]
    assert (smtp.chroot, submission.chroot, smtps.chroot) == (True, False, False)
    assert (smtp.process_limit, submission.process_limit, smtps.process_limit) == (100, 10, 0)
    assert len(postfix.smtpd_milters(smtp)) == len(postfix.smtpd_milters()) == 7
    assert [each.address for each in postfix.smtpd_milters(submission)] == ["unix:/last", "unix:/b"]
    assert postfix.smtpd_milters(smtps) == postfix.smtpd_milters(reinjection) == ()
    (cleanup,) = postfix.of_command("cleanup")
    assert cleanup.chroot
    assert postfix.value("syslog_name", submission) == "postfix/submission"


@pytest.mark.interop
@needs_postconf
def test_chroot_by_default_before_postfix_3(directory: Path) -> None:
    (directory / "main.cf").write_text("compatibility_level = 0\ndefault_process_limit = 7\n")
    os.utime(directory / "main.cf", (0, 0))
    postfix = read(str(directory))
    assert postfix.smtpd_services[1].chroot
    assert postfix.smtpd_services[0].process_limit == 7


@pytest.mark.interop
@needs_postconf
@pytest.mark.parametrize("name", ["main.cf", "master.cf"])
def test_what_cannot_be_read_is_named(directory: Path, name: str) -> None:
    (directory / name).unlink()
    with pytest.raises(UnavailableError, match=f"{directory}.*{name}"):
        read(str(directory))


def test_without_postfix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postmill.host.postfix.postfix_program", lambda name: None)
    with pytest.raises(UnavailableError, match="is Postfix installed"):
        read("/etc/postfix")


def test_parse_without_services() -> None:
    postfix = parse("/d", "smtpd_milters = \nmilter_protocol = 6\n")
    assert postfix.smtpd_milters() == ()
    assert postfix.value("unheard_of") == ""

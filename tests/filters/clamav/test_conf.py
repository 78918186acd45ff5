"""clamav-milter's configuration file: what it means here, and what it cannot mean."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.filters.clamav.conf import settings_from
from postmill.filters.clamav.policy import Settings, policy_of
from postmill.wire.endpoint import parse_endpoint

CONF = """\
# a comment
MilterSocket /run/clamav/clamav-milter.ctl
ClamdSocket unix:/run/clamav/clamd.ctl
ClamdSocket tcp:scanner.example:3310
OnInfected Reject
OnFail Reject
RejectMsg "Found %v"
AddHeader Yes
LocalNet local
LocalNet 192.0.2.0/24
ReportHostname mx.example
SkipAuthenticated ^joe$
MaxFileSize 10M
ReadTimeout 60
SupportMultipleRecipients Yes
"""


def test_a_configuration_of_clamav_milter(tmp_path: Path) -> None:
    file = tmp_path / "clamav-milter.conf"
    file.write_text(CONF)
    read = settings_from(str(file), Settings())
    assert read.clamd == (
        parse_endpoint("unix:/run/clamav/clamd.ctl"),
        parse_endpoint("inet:3310@scanner.example"),
    )
    assert (read.on_infected, read.reject_text, read.add_header) == ("reject", "5.7.1 Found %v", "replace")
    assert read.on_fail == "reject"
    assert read.each_recipient
    assert (read.report_hostname, read.skip_authenticated) == ("mx.example", "^joe$")
    assert ([*map(str, read.local_networks)], read.max_file_size, read.timeout) == (
        ["192.0.2.0/24"],
        10 << 20,
        60.0,
    )


def test_what_clamav_milter_forgives(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "clamav-milter.conf"
    file.write_text(
        """ClamdSocket unix:/x
MaxThreads 20
ScanMail yes
OnInfected Accept
OnInfected Reject
RejectMsg 4.7.1 means nothing unless mail is rejected
Whitelist /white
AllowList /allow
ReportHostname "a"b
LocalNet 192.168.1.1/16
LocalNet 10.0.0.0/
LocalNet localhost
"""
    )
    read = settings_from(str(file), Settings())
    policy_of(dataclasses.replace(read, allow_list=""))
    assert (read.on_infected, read.reject_text, read.allow_list, read.report_hostname) == (
        "accept",
        "",
        "/white",
        "a",
    )
    assert {"192.168.0.0/16", "10.0.0.0/32", "127.0.0.1/32"} <= {*map(str, read.local_networks)}
    assert [record.getMessage() for record in caplog.records] == [f"{file}:3: ScanMail means nothing here"]


@pytest.mark.parametrize(
    ("written", "read"),
    [('a "b"', 'a "b"'), ('"A" and "B" %v', 'A" and "B'), ('"a %v" # c', "a %v"), ('" x "', " x ")],
)
def test_quotes_are_taken_off_as_clamav_milter_does(written: str, read: str, tmp_path: Path) -> None:
    file = tmp_path / "clamav-milter.conf"
    file.write_text(f"ClamdSocket unix:/x\nOnInfected Reject\nRejectMsg {written}\n")
    assert settings_from(str(file), Settings()).reject_text == f"5.7.1 {read}"


def test_its_defaults_are_its_own(tmp_path: Path) -> None:
    file = tmp_path / "clamav-milter.conf"
    file.write_text("ClamdSocket unix:/x\n")
    read = settings_from(str(file), Settings(on_infected="reject"))
    assert (read.on_infected, read.add_header, read.max_file_size) == ("quarantine", "no", 100 << 20)
    assert (policy_of(read).on_fail, policy_of(Settings()).on_fail) == ("tempfail", "")


def test_what_the_file_leaves_out_is_not_taken_from_here(tmp_path: Path) -> None:
    file = tmp_path / "clamav-milter.conf"
    file.write_text("ClamdSocket\ttcp:scanner.example\nClamdSocket tcp:3311\nLocalNet local\n")
    read = settings_from(str(file), Settings(allow_list="/x", skip_authenticated="joe"))
    assert (read.allow_list, read.skip_authenticated, read.skip_local) == ("", "", True)
    assert read.clamd == (parse_endpoint("inet:3310@scanner.example"), parse_endpoint("inet:3311"))


def test_a_file_of_names_means_these_names(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("# our users\njoe\na.b\n  ann\nbob \n\n!no\n")
    file = tmp_path / "clamav-milter.conf"
    file.write_text(f"ClamdSocket unix:/x\nSkipAuthenticated file:{tmp_path}/names\n")
    policy = policy_of(settings_from(str(file), Settings()))
    skipped = [
        user
        for user in ("joe", "JOE", "a.b", "mrjoe", "joe2", "axb", "our", "no", "users", "ann", "bob")
        if policy.skips_user(user)
    ]
    assert skipped == ["joe", "JOE", "a.b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("OnInfected Rejekt\n", ":1: OnInfected: 'Rejekt' is none of reject, quarantine"),
        ("\nOnInfekted Reject\n", ":2: OnInfekted: unknown option, did you mean oninfected?"),
        ("Example\n", ":1: Example: the file says that it is only an example"),
        ("AddHeader\n", ":1: AddHeader: needs a value"),
        ("LocalNet 192.0.2.1/33\n", ":1: LocalNet: "),
        ("LocalNet nobody.invalid\n", ":1: LocalNet: 'nobody.invalid' is no address, and"),
        ('RejectMsg "Found\n', ":1: RejectMsg: a quote is missing at the end"),
        ("ClamdSocket unix:/x\nMaxFileSize many\n", ":2: MaxFileSize: 'many' is not allowed"),
        ("OnClean Quarantine\n", ":1: OnClean: a clean message goes on"),
        ("OnFail Quarantine\n", ":1: OnFail: 'Quarantine' is none of defer, accept, reject"),
        ("ReadTimeout nan\n", ":1: ReadTimeout: "),
        ("ReadTimeout -1\n", ":1: ReadTimeout: "),
        ("OnInfected Reject\n", ": ClamdSocket is missing"),
    ],
)
def test_mistakes_have_their_place(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "clamav-milter.conf"
    file.write_text(text)
    with pytest.raises(ValueError, match=r".") as caught:
        settings_from(str(file), Settings())
    assert str(caught.value).startswith(f"{file}{words}")


@given(st.text(max_size=200))
def test_whatever_a_configuration_says(text: str) -> None:
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        with suppress(ValueError):
            assert settings_from(file.name, Settings()).clamd

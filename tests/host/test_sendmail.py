"""Sendmail's configuration as a value, from a .cf and from its .mc."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmill.errors import UnavailableError
from postmill.host.m4 import calls
from postmill.host.sendmail import DEFAULT_MACROS, parse_cf, parse_mc, read
from postmill.wire.endpoint import Endpoint

CF = """\
O DaemonPortOptions=Name=MTA, Port=smtp
O DaemonPortOptions=Name=MSA, Port=587, InputMailFilters=greylist;dkim
O InputMailFilters=dkim, spam
# O InputMailFilters=no
O Milter.macros.connect=j, _, {daemon_name}
O Milter.macros.envfrom=i, {auth_type}
Xdkim, S=local:/run/dkim.sock, F=T,
  T=C:2m;S:30s;R:60s;E:1h30m
Xspam, S=inet:783@localhost
Xgreylist, S=unix:/run/grey.sock, F=R
"""
MC = """\
divert(-1)dnl
# INPUT_MAIL_FILTER(`in a comment', `S=unix:/no')
divert(0)dnl
dnl INPUT_MAIL_FILTER(`after dnl', `S=unix:/no')dnl
define(`confX', `INPUT_MAIL_FILTER(`quoted', `S=unix:/no')')dnl
INPUT_MAIL_FILTER(`dkim', `S=local:/run/dkim.sock, F=T, T=S:30s;R:60s')dnl
INPUT_MAIL_FILTER(
\t`spam', dnl the spam filter
\t`S=inet:783@localhost')dnl
MAIL_FILTER(`greylist', `S=unix:/run/grey.sock, F=4')dnl
define(`confMILTER_MACROS_CONNECT', ``j, {daemon_name}'')dnl
DAEMON_OPTIONS(`Name=MTA')DAEMON_OPTIONS(`Name=MSA, I=greylist')dnl
"""


def test_cf() -> None:
    sendmail = parse_cf(CF)
    dkim, spam, greylist = sendmail.filters
    assert sendmail.asked == (dkim, spam)
    assert [sendmail.asked_by(daemon) for daemon in sendmail.daemons] == [(dkim, spam), (greylist, dkim)]
    assert dkim.endpoint == Endpoint("unix", path="/run/dkim.sock")
    assert dkim.timeouts == {"C": 120, "S": 30, "R": 60, "E": 5400}
    assert spam.timeouts == {"C": 300, "S": 10, "R": 10, "E": 300}
    assert [each.default_action for each in sendmail.filters] == ["tempfail", "accept", "reject"]
    assert sendmail.macros["mail"] == ("i", "{auth_type}")
    assert sendmail.macros["rcpt"] == ()


def test_mc() -> None:
    sendmail = parse_mc(MC)
    dkim, spam, greylist = sendmail.filters
    assert sendmail.input_filters == ("dkim", "spam")
    assert [each.name for each in sendmail.asked] == ["dkim", "spam"]
    assert spam.endpoint == Endpoint("inet", host="localhost", port=783)
    assert greylist.default_action == "shutdown"
    assert sendmail.macros["connect"] == ("j", "{daemon_name}")
    assert sendmail.macros["mail"] == DEFAULT_MACROS["mail"]
    assert [sendmail.asked_by(daemon) for daemon in sendmail.daemons] == [(dkim, spam), (greylist,)]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (
            "INPUT_MAIL_FILTER(`a', `S=unix:/a')MAIL_FILTER(`b', `')define(`confINPUT_MAIL_FILTERS', `b,a')",
            ["b", "a"],
        ),
        ("define(`confINPUT_MAIL_FILTERS', `b')INPUT_MAIL_FILTER(`a', `')MAIL_FILTER(`b', `')", ["b", "a"]),
        ("INPUT_MAIL_FILTER(`a', `')undefine(`confINPUT_MAIL_FILTERS')dnl", []),
    ],
)
def test_who_is_asked(text: str, asked: list[str]) -> None:
    assert [each.name for each in parse_mc(text).asked] == asked


def test_a_socket_that_cannot_be_understood() -> None:
    assert parse_cf("Xa, S=unix:relative").filters[0].endpoint is None


def test_calls() -> None:
    text = "a(`x,y', b(1, 2), ``z'') c (no) # e(no)\n`h(no)' f()g(`unfinished"
    first, *others = calls(text)
    assert first.arguments == ("x,y", "b(1, 2)", "`z'")
    assert text[first.start : first.end] == "a(`x,y', b(1, 2), ``z'')"
    assert [(call.name, call.arguments) for call in others] == [("f", ("",)), ("g", ("unfinished",))]


def test_read(tmp_path: Path) -> None:
    for name, text in (("sendmail.cf", CF), ("sendmail.mc", MC)):
        (tmp_path / name).write_text(text)
        assert len(read(str(tmp_path / name)).filters) == 3
    with pytest.raises(UnavailableError, match=r"gone\.cf: No such file"):
        read(str(tmp_path / "gone.cf"))

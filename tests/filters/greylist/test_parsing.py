"""Reading greylist.conf: every statement, errors with their place, and nothing else than those two."""

from __future__ import annotations

import re
import subprocess
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.filters._posix import Regex
from postmill.filters.greylist.parsing import ConfigError, parse
from postmill.filters.greylist.values import Actions, Clause, Comparison, Config, MacroIs, Networks, Rule
from tests.filters.greylist.statements import REFUSED, TAKEN
from tests.stack.milter_greylist import PEERS, SETTINGS

PROGRAM = PEERS / "milter-greylist/usr/sbin/milter-greylist"


def test_the_configuration_of_the_trust_filter() -> None:
    config = parse(SETTINGS.format(directory="/srv"))
    assert (config.subnetmatch, config.delay, config.autowhite) == (24, 600, 604800)
    trusted = Clause("sm_macro", (MacroIs("trusted_domain", "trusted_domain", "yes"),))
    assert config.rules == (
        Rule("rcpt", "whitelist", (trusted, Clause("spf", ("pass",))), Actions(), 11),
        Rule("rcpt", "greylist", (trusted, Clause("spf", ("pass",), negated=True)), Actions(), 12),
        Rule("rcpt", "greylist", (), Actions(), 13),
    )
    assert config.warnings[0] == "greylist.conf:1: pidfile means nothing here"


def test_what_is_not_said_is_as_in_milter_greylist() -> None:
    assert parse("") == Config(delay=1800, autowhite=86400, timeout=432000, subnetmatch=32, subnetmatch6=128)


def test_actions_and_lists() -> None:
    text = 'list "n" addr { 192.0.2.0/24 \\\n 10.0.0.0/8 }\nracl "x" blacklist list "n" \\\n code "550" msg "no"\n'
    (rule,) = parse(text).rules
    assert rule.clauses[0].items == (Networks.of([IPv4Network("10.0.0.0/8"), IPv4Network("192.0.2.0/24")]),)
    assert (rule.actions.code, rule.actions.msg, rule.label, rule.line) == ("550", "no", "x", 4)
    (rule,) = parse("dacl blacklist msgsize >= 100k").rules
    assert rule.clauses == (Clause("msgsize", (Comparison(">=", 102400),)),)


def test_a_database_of_countries_has_two_names() -> None:
    assert parse('geoip2db "/x.mmdb"') == parse('geoipdb "/x.mmdb"')


@given(st.lists(st.tuples(st.ip_addresses(), st.integers(0, 32))), st.ip_addresses())
def test_many_networks_are_as_one_after_another(pairs: list[tuple[Any, int]], ip: Any) -> None:
    networks = [ip_network(f"{address}/{bits}", strict=False) for address, bits in pairs]
    assert (ip in Networks.of(networks)) == any(ip in one for one in networks)
    assert all(address in Networks.of(networks) for address, _ in pairs)


def test_an_address_before_the_rules_is_whitelisted_first() -> None:
    rules = parse("racl greylist default\naddr 192.0.2.1\n").rules
    assert [rule.verdict for rule in rules] == ["whitelist", "greylist"]


@pytest.mark.parametrize(
    ("rule", "warning"),
    [
        ('racl blacklist default code "450" ecode "5.7.1"', "ecode 5.7.1 does not belong to code 450"),
        ('racl blacklist default ecode "4.1.1"', "ecode 4.1.1 does not belong to code 551"),
        ('racl greylist default ecode "5.1.1"', "ecode 5.1.1 does not belong to code 451"),
        ('racl greylist default code "550"', "code 550 is for good, and greylisting only for now"),
        ('racl blacklist default code "450"', ""),
        ('racl continue default ecode "4.1.1"', ""),
        ('racl greylist default code "450" ecode "4.1.1"', ""),
    ],
)
def test_codes_that_contradict_are_told(rule: str, warning: str) -> None:
    said = [f"greylist.conf:1: {warning}: the MTA's own words are used"] if warning else []
    assert list(parse(rule).warnings) == said


@pytest.mark.parametrize(
    ("text", "noauth", "warned"),
    [
        ('list "a" auth { "bob" }\nracl blacklist list "a"', False, True),
        ('list "a" tls { /bob/ }\nracl blacklist not list "a"', False, True),
        ('list "a" auth { "bob" }', False, False),
        ('list "a" auth { "bob" }\nracl blacklist list "a"\nnoauth', True, False),
        ('list "a" auth { "bob" }\nracl blacklist list "a"\nracl whitelist tls /./', True, False),
        ('racl blacklist auth "bob"', True, False),
    ],
)
def test_only_a_clause_about_users_has_them_asked_about(text: str, noauth: bool, warned: bool) -> None:
    config = parse(text)
    assert config.noauth == noauth
    assert [one.partition(" is ")[0] for one in config.warnings] == [
        "greylist.conf:2: a list of users"
    ] * warned


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "\n  greylist soon",
            "greylist.conf:2:12: expected a time, as 10, 30s, 10m, 2h, 3d or 1w, not 'soon'",
        ),
        ("subnetmatch /33", "greylist.conf:1:13: /33 is longer than an address: at most /32"),
        ('racl whitelist list "x"', 'greylist.conf:1:21: there is no list "x" above'),
        (
            'racl greylist \\\n  helo "a" urlcheck "x"',
            "greylist.conf:2:12: the clause urlcheck is not supported here",
        ),
        (
            "racl whitelist from /(/ \nextendedregex\nracl whitelist from /(/",
            "greylist.conf:3:21: /(/ is no regular",
        ),
        (
            'racl whitelist body "x"',
            "greylist.conf:1:16: the clause body is not known there yet: it belongs in a dacl",
        ),
        ("racl whitelist ?", "greylist.conf:1:16: no word begins with '?'"),
    ],
)
def test_errors_say_where(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse(text)


@pytest.mark.parametrize("text", TAKEN)
def test_taken(text: str) -> None:
    parse(text + "\n")


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text + "\n")


@pytest.mark.interop
@pytest.mark.parametrize("text", [*TAKEN, *REFUSED])
def test_the_real_one_thinks_so_too(text: str, tmp_path: Path) -> None:
    if not PROGRAM.exists():
        pytest.skip("milter-greylist is not installed")
    file = tmp_path / "greylist.conf"
    file.write_text(text + "\n")
    ran = subprocess.run([PROGRAM, "-c", "-f", file], capture_output=True, text=True, timeout=30, check=False)
    assert ("is okay" in ran.stdout + ran.stderr) == (text in TAKEN), ran.stdout + ran.stderr


WORDS = " ".join([*TAKEN, *REFUSED]).split(" ")


@given(st.lists(st.one_of(st.sampled_from([*WORDS, "\n"]), st.text(max_size=6))).map(" ".join))
def test_a_value_or_one_error(text: str) -> None:
    try:
        parse(text)
    except ConfigError as error:
        assert re.match(r"greylist\.conf:[1-9][0-9]*:[1-9][0-9]*: .", str(error))  # noqa: PT017


@pytest.mark.parametrize(
    ("posix", "extended", "matches", "not_"),
    [
        (r"^dyn[[:digit:]]\{1,3\}\.", False, "DYN12.example", "dyn.example"),
        ("a+", False, "a+", "aa"),
        (r"a\+b", False, "aab", "a+b"),
        ("a+b", True, "aab", "a+b"),
        (r"\(ab\)\1", False, "abab", "ab"),
        ("*a", False, "*a", "a"),
        ("a{2}", False, "a{2}", "aa"),
        ("[]x]$", False, "]", "y"),
        ("[^[:alpha:]]$", False, "1", "a"),
        (r"a\|b", False, "b", "|"),
        ("a^b$c", False, "a^b$c", "abc"),
    ],
)
def test_posix_expressions(posix: str, extended: bool, matches: str, not_: str) -> None:
    pattern = Regex(posix, extended)
    assert pattern.matches(matches)
    assert not pattern.matches(not_)


@given(st.text(max_size=30), st.booleans())
def test_an_expression_or_a_value_error(text: str, extended: bool) -> None:
    try:
        Regex(text, extended)
    except ValueError:
        return

"""Every condition in its place: named by a configuration file, asked by the chain, with what the chain knows.

What each decides is tested beside this, with nouns made by hand; here the nouns are those that packets become.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postmill.api import Clock, Load
from postmill.conditions import shelf
from postmill.daemon.composition import plan_of
from postmill.daemon.configuration import load_configuration
from postmill.daemon.ports import SystemClock
from postmill.testing.playbook import Playbook
from postmill.testing.policy_cases import load_cases
from postmill.testing.policy_playing import play_case
from postmill.wire.symbols import parse_pairs

FIRST = '[milters.first]\nsocket = "inet:10001@127.0.0.1"\nmode = "evaluate"\n'
SECOND = '[milters.second]\nsocket = "inet:10002@127.0.0.1"\nwhen = [{{ name = "{name}"{settings} }}]\n'

CASES: dict[str, tuple[str, str, str, str]] = {
    "authenticated": ("", 'user = "joe"', "", "the client did not log in"),
    "dnsbl-listed": (
        'zones = { "bl.example" = ["127.0.0.2"] }',
        'dns = { "1.2.0.192.bl.example" = ["127.0.0.2"] }',
        'dns = { "1.2.0.192.bl.example" = [] }',
        "taken as not listed: bl.example gave no answer",
    ),
    "header-matches": (
        'header = "Subject", patterns = ["/^invoice/"]',
        'message = "Subject: =?utf-8?q?Invoice?=\\n\\nhello\\n"',
        'message = "Subject: no invoice\\n\\nhello\\n"',
        "no header Subject has /^invoice/",
    ),
    "message-size": (
        'at_most = "1KB"',
        "size = 1000",
        f'size = 2000\nmessage = "Subject: x\\n\\n{"x" * 1024}\\n"',
        "bytes, more than 1024",
    ),
    "no-stress": (
        "",
        "load = { sessions = 74 }",
        "load = { sessions = 75 }",
        "75 sessions; stress begins at",
    ),
    "not-dnsbl-listed": (
        'zones = { "bl.example" = [] }',
        "",
        'dns = { "1.2.0.192.bl.example" = ["127.0.0.9"] }',
        "192.0.2.1 is listed in bl.example (127.0.0.9)",
    ),
    "percentage": (
        "of = 50",
        'sender = "jane@example.net"',
        'sender = "joe@example.net"',
        "joe@example.net is at 98.12 of 100, beyond 50 %",
    ),
    "recipient-domain": (
        'domains = [".example.net"], match = "all"',
        'recipients = ["a@x.example.net", "b@y.example.net"]',
        'recipients = ["a@x.example.net", "b@example.net", "c@x.example.net"]',
        "b@example.net is not in a domain of the list",
    ),
    "remote-network": (
        'local = ["192.0.2.0/25"]',
        'client = { address = "192.0.2.200" }',
        'client = { address = "::ffff:10.0.0.1" }',
        "10.0.0.1 is in a local network (10.0.0.0/8)",
    ),
    "restrict-accounts": (
        'accounts = ["joe@example.org", "abuse@"]',
        'recipients = ["jane@example.org", "abuse@example.com"]',
        'recipients = ["jane@example.org"]',
        "no recipient is in the list of accounts",
    ),
    "s25r": (
        "",
        'client = { name = "[192.0.2.1]" }',
        'client = { name = "mail.example.com" }',
        "mail.example.com looks like a server",
    ),
    "sender-domain": (
        'domains = ["bücher.example"]',
        'sender = "joe@xn--bcher-kva.example"',
        'sender = ""',
        "the sender has no domain",
    ),
    "time-window": (
        'days = ["fri"], hours = ["22:00-06:00"], time_zone = "UTC"',
        "now = 2026-03-07T05:59:59Z",
        "now = 2026-03-07T06:00:00Z",
        "it is sat 06:00 in UTC, and not fri 22:00-06:00",
    ),
    "unauthenticated": ("", "", 'user = "joe"', "the client logged in as joe"),
    "verdict-of": (
        'milter = "first", verdicts = ["reject"], header = "X-Spam"',
        'answers.first = { end-of-message = ["add-header:X-Spam: yes", "reject"] }',
        'answers.first = { end-of-message = ["add-header:X-Spam: no", "accept"] }',
        "first said accept, not reject",
    ),
}
"""Condition to settings, a mail that it applies to, one that it does not, and words of the reason."""
NEVER_SKIPS = {"sendmail-compatible", "stress-notify", "trust"}


def configuration(tmp_path: Path, name: str, settings: str) -> Any:
    file = tmp_path / "postmill.toml"
    file.write_text(FIRST + SECOND.format(name=name, settings=f", {settings}" if settings else ""))
    return plan_of(load_configuration(file).settings)


def complaints(tmp_path: Path, plan: Any, case: str) -> tuple[str, ...]:
    file = tmp_path / "cases.toml"
    file.write_text(f'[[case]]\nname = "x"\n{case}\n')
    (placed,) = load_cases(file)
    return play_case(plan, placed).complaints


def test_every_condition_is_played() -> None:
    assert set(shelf()) == CASES.keys() | NEVER_SKIPS


@pytest.mark.parametrize("name", CASES)
def test_who_is_asked_and_why_not(name: str, tmp_path: Path) -> None:
    settings, applies, skips, words = CASES[name]
    plan = configuration(tmp_path, name, settings)
    assert complaints(tmp_path, plan, f'{applies}\nexpect = {{ run = ["first", "second"] }}') == ()
    assert (
        complaints(tmp_path, plan, f"{skips}\nexpect = {{ run = ['first'], skipped.second = '{words}' }}")
        == ()
    )


def macros_of(
    tmp_path: Path, name: str, settings: str = "", load: Load | None = None
) -> dict[str, dict[str, str]]:
    """The macros that the second milter gets at each stage of a session as Postfix's are."""
    plan = configuration(tmp_path, name, settings)
    clock, busy = SystemClock(), load or Load(1, 100)
    book = Playbook(plan, {}, {Clock: lambda: clock, Load: lambda: busy})
    book.open()  # wishes of the milters are not known yet
    book.reconnect()
    book.open({b"v": b"Postfix 3.7.11", b"j": b"mx.example.org", b"{daemon_addr}": b"2001:db8::25"})
    book.say("M", b"<joe@example.org>\0", {b"{mail_addr}": b"joe@example.org"})
    book.say("R", b"<jane@example.net>\0", {b"{rcpt_addr}": b"jane@example.net"})
    book.say("R", b"<jim@example.net>\0", {b"i": b"4BxYz1"})
    book.say("T", b"", {b"i": b"4BxYz1"})
    seen: dict[str, dict[str, str]] = {}
    for letter, payload in book.seen["second"][-1]:
        if letter == "D":
            pairs = {name.decode(): value.decode() for name, value in parse_pairs(payload)}
            seen[chr(payload[0])] = {**seen.get(chr(payload[0]), {}), **pairs}
    return seen


def test_sendmails_macros_are_there_until_postfix_has_its_own(tmp_path: Path) -> None:
    seen = macros_of(tmp_path, "sendmail-compatible")
    assert {name: seen["C"][name] for name in ("{if_addr}", "{if_name}", "{daemon_port}")} == {
        "{if_addr}": "IPv6:2001:db8::25",
        "{if_name}": "mx.example.org",
        "{daemon_port}": "25",
    }
    placeholder = seen["C"]["i"]
    assert placeholder.startswith("NOQUEUE-")
    assert seen["M"]["i"] == placeholder
    assert (seen["R"]["i"], seen["T"]["i"]) == ("4BxYz1", "4BxYz1")


def test_a_trusted_domain_is_told_from_mail_on(tmp_path: Path) -> None:
    seen = macros_of(tmp_path, "trust", 'domains = ["example.org"]')
    assert seen["M"]["{trusted_domain}"] == "yes"
    assert seen["R"]["{trusted_domain}"] == "yes"
    assert not any("{trusted_domain}" in pairs for pairs in macros_of(tmp_path, "trust").values())


def test_stress_is_told_from_the_connection_on(tmp_path: Path) -> None:
    stressed = macros_of(tmp_path, "stress-notify", load=Load(80, 100))
    assert {letter: pairs["{stress}"] for letter, pairs in stressed.items()} == dict.fromkeys("CHMRT", "yes")
    assert not any("{stress}" in pairs for pairs in macros_of(tmp_path, "stress-notify").values())

"""``sendmail-compatible``: what is added to Postfix's macros, and what never is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postmill.api import Apply, Client, Clock
from postmill.conditions.sendmail_compatible import interface, sendmail_compatible
from postmill.testing.conditions import FixedClock, decide
from postmill.testing.nouns import client

SETTINGS: list[dict[str, Any]] = [
    {},
    {"if_addr": "198.51.100.25", "if_name": "mx.example.org", "daemon_port": "587", "placeholder": False},
]
NOW = datetime(2026, 3, 4, 5, 6, 7, 89, UTC)
POSTFIX = {
    "j": "mx.example.org",
    "daemon_name": "mx.example.org",
    "daemon_addr": "198.51.100.25",
    "v": "Postfix 3.7.11",
}


def added(one: Client, at: datetime = NOW, **settings: Any) -> Mapping[str, str]:
    said = decide(sendmail_compatible, one, {Clock: FixedClock(at)}, **settings)
    assert isinstance(said, Apply)
    return said.macros


def test_postfix_as_it_comes_gets_all_four() -> None:
    macros = added(client(**POSTFIX))
    assert {**macros, "i": ""} == {
        "if_addr": "198.51.100.25",
        "if_name": "mx.example.org",
        "daemon_port": "25",
        "i": "",
    }
    assert re.fullmatch(r"NOQUEUE-[0-9a-f]{12}", macros["i"])


def test_what_postfix_sends_is_not_replaced() -> None:
    sent = {**POSTFIX, "daemon_port": "587", "if_addr": "203.0.113.1", "if_name": "other.example", "i": "4Bx"}
    assert added(client(**sent)) == {}
    assert added(client(**sent), **SETTINGS[1]) == {}


@pytest.mark.parametrize(("mta", "shown"), [("sendmail", "sendmail"), ("", "not known")])
def test_other_mtas_get_nothing(mta: str, shown: str) -> None:
    said = decide(sendmail_compatible, client(mta=mta, **POSTFIX), {Clock: FixedClock(NOW)})
    assert said == Apply(f"the MTA is {shown}, not Postfix: no macros are added")


def test_settings_say_what_cannot_be_known() -> None:
    assert added(client(), **SETTINGS[1]) == {
        "if_addr": "198.51.100.25",
        "if_name": "mx.example.org",
        "daemon_port": "587",
    }
    assert added(client(), placeholder=False, daemon_port="") == {}


def test_the_reason_names_what_was_added() -> None:
    said = decide(sendmail_compatible, client(**POSTFIX), {Clock: FixedClock(NOW)}, placeholder=False)
    assert said is not None
    assert (
        said.because
        == "as Sendmail would send: if_addr=198.51.100.25, if_name=mx.example.org, daemon_port=25"
    )


@pytest.mark.parametrize(
    ("address", "as_sendmail"),
    [
        ("198.51.100.25", "198.51.100.25"),
        ("2001:DB8::25", "IPv6:2001:db8::25"),
        ("IPv6:2001:db8::25", "IPv6:2001:db8::25"),
        ("::ffff:198.51.100.25", "198.51.100.25"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_the_address_as_sendmail_writes_it(address: str, as_sendmail: str) -> None:
    assert interface(address) == as_sendmail


def test_the_name_is_the_mtas_own() -> None:
    assert added(client(j="mx.example.org", daemon_name="smtp-in"))["if_name"] == "mx.example.org"
    assert added(client(daemon_name="mx.example.org"))["if_name"] == "mx.example.org"
    assert "if_name" not in added(client())


def test_each_session_has_its_own_placeholder() -> None:
    later = NOW + timedelta(microseconds=1)
    other_port = Client("mail.example.net", client().ip, 40026, "postfix")
    ids = [
        added(client())["i"],
        added(client(), later)["i"],
        added(client("192.0.2.6"))["i"],
        added(other_port)["i"],
    ]
    assert len(set(ids)) == 4
    assert added(client())["i"] == ids[0]

"""Open relays: what the configuration says, and what the SMTP service said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postmill.host.checkups import relay
from postmill.host.diagnosis import Level
from postmill.host.relay_rules import networks, open_by, too_wide
from postmill.host.relaying import STRANGER, Attempt, Door, disguises, door_of
from tests.host.checkups.patients import MAIN, only, with_postfix, wrong
from tests.host.texts import postfix

OPEN = "smtpd_relay_restrictions = permit_mynetworks\n"


@pytest.mark.parametrize(
    ("main", "open"),
    [
        ("smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n", False),
        (
            "smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination\n",
            False,
        ),
        ("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, Reject\n", False),
        (
            "smtpd_relay_restrictions = permit\nsmtpd_recipient_restrictions = reject_unauth_destination\n",
            False,
        ),
        (OPEN, True),
        ("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions =\n", True),
        ("smtpd_relay_restrictions = permit, reject\n", True),
        ("smtpd_relay_restrictions = warn_if_reject reject_unauth_destination\n", True),
        ("smtpd_relay_restrictions = permit_mynetworks, reject\nmynetworks = 0.0.0.0/0\n", True),
        ("smtpd_relay_restrictions = permit_mynetworks, reject\nmynetworks = 128.0.0.0/1\n", True),
        ("smtpd_relay_restrictions = reject_unauth_destination\nmynetworks = 0.0.0.0/0\n", False),
        ("smtpd_restriction_classes = own\nown = reject\nsmtpd_relay_restrictions = own\n", False),
        ("smtpd_restriction_classes = own\nown = own\nsmtpd_relay_restrictions = own\n", True),
    ],
)
def test_what_the_restrictions_come_to(main: str, open: bool) -> None:
    found = postfix(main)
    assert bool(open_by(found, found.smtpd_services[0])) == open


@pytest.mark.parametrize(
    ("network", "grade"),
    [
        ("127.0.0.0/8", 0),
        ("10.0.0.0/8", 0),
        ("fc00::/7", 0),
        ("192.0.2.0/24", 0),
        ("198.51.0.0/16", 0),
        ("198.48.0.0/12", 1),
        ("12.0.0.0/8", 1),
        ("0.0.0.0/0", 2),
        ("128.0.0.0/1", 2),
        ("2001:db8::/32", 0),
        ("2001:db8::/24", 1),
        ("::/0", 2),
    ],
)
def test_networks_that_are_too_wide(network: str, grade: int) -> None:
    ((found,), whole) = networks(network)
    assert (too_wide(found), whole) == (grade, True)


def test_tables_of_networks_are_not_read() -> None:
    found, whole = networks("127.0.0.0/8, cidr:/etc/postfix/nets, !192.0.2.1, [2001:db8::]/64")
    assert ([str(network) for network in found], whole) == (["127.0.0.0/8", "2001:db8::/64"], False)


def test_an_open_relay_by_its_configuration() -> None:
    found = wrong(relay.check(with_postfix(main=f"{MAIN}{OPEN}")))
    assert [one.text.partition(":")[0] for one in found] == [
        "smtp/inet of Postfix is an open relay",
        "submission/inet of Postfix is an open relay",
    ]
    assert (found[0].command[:2], found[0].safe) == (("postconf", "-e"), False)


def test_too_many_friends() -> None:
    found = only(relay.check(with_postfix(main=MAIN.replace("127.0.0.0/8", "12.0.0.0/8"))))
    assert (found.level, "12.0.0.0/8, hardly all yours" in found.text) == (Level.WARNING, True)


@pytest.mark.parametrize(
    ("attempt", "level", "text"),
    [
        (
            Attempt(STRANGER, reply="554 5.7.1 Relay access denied"),
            Level.OK,
            "does not relay for 203.0.113.9",
        ),
        (
            Attempt(STRANGER, reply="454 4.7.1 Relay access denied"),
            Level.OK,
            "does not relay for 203.0.113.9",
        ),
        (Attempt("127.0.0.1", reply="554 5.7.1 no"), Level.OK, "does not relay for 127.0.0.1"),
        (Attempt("127.0.0.1", ("postmill-doctor@example.org",)), Level.OK, "clients it knows only"),
        (Attempt(STRANGER, ("postmill-doctor@example.org",)), Level.ERROR, "relays for strangers"),
        (Attempt(STRANGER, ("a%b@c",), "554 no"), Level.ERROR, "said yes to <a%b@c>"),
        (Attempt(STRANGER, reply="451 4.7.1 try again"), Level.NOTE, "could not be tried: 451"),
        (Attempt("127.0.0.1", trouble="Connection refused"), Level.NOTE, "could not be tried: Connection"),
    ],
)
def test_what_was_said(attempt: Attempt, level: Level, text: str) -> None:
    found = [*relay.check(with_postfix(knock=lambda door, within: attempt))]
    assert {one.level for one in found} == {level}
    assert all(text in one.text for one in found)


def test_who_is_no_friend_and_gets_through_is_one_too_many() -> None:
    accepted = Attempt("127.0.0.1", ("postmill-doctor@example.org",))
    host = with_postfix(main=MAIN.replace("127.0.0.0/8", "192.0.2.0/24"), knock=lambda door, within: accepted)
    assert {one.level for one in relay.check(host)} == {Level.ERROR}


def test_nobody_is_asked_where_postfix_does_not_run() -> None:
    assert [*relay.check(with_postfix(running=False))] == []


@pytest.mark.parametrize(
    ("name", "main", "door"),
    [
        ("smtp", "", Door("127.0.0.1", 25, False, "mx.example")),
        ("smtp", "inet_interfaces = 192.0.2.1\n", None),
        ("smtp", "inet_interfaces = all\ninet_protocols = ipv6\n", Door("::1", 25, False, "mx.example")),
        ("10025", "mydestination = /etc/x, home.example\n", Door("127.0.0.1", 10025, False, "home.example")),
        ("localhost:10025", "", Door("localhost", 10025, False, "mx.example")),
        ("[::1]:2525", "", Door("::1", 2525, False, "mx.example")),
        ("192.0.2.1:25", "", None),
        ("mail.example:25", "", None),
        ("submissions", "smtpd_tls_wrappermode = yes\n", Door("127.0.0.1", 465, True, "mx.example")),
        ("nosuchservice", "", None),
    ],
)
def test_where_a_service_is_found(name: str, main: str, door: Door | None) -> None:
    found = postfix(f"myhostname = mx.example\n{main}")
    assert door_of(found, replace(found.smtpd_services[0], name=name)) == door


def test_a_service_behind_postscreen() -> None:
    found = postfix("myhostname = mx.example\n")
    first, *others = found.services
    behind = replace(first, name="smtpd", type="pass")
    found = replace(found, services=(replace(first, command="postscreen"), behind, *others))
    assert door_of(found, behind) == Door("127.0.0.1", 25, False, "mx.example")


def test_disguises_hide_the_same_recipient() -> None:
    assert disguises("mx.example") == (
        "postmill-doctor@example.org",
        "postmill-doctor%example.org@mx.example",
        "@mx.example:postmill-doctor@example.org",
        '"postmill-doctor@example.org"@mx.example',
        "example.org!postmill-doctor@mx.example",
    )

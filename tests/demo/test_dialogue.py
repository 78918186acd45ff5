"""What the receiver says to a filter, event by event: as Postfix does (protocol §6.1)."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator

import pytest

from postmill.testing.script import Negotiation, Rule, Script
from postmill.testing.words import reply
from postmill.wire.codes import Protocol
from tests.demo.house import Household

Acts = Callable[[smtplib.SMTP], object]


@pytest.fixture(scope="module")
def house() -> Iterator[Household]:
    with Household(behind=False) as house:
        yield house


def message(smtp: smtplib.SMTP) -> None:
    smtp.mail("a@example.com")
    smtp.rcpt("b@example.org")
    smtp.data(b"A: 1\r\nB: 2\r\n\r\nbody\r\n")


def said(house: Household, *acts: Acts) -> str:
    """The letters of one session, without those of the negotiation."""
    house.child.clear()
    with house.client() as smtp:
        for act in acts:
            act(smtp)
    house.child.wait_closed()
    for box in (house.inbox, house.held):
        box()
    return house.child.letters().removeprefix("O")


def helo(smtp: smtplib.SMTP) -> None:
    smtp.helo()


def mail(smtp: smtplib.SMTP) -> None:
    smtp.mail("a@example.com")


def rset(smtp: smtplib.SMTP) -> None:
    smtp.rset()


@pytest.mark.parametrize(
    ("acts", "letters"),
    [
        ((), "CQ"),
        ((helo,), "CHAQ"),
        ((helo, message), "CHMRTLLNBEAAQ"),
        ((helo, message, message), "CHMRTLLNBEAMRTLLNBEAAQ"),
        ((helo, mail), "CHMAAQ"),
        ((helo, mail, rset, message), "CHMAMRTLLNBEAAQ"),
        ((helo, rset), "CHAQ"),
        ((helo, helo), "CHHAAQ"),
        ((helo, mail, helo), "CHMHAAAQ"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_order_of_events(house: Household, acts: tuple[Acts, ...], letters: str) -> None:
    house.script()
    assert said(house, *acts) == letters


@pytest.mark.parametrize(
    ("rule", "letters"),
    [
        (Rule("C", (reply("accept"),)), "C"),
        (Rule("H", (reply("accept"),)), "CH"),
        (Rule("C", (reply("tempfail"),)), "C"),
        (Rule("H", (reply("550 5.7.1 no"),)), "CH"),
        (Rule("M", (reply("discard"),)), "CHMAAQ"),
        (Rule("M", (reply("reject"),)), "CHMAAQ"),
        (Rule("R", (reply("accept"),)), "CHMRAAQ"),
        (Rule("L", (reply("accept"),)), "CHMRTLAAQ"),
        (Rule("B", (reply("550 5.7.1 no"),)), "CHMRTLLNBAAQ"),
        (Rule("L", (reply("skip"),)), "CHMRTLNBEAAQ"),
    ],
)
def test_what_follows_a_verdict(house: Household, rule: Rule, letters: str) -> None:
    house.script(rule)

    def attempt(smtp: smtplib.SMTP) -> None:
        if smtp.mail("a@example.com")[0] == 250:
            smtp.rcpt("b@example.org")
            smtp.data(b"A: 1\r\nB: 2\r\n\r\nbody\r\n")

    assert said(house, helo, attempt) == letters


def test_a_filter_gets_only_what_it_asked_for(house: Household) -> None:
    flags = Protocol.NOHELO | Protocol.NORCPT | Protocol.NR_HDR | Protocol.NOBODY
    house.child.script = Script(Negotiation(protocol=flags))
    assert said(house, helo, message) == "CMTLLNEAAQ"
